"""The page of images on their way to the network."""

import base64
import re
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kcv.data import draws, load
from kcv.data.showing import show, steps_of

RECIPE = SimpleNamespace(
    image_size=0, channels=0, batch_size=12, seed=3, augment="flip_shift", val_fraction=0.1,
    mixup=0.0, cutmix=1.0,
)  # fmt: skip


def text_of(page):
    return re.sub(r'src="data:[^"]+"', "", page.read_text(encoding="utf-8"))


def test_the_last_step_is_what_the_network_is_given(flowers):
    augment = "crop+flip+randaugment+erase(0.5)"
    data = load(f"folder:{flowers}", image_size=32, batch_size=9, seed=3, augment=augment)
    data.train.epoch = 2
    images, _ = next(iter(data.train))
    order = draws.order(len(data.train.source), 3, 2)
    for row in range(9):
        steps = steps_of(data.train.dataset, int(order[row]), 2)
        np.testing.assert_array_equal(steps[-1][2], images[row].numpy())
    names = [name for name, _, _ in steps]
    assert names == [
        *("as read", "RandomResizedCrop", "HorizontalFlip", "RandAugment", "RandomErasing")
    ]


def test_images_are_resized_first_where_nothing_else_does(flowers):
    data = load(f"folder:{flowers}", image_size=16, augment="shift")
    names = [name for name, _, _ in steps_of(data.train.dataset, 0, 0)]
    assert names == ["as read", "resized", "RandomShift"]


def test_the_page_needs_no_other_file_and_names_every_step(tmp_path, flowers):
    page = show(f"folder:{flowers}", out=tmp_path, augment="crop+flip", image_size=32, count=3)
    assert page == tmp_path / "show.html"
    text = text_of(page)
    assert not re.findall(r"(?:src|href)=\S+", text)
    assert text.count("RandomResizedCrop<") == text.count("for evaluation<") == 3
    assert text.count("as read") == 0  # the class and the file's name stand there
    assert "crop + flip" in text
    assert "RandomResizedCrop(size=(32, 32)" in text
    assert sum(text.count(f"<b>{name}</b>") for name in ("rose", "iris", "grass 草")) == 3


def test_a_recipe_decides_and_mixed_labels_show_their_shares(tmp_path):
    page = show("fashion_mini", RECIPE, out=tmp_path / "x.html", count=1)
    text = text_of(page)
    assert "flip_shift" in text
    assert "28 x 28 x 1" in text
    assert re.search(r"\w+ 0\.\d\d, \w+", text)


def test_pictures_are_those_of_the_pipeline(tmp_path):
    page = show("fashion_mini", RECIPE, out=tmp_path / "x.html", count=1, epoch=1)
    first = re.search(r"data:image/png;base64,([^\"]+)", page.read_text(encoding="utf-8"))[1]
    pixels = np.asarray(Image.open(BytesIO(base64.b64decode(first))))
    source = load("fashion_mini", seed=3).train.source
    index = draws.order(len(source), 0, purpose=draws.STATISTICS)[0]
    np.testing.assert_array_equal(pixels, source[index][0][..., 0])


def test_files_that_cannot_be_read_leave_their_place_to_others(tmp_path, flowers):
    for file in sorted((flowers / "rose").iterdir())[:8]:
        file.write_bytes(b"")
    page = show(f"folder:{flowers}", out=tmp_path / "x.html", augment="flip", image_size=16)
    assert text_of(page).count("for evaluation<") == 6


@pytest.mark.parametrize("wrong", [{"count": 0}, {"epoch": -1}])
def test_counts_out_of_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match="show needs count >= 1 and epoch >= 0. Received: count="):
        show("fashion_mini", **wrong)
