"""Images through the reference libraries' evaluation transforms, and through kcv's."""

import io

import numpy as np
import pytest
from PIL import Image

from kcv.data.reading import read_image
from kcv.data.resizing import resize_image
from kcv.weights.preprocessing import from_timm

pytestmark = pytest.mark.slow

# (height, width): odd sides, both ways round, smaller than the crop, extreme
SHAPES = [(375, 500), (333, 251), (97, 131), (224, 224), (601, 200)]


def jpeg(shape):
    """Return the bytes of a photo-like JPEG: smooth colours, edges and noise."""
    height, width = shape
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width]
    colours = [128 + 90 * np.sin(x / (9 + 5 * c) + c) * np.cos(y / (13 - 3 * c)) for c in range(3)]
    image = np.stack(colours, -1)
    image[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 90)
    image += rng.normal(0, 20, image.shape)
    file = io.BytesIO()
    Image.fromarray(image.clip(0, 255).astype("uint8")).save(file, "JPEG", quality=90)
    return file.getvalue()


def distance(content, transform, size, **resize):
    """Return the largest difference in grey levels between a reference and kcv."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    theirs = np.asarray(transform(picture)).astype(int)
    ours = resize_image(read_image(content), size, **resize).astype(int)
    assert ours.shape == theirs.shape
    return abs(ours - theirs).max()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("crop_pct", [0.875, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("size", [224, 225, 288])
def test_centre_crops_equal_timms(reference, shape, interpolation, crop_pct, size):
    reference("timm")
    from timm.data.transforms_factory import transforms_imagenet_eval

    steps = transforms_imagenet_eval(
        size, crop_pct=crop_pct, interpolation=interpolation
    ).transforms[:2]
    how = {"crop_pct": crop_pct, "interpolation": interpolation}
    assert distance(jpeg(shape), lambda x: steps[1](steps[0](x)), size, **how) <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "crop_pct"), [(384, 1.0), (224, 0.9), (256, 0.95), (225, 0.951)])
def test_squashed_images_equal_timms(reference, shape, interpolation, size, crop_pct):
    reference("timm")
    from timm.data.transforms_factory import transforms_imagenet_eval

    about = {"crop_pct": crop_pct, "crop_mode": "squash", "interpolation": interpolation}
    steps = transforms_imagenet_eval(size, **about).transforms[:2]
    how = from_timm(about).resize
    assert distance(jpeg(shape), lambda x: steps[1](steps[0](x)), size, **how) <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "source",
    [
        "torchvision/resnet50.IMAGENET1K_V1",
        "torchvision/resnet50.IMAGENET1K_V2",
        "torchvision/inception_v3.IMAGENET1K_V1",
        "torchvision/efficientnet_b1.IMAGENET1K_V2",
        "torchvision/efficientnet_b4.IMAGENET1K_V1",
        "torchvision/swin_t.IMAGENET1K_V1",
    ],
)
def test_every_step_of_torchvision_is_in_the_catalogue(reference, shape, source):
    from kcv.weights import catalogue

    torchvision = reference("torchvision")
    row = catalogue.rows()[source]
    name, tag = source.split("/")[1].split(".")
    preset = getattr(torchvision.models.get_model_weights(name), tag).transforms()
    picture = Image.open(io.BytesIO(jpeg(shape))).convert("RGB")
    theirs = preset(picture).numpy().transpose(1, 2, 0)
    ours = resize_image(read_image(jpeg(shape)), row.size, **row.preprocessing.resize) / 255
    mean, std = preset.mean, preset.std
    np.testing.assert_allclose(theirs * std + mean, ours, atol=1.01 / 255)
