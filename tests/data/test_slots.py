"""Memory that comes back."""

import numpy as np
import torch

from kcv.data.slots import Slots, shared


def slots(most=2):
    return Slots([np.zeros(12, np.uint8) for _ in range(3)], most)


def taken(one):
    return one.free.popleft()


def test_a_piece_is_free_again_when_nobody_looks_at_it():
    one = slots()
    array = one.lend(taken(one), (2, 3))
    assert array.shape == (2, 3)
    assert list(one.free) == [1, 2]
    del array
    assert list(one.free) == [1, 2, 0]


def test_tensors_and_their_parts_keep_it_taken():
    one = slots()
    tensor = torch.from_numpy(one.lend(taken(one), (2, 3)))
    row = tensor[1].float().view(3), tensor[1]
    del tensor
    assert list(one.free) == [1, 2]
    del row
    assert list(one.free) == [1, 2, 0]


def test_what_is_lent_beyond_the_limit_is_a_copy():
    one = slots(most=1)
    first, slot = one.lend(taken(one), (12,)), taken(one)
    second = one.lend(slot, (12,))
    one.view(slot, (12,))[:] = 7
    assert list(one.free) == [2, 1]
    assert not second.any()
    assert np.shares_memory(first, one.pieces[0])


def test_shared_memory_can_be_written_into():
    for inherited in (False, True):
        memory = shared(16, inherited)
        memory.numpy()[:] = 3
        assert memory.sum() == 48
