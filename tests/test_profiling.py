import keras
import pytest

from kcv import kernels, layers
from kcv.profiling import Profile, profile


def net(size=6):
    image = keras.Input((size, size, 3))
    return keras.Model(image, layers.classify(image, 2), name="net")


@pytest.fixture
def measured():
    return Profile("net", (6, 6, 3), 4, (1.0, 2.0, 9.0), kernels.device())


def test_every_round_is_measured_on_this_device():
    result = profile(net(), batch_size=2, rounds=3, warmup=1)
    assert len(result.milliseconds) == 3
    assert min(result.milliseconds) > 0
    assert (result.name, result.input_shape, result.batch_size) == ("net", (6, 6, 3), 2)
    assert result.device == kernels.device()


def test_latency_is_the_median_and_throughput_follows(measured):
    assert measured.latency == 2.0
    assert measured.images_per_second == 2000.0


def test_spread_leaves_out_a_tenth_at_both_ends(measured):
    assert measured.spread == pytest.approx((1.2, 7.6))


def test_the_table_names_figures_and_device(measured):
    text = measured.table()
    assert "2.00 ms for a batch of 4 x 6 x 6 x 3" in text
    assert "1.20 to 7.60 ms" in text
    assert "2,000.0 images/s" in text
    assert kernels.device()["device"] in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"batch_size": 0}, "profile needs batch_size >= 1. Received: batch_size=0"),
        ({"rounds": 0}, "profile needs rounds >= 1. Received: rounds=0"),
        ({"warmup": -1}, "profile needs warmup >= 0. Received: warmup=-1"),
    ],
)
def test_values_that_do_not_fit_are_named(changes, text):
    with pytest.raises(ValueError, match=text):
        profile(net(), **changes)


def test_open_sizes_are_refused():
    with pytest.raises(ValueError, match="one input of fixed size. Received: input shape"):
        profile(net(None))
