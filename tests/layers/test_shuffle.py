"""The channel shuffle."""

import numpy as np
import pytest

from kcv.layers.shuffle import channel_shuffle


def shuffled(channels, groups):
    x = np.arange(channels, dtype="float32").reshape(1, 1, 1, channels)
    return [int(c) for c in np.ravel(channel_shuffle(x, groups))]


def test_channels_are_dealt_out_to_all_groups():
    assert shuffled(6, 2) == [0, 3, 1, 4, 2, 5]


def test_every_new_group_sees_every_old_one():
    new = np.array(shuffled(12, 3)).reshape(3, 4)
    assert all(set(group // 4) == {0, 1, 2} for group in new)


def test_the_other_number_of_groups_undoes_it(rng):
    x = rng.normal(size=(2, 3, 4, 12)).astype("float32")
    back = channel_shuffle(channel_shuffle(x, 3), 4)
    np.testing.assert_array_equal(np.asarray(back), x)


def test_places_are_left_alone(rng):
    x = rng.normal(size=(2, 3, 4, 8)).astype("float32")
    y = np.asarray(channel_shuffle(x, 2))
    np.testing.assert_array_equal(np.sort(y, -1), np.sort(x, -1))


@pytest.mark.parametrize("groups", [0, 4])
def test_groups_must_divide_the_channels(groups):
    with pytest.raises(ValueError, match=f"Received: groups={groups}, channels=6"):
        shuffled(6, groups)
