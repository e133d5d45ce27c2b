"""Mixed batches against their definition."""

import keras
import numpy as np
import pytest
import torch

from kcv.data import Batches, draws
from kcv.data.mix import Mixed
from kcv.data.sources import ArraySource

SIZE, CLASSES = (10, 8), 12


def plain(count=12, batch_size=12, part="train"):
    """Images whose every pixel is ten times their class."""
    levels = np.arange(count, dtype=np.uint8) % CLASSES
    images = np.broadcast_to(10 * levels[:, None, None], (count, *SIZE))
    source = ArraySource(images, levels.astype(np.int64), 1, "toys", part)
    return Batches(source, part, image_size=SIZE, batch_size=batch_size, seed=1)


def epochs_of(mixed, count):
    return [next(iter(mixed)) for mixed.epoch in range(count)]


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_labels_have_the_share_of_the_pixels(kind):
    for images, labels in epochs_of(Mixed(plain(), CLASSES, **{kind: 1.0}), 30):
        assert (images.dtype, labels.dtype) == (torch.float32, torch.float32)
        assert (images.shape, labels.shape) == ((12, *SIZE, 1), (12, CLASSES))
        levels = labels @ (10.0 * torch.arange(CLASSES))
        torch.testing.assert_close(images.mean((1, 2, 3)), levels, rtol=0, atol=1e-3)
        torch.testing.assert_close(labels.sum(1), torch.ones(12))


def test_mixup_gives_every_pixel_the_same_mean():
    images, labels = next(iter(Mixed(plain(), CLASSES, mixup=0.8)))
    assert (images == images[:, :1, :1]).all()
    assert ((labels > 0).sum(1) <= 2).all()
    weights = labels[(labels > 0).sum(1) == 2].max(1).values
    assert weights.min() == pytest.approx(weights.max().item())


def test_cutmix_pastes_one_rectangle_at_one_place():
    mixed = Mixed(plain(), CLASSES, cutmix=1.0)
    for epoch, (images, _) in enumerate(epochs_of(mixed, 30)):
        batches = plain()
        batches.epoch = epoch
        changed = (images != next(iter(batches))[0].float()).any(0)[..., 0]
        assert changed.sum() == changed.any(0).sum() * changed.any(1).sum()


def test_the_weights_follow_the_beta_distribution():
    def weight(alpha):
        batches = epochs_of(Mixed(plain(), CLASSES, mixup=alpha), 120)
        return np.array([labels[labels > 0].min().item() for _, labels in batches])

    # Of Beta(1, 1), the smaller of weight and rest is even in 0..0.5; Beta(0.2, 0.2) is at the ends
    assert weight(1.0).mean() == pytest.approx(0.25, abs=0.05)
    assert np.median(weight(0.2)) < 0.06


def test_both_kinds_alternate_at_their_rate():
    def pasted(switch):
        mixed = Mixed(plain(), CLASSES, mixup=1.0, cutmix=1.0, switch=switch)
        return sum((images == images.round()).all().item() for images, _ in epochs_of(mixed, 80))

    assert 10 < pasted(0.25) < 32
    assert pasted(1.0) == 80
    assert pasted(0.0) < 5


def test_batches_are_mixed_at_their_rate():
    mixed = Mixed(plain(), CLASSES, mixup=1.0, rate=0.3)
    same = [(labels.max(1).values == 1).all().item() for _, labels in epochs_of(mixed, 100)]
    assert 58 < sum(same) < 82


def test_mixing_ends_at_its_epoch():
    batches, mixed = plain(), Mixed(plain(), CLASSES, cutmix=1.0, end_epoch=2)
    hard = [((labels == 0) | (labels == 1)).all().item() for _, labels in epochs_of(mixed, 4)]
    batches.epoch = mixed.epoch = 3
    (images, labels), (expected, classes) = next(iter(mixed)), next(iter(batches))
    assert hard == [False, False, True, True]
    assert torch.equal(images, expected.float())
    assert torch.equal(labels.argmax(1), classes)


def test_a_resumed_run_sees_the_same_batches():
    def run(first):
        mixed = Mixed(plain(24, 6), CLASSES, mixup=0.8, cutmix=1.0, seed=4)
        mixed.epoch = first
        return [batch for _ in range(first, 3) for batch in mixed], mixed.epoch

    (whole, end), (rest, same_end) = run(0), run(2)
    assert end == same_end == 3
    assert len({images.numpy().tobytes() for images, _ in whole}) == 12
    for (a, b), (c, d) in zip(whole[8:], rest, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_the_seed_decides_pairs_and_weights():
    first, other = (next(iter(Mixed(plain(), CLASSES, mixup=1.0, seed=s)))[1] for s in (0, 1))
    assert not torch.equal(first, other)


def test_the_random_state_of_torch_is_left_alone():
    before = torch.get_rng_state()
    list(Mixed(plain(), CLASSES, mixup=1.0, cutmix=1.0))
    assert (torch.get_rng_state() == before).all()


def test_it_stands_for_its_batches():
    batches = plain(15, 6)
    mixed = Mixed(batches, CLASSES, mixup=1.0)
    mixed.epoch = 3
    assert batches.epoch == mixed.epoch == 3
    assert (len(mixed), mixed.batch_size, mixed.part) == (2, 6, "train")
    assert mixed.labels is batches.labels
    assert mixed.source is batches.source
    assert mixed.skipped is batches.skipped
    assert mixed.name(4) == "toys/train/4"
    assert mixed.images([7]).max() == 70


def test_keras_fits_it_for_whole_epochs():
    mixed = Mixed(plain(24, 6), CLASSES, mixup=0.8, cutmix=1.0)
    model = keras.Sequential(
        [keras.Input((*SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-5), loss)
    history = model.fit(mixed, epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert mixed.epoch == 2
    assert int(model.optimizer.iterations) == 8


def test_draws_do_not_repeat_those_of_the_images():
    mixing = draws.generator(0, 0, 0, draws.MIX).random(4)
    assert (mixing != draws.generator(0, 0, 0).random(4)).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_classes": 11}, "num_classes >= 12, as the labels have. Received: num_classes=11"),
        ({"mixup": 0.0}, "one of them over 0. Received: mixup=0.0, cutmix=0.0"),
        ({"cutmix": -1}, "Mixed needs mixup >= 0 and cutmix >= 0, .* cutmix=-1"),
        ({"rate": 1.5}, "Mixed needs 0 <= rate <= 1. Received: rate=1.5"),
        ({"switch": -0.5}, "Mixed needs 0 <= switch <= 1. Received: switch=-0.5"),
        ({"seed": -1}, r"Mixed needs 0 <= seed < 2\*\*64. Received: seed=-1"),
        ({"end_epoch": -1}, "Mixed needs end_epoch >= 0, or None. Received: end_epoch=-1"),
        ({"batches": plain(part="val")}, "Mixed needs training batches. Received: part='val'"),
    ],
)
def test_settings_out_of_their_range_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        Mixed(**({"batches": plain(), "num_classes": CLASSES, "mixup": 1.0} | arguments))


def test_a_mixed_batch_has_the_mixed_weights():
    """The label of class k, times the weight, is the sum of what each image brings of k."""
    source = ArraySource(np.zeros((12, 4, 4), np.uint8), np.arange(12), 1, "toys", "train")
    source.weights = np.r_[0, 0, np.arange(1, 11)].astype(np.float32)
    options = {"image_size": (4, 4), "batch_size": 12}
    plain_labels, plain_weights = next(iter(Batches(source, "train", **options)))[1:]
    for kind in ({"mixup": 1.0}, {"cutmix": 1.0}):
        mixed = Mixed(Batches(source, "train", **options), 12, seed=3, **kind)
        _, labels, weights = next(iter(mixed))
        unweighted = ArraySource(source.images, source.labels, 1, "toys", "train")
        _, shares = next(iter(Mixed(Batches(unweighted, "train", **options), 12, seed=3, **kind)))
        brought = shares * torch.from_numpy(source.weights)  # class k is image k
        np.testing.assert_allclose(weights[:, None] * labels, brought, atol=1e-5)
        np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-5)
        assert torch.isfinite(labels).all()
    assert plain_weights.tolist() == source.weights[plain_labels].tolist()


def test_batches_that_are_not_mixed_keep_their_weights():
    source = ArraySource(np.zeros((6, 4, 4), np.uint8), np.arange(6), 1, "toys", "train")
    source.weights = np.arange(6, dtype=np.float32)
    batches = Batches(source, "train", image_size=(4, 4), batch_size=6)
    _, labels, weights = next(iter(Mixed(batches, 6, mixup=1.0, end_epoch=0)))
    assert weights.tolist() == source.weights[labels.argmax(1)].tolist()
