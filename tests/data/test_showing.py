"""The page of images on their way to the network."""

import base64
import re
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv.data import draws, load
from kcv.data.showing import show, steps_of
from kcv.recipes import Recipe, make_batches, settings

RECIPE = SimpleNamespace(
    image_size=0, channels=0, batch_size=12, seed=3, augment="flip_shift", val_fraction=0.1,
    mixup=0.0, cutmix=1.0,
)  # fmt: skip


def text_of(page):
    return re.sub(r'src="data:[^"]+"', "", page.read_text(encoding="utf-8"))


def section(page, title):
    """Return the pictures of a section, exact up to 64 pixels, and the text of its captions."""
    html = page.read_text(encoding="utf-8").split(f"<h2>{title}</h2>")[1].split("</section>")[0]
    coded = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    captions = re.findall("<figcaption>(.*?)</figcaption>", html)
    pictures = [np.asarray(Image.open(BytesIO(base64.b64decode(one)))) for one in coded]
    return pictures, [caption.replace("\xa0", " ") for caption in captions]


def tagged(folder, rows):
    """Write images of several classes and their table; return what names it."""
    lines = ["path,labels"]
    for number in range(24):
        pixels = np.full((12, 12, 3), 10 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{rows[number % len(rows)]}")
    (folder / "tags.csv").write_text("\n".join(lines))
    return f"csv:{folder / 'tags.csv'}"


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
    assert text.count("Random<wbr>Resized<wbr>Crop<") == text.count("for evaluation<") == 3
    assert text.count("as read") == 0  # the class and the file's name stand there
    assert "crop + flip" in text
    assert "RandomResizedCrop(size=(32, 32)" in text
    assert sum(text.count(f"<b>{name}</b>") for name in ("rose", "iris", "grass 草")) == 3


def test_a_recipe_decides_and_mixed_labels_show_their_shares(tmp_path):
    page = show("fashion_mini", RECIPE, out=tmp_path / "x.html", count=1)
    text = text_of(page)
    assert "flip_shift" in text
    assert "28 x 28 x 1" in text
    assert re.search(r"\w+\xa00\.\d\d, \w+", text)


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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mixup": 1.0},
        {"cutmix": 1.0, "seed": 4},
        {"mixup": 0.5, "cutmix": 1.0, "mix_epochs": 2},
        {"mixup": 1.0, "mix_epochs": 1},
        {"repeats": 3},
        {"start_size": 16, "epochs": 5},
        {"sampling": "balanced"},
        {"val_fraction": 0.5, "augment": "crop+flip", "image_size": 20},
    ],
)
def test_the_batch_is_that_of_the_training(tmp_path, changes):
    recipe = Recipe("resnet18", batch_size=20).changed(**changes)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1, epoch=1)
    batches = make_batches(recipe, settings.load(recipe))
    batches.epoch = 1
    expected = np.rint(next(iter(batches))[0][:18, ..., 0].numpy())
    np.testing.assert_array_equal(section(page, "A batch")[0], expected)


def test_options_go_before_the_recipe(tmp_path):
    options = {"image_size": 32, "growing": None}
    recipe = Recipe("resnet18", start_size=8, epochs=4)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1, **options)
    assert section(page, "A batch")[0][0].shape == (32, 32)


def test_another_epoch_shows_other_draws(tmp_path):
    recipe = Recipe("resnet18", mixup=1.0)
    pages = [
        show("fashion_mini", recipe, out=tmp_path / f"{n}.html", count=1, epoch=n) for n in (0, 1)
    ]
    (first, shares), (second, others) = (section(page, "A batch") for page in pages)
    assert not any(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert shares != others


def test_growing_images_have_the_size_of_their_epoch(tmp_path):
    recipe = Recipe("resnet18", start_size=16, epochs=6)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1, epoch=1)
    sizes = [settings.load(recipe).train.sizes(epoch) for epoch in range(1, 7)]
    assert sizes[0] < sizes[1] < sizes[2] == sizes[5] == (28, 28)
    pictures, captions = section(page, "One image, several epochs")
    assert [picture.shape for picture in pictures] == sizes
    assert captions[0] == f"epoch 1<small>{sizes[0][1]} x {sizes[0][0]}</small>"
    assert {picture.shape for picture in section(page, "A batch")[0]} == {sizes[0]}
    assert section(page, "Step by step")[0][-1].shape == (28, 28)
    assert f"<b>{sizes[0][0]} x {sizes[0][1]} x 1</b><span>growing to 28 x 28; " in text_of(page)


def test_growing_crops_are_cut_for_their_epoch(tmp_path, flowers):
    recipe = Recipe("resnet18", start_size=16, image_size=32, epochs=4, augment="crop+flip")
    page = show(f"folder:{flowers}", recipe, out=tmp_path / "x.html", count=1)
    shapes = [picture.shape for picture in section(page, "Step by step")[0]]
    assert shapes == [(20, 30, 3), (16, 16, 3), (16, 16, 3), (32, 32, 3)]


@pytest.mark.parametrize(("repeats", "columns"), [(1, 6), (3, 6), (4, 4), (9, 8)])
def test_repeats_stand_side_by_side_and_differ(tmp_path, repeats, columns):
    recipe = Recipe("resnet18", augment="crop", repeats=repeats)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1)
    pictures, captions = section(page, "A batch")
    assert len(pictures) == 3 * columns
    assert f'--steps:{columns}"' in page.read_text().split("<h2>A batch</h2>")[1]
    assert len(set(captions[:repeats])) == 1
    assert len({picture.tobytes() for picture in pictures[:repeats]}) == min(repeats, 24)
    assert (f"Each image comes {repeats} times in a row" in text_of(page)) == (repeats > 1)


def test_mixed_pictures_say_by_what_and_in_which_shares(tmp_path):
    recipe = Recipe("resnet18", mixup=1.0, cutmix=1.0, mix_epochs=2, batch_size=32)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1)
    assert "mixed in pairs by mixup or by cutmix, with" in text_of(page)
    shares = [re.findall(r" (\d\.\d\d)", caption) for caption in section(page, "A batch")[1]]
    pairs = {tuple(map(float, pair)) for pair in shares if pair}
    assert len(pairs) == 1  # of the whole batch
    assert sum(pairs.pop()) == pytest.approx(1, abs=0.011)
    page = show("fashion_mini", recipe, out=tmp_path / "x.html", count=1, epoch=2)
    assert "Mixing has ended: it lasts 2 epochs." in text_of(page)
    assert not any(re.search(r"\d\.\d", caption) for caption in section(page, "A batch")[1])


def test_shares_are_those_of_weighted_classes(tmp_path, flowers):
    for file in sorted((flowers / "rose").iterdir())[5:]:
        file.unlink()
    recipe = Recipe("resnet18", data=f"folder:{flowers}", image_size=16, mixup=1.0, batch_size=8)
    recipe = recipe.changed(class_weights="balanced")
    page = show(recipe.data, recipe, out=tmp_path / "x.html", count=1)
    labels = next(iter(make_batches(recipe, settings.load(recipe))))[1]
    expected = [sorted(f"{share:.2f}" for share in row if 0 < share < 1) for row in labels.numpy()]
    captions = section(page, "A batch")[1]
    assert [sorted(re.findall(r" (0\.\d\d)", caption)) for caption in captions] == expected
    assert len({tuple(row) for row in expected if row}) > 1


def test_classes_of_an_image_have_shares_only_where_it_is_mixed(tmp_path):
    spec = tagged(tmp_path, ["cat|old", "dog", "", "a|b|cat|dog|old"])
    page = show(spec, out=tmp_path / "x.html", image_size=12)
    captions = section(page, "A batch")[1]
    assert set(captions) == {"cat, old", "dog", "no class", "a, b, cat, dog, and 1 more"}
    recipe = Recipe("resnet18", image_size=12, mixup=1.0)
    mixed = section(show(spec, recipe, out=tmp_path / "x.html"), "A batch")[1]
    assert any(re.search(r"\w+ 0\.\d\d, \w+ 0", caption) for caption in mixed)
    assert any(re.fullmatch(r"dog 0\.\d\d", caption) for caption in mixed)  # with no class


def test_images_are_resized_as_the_weights_want_it(tmp_path, flowers):
    network = kcv.models.build("resnet18", num_classes=3, image_size=16, width=0.0625)
    seen = kcv.weights.Preprocessing((0.5,) * 3, (0.5,) * 3, 16, "nearest", mode="squash")
    network.preprocessing = seen
    path = kcv.weights.save(network, tmp_path / "w.safetensors", "timm")
    recipe = Recipe("resnet18", weights=str(path), augment="none")
    recipe = recipe.changed(data=f"folder:{flowers}", image_size=16)
    page = show(recipe.data, recipe, out=tmp_path / "x.html", count=1)
    data = settings.load(recipe, resize=seen.resize)
    index = draws.order(len(data.train.source), 0, purpose=draws.STATISTICS)[0]
    for picture in section(page, "Step by step")[0][1:]:
        np.testing.assert_array_equal(picture, data.train.images([index])[0])


def test_data_is_shown_as_it_is_and_left_in_its_epoch(tmp_path):
    data = load("fashion_mini", augment="crop+flip", batch_size=9_000)
    data.train.epoch = 7
    page = show(data, out=tmp_path / "x.html", count=1, epoch=3)
    assert data.train.epoch == 7
    assert "<b>RandomResizedCrop + HorizontalFlip</b>" in text_of(page)
    with pytest.raises(ValueError, match="show takes a Data as it is. Received: augment, seed."):
        show(data, augment="flip", seed=1)


def test_many_steps_have_smaller_titles(tmp_path):
    text = "crop+flip+jitter+grey+blur+erase"
    for augment, narrow in ((text, 0), (text + "+cutout", 1)):
        page = show(out=tmp_path / "x.html", count=1, augment=augment)
        assert text_of(page).count('class="steps narrow"') == narrow
