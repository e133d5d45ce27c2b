"""Listing of image folders."""

import logging

import pytest
from PIL import Image

from kcv.data import folder, read_image
from kcv.data.images import FORMATS

PIXEL = Image.new("RGB", (2, 2))


def write(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        PIXEL.save(root / path, "PNG")
    return str(root)


def test_classes_are_the_sorted_folders_and_images_lie_at_any_depth(tmp_path):
    root = write(tmp_path, "b/1.png", "b/deep er/2.PNG", "a 猫/x.jpeg", "c/1.tif")
    names, parts = folder.read(root)
    assert names == ["a 猫", "b", "c"]
    assert list(parts) == ["all"]
    assert parts["all"].paths == ["a 猫/x.jpeg", "b/1.png", "b/deep er/2.PNG", "c/1.tif"]
    assert parts["all"].labels.tolist() == [0, 1, 1, 2]


def test_hidden_files_and_other_kinds_are_passed_over(tmp_path):
    root = write(tmp_path, "a/1.png", "a/._1.png", "b/1.png", ".git/1.png", "a/.thumbs/2.png")
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / "a" / "folder.png").mkdir()
    assert folder.read(root)[1]["all"].paths == ["a/1.png", "b/1.png"]


def test_other_files_that_may_be_images_are_counted_in_one_warning(tmp_path, caplog):
    root = write(tmp_path, *(f"{part}/{name}/1.png" for part in ("train", "val") for name in "ab"))
    kinds = ["1.HEIC", "2.heic", "in/3.heic", "photo", "x.svg"]
    silent = ["Thumbs.db", "notes.txt", "README", "data.csv", ".hidden.heic"]
    for name in kinds + silent:
        path = tmp_path / "train" / "a" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "val" / "b" / "4.heic").touch()
    (tmp_path / "val" / "b" / "up.heic").symlink_to(tmp_path / "val")
    parts = folder.read(root)[1]
    assert parts["train"].passed_over == {".heic": 3, "": 1, ".svg": 1}
    assert folder.passed_over(parts) == {".heic": 4, "": 1, ".svg": 1}
    assert caplog.messages == [
        f"{root}: 6 files are not taken for images: 4 .heic, 1 without an extension, 1 .svg. "
        "Convert images of other kinds, for example with `magick mogrify -format jpg *.heic`, and "
        "give image files without an extension that of their format, such as .jpg."
    ]


def test_files_that_nobody_takes_for_images_need_no_word(tmp_path, caplog):
    root = write(tmp_path, "a/1.png", "b/1.png")
    for name in ("Thumbs.db", "labels.txt", "1.xml", "1.json", "LICENSE", ".DS_Store"):
        (tmp_path / "a" / name).touch()
    assert folder.read(root)[1]["all"].passed_over == {}
    assert caplog.messages == []


def test_a_folder_without_a_readable_kind_names_the_kinds_there_are(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.heic").touch()
    with pytest.raises(ValueError, match=r"no images in class .* 2 files are not .*: 2 \.heic\."):
        folder.read(str(tmp_path))


@pytest.mark.parametrize(
    ("extension", "form"), [("avif", "AVIF"), ("jp2", "JPEG2000"), ("j2k", "JPEG2000")]
)
def test_newer_formats_are_listed_where_pillow_reads_them(tmp_path, caplog, extension, form):
    root = write(tmp_path, "a/1.png", "b/1.png")
    if form not in FORMATS:
        pytest.skip(f"Pillow was built without {form}")
    PIXEL.save(tmp_path / "a" / f"2.{extension}", form)
    assert folder.read(root)[1]["all"].paths == ["a/1.png", f"a/2.{extension}", "b/1.png"]
    assert read_image(tmp_path / "a" / f"2.{extension}").shape == (2, 2, 3)
    assert caplog.messages == []


def test_a_broken_image_file_is_listed_and_met_when_it_is_read(tmp_path):
    root = write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "0.jpg").write_bytes(b"")
    (tmp_path / "a" / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    assert folder.read(root)[1]["all"].paths == ["a/0.jpg", "a/1.png", "a/2.jpg", "b/1.png"]


def test_symbolic_links_are_followed_but_not_in_circles(tmp_path):
    root = write(tmp_path / "data", "a/1.png", "b/1.png")
    write(tmp_path / "elsewhere", "2.png", "3.png")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "4.png").symlink_to(tmp_path / "elsewhere" / "3.png")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "self").symlink_to(tmp_path / "data" / "a")
    assert folder.read(root)[1]["all"].paths == [
        *("a/1.png", "a/4.png", "b/1.png", "c/2.png", "c/3.png")
    ]


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_parts_are_recognised_by_their_names(tmp_path, val):
    files = [f"{part}/{name}/1.png" for part in ("train", val, "test") for name in "ab"]
    names, parts = folder.read(write(tmp_path, *files, "train/a/2.png"))
    assert names == ["a", "b"]
    assert set(parts) == {"train", "val", "test"}
    assert parts["train"].paths == ["train/a/1.png", "train/a/2.png", "train/b/1.png"]
    assert parts["val"].paths == [f"{val}/a/1.png", f"{val}/b/1.png"]
    assert parts["test"].labels.tolist() == [0, 1]


def test_train_is_a_class_beside_car_and_bus(tmp_path):
    names, parts = folder.read(write(tmp_path, "car/1.png", "bus/1.png", "train/1.png"))
    assert names == ["bus", "car", "train"]
    assert list(parts) == ["all"]


def test_folders_and_images_that_are_not_used_are_named(tmp_path, caplog):
    root = write(tmp_path, "train/a/1.png", "train/b/1.png", "extra/a/1.png", "train/lost.png")
    (tmp_path / "train" / "lost.png").rename(tmp_path / "lost.png")
    with caplog.at_level(logging.WARNING, "kcv"):
        folder.read(root)
    assert "Folders beside the parts are not used" in caplog.text
    assert "extra" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "kcv"):
        folder.read(write(tmp_path / "extra", "b/1.png", "lost.png"))
    assert "1 image lies outside the class folders of" in caplog.text


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs a folder that exists. Received: '.*/none'"):
        folder.read(str(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="needs a folder, not a file. Received: '.*/file'"):
        folder.read(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([], "has no images in class folders. It needs a folder for each class"),
        (["1.png", "2.png"], r"no images in class folders \(2 images lie in it without a class\)"),
        (["rose/1.png"], "has one class only \\('rose'\\). It needs a folder for each class"),
        (["train/a/1.png"], "has one class only \\('a'\\)"),
        (["test/a/1.png", "test/b/1.png"], "needs the part 'train'. Received: only test in"),
        (
            ["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"],
            "needs each part once. Received: 'val' and 'valid'",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"],
            "need the same classes. Received: 'test' lacks b and has c in addition, compared with",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, files, text):
    with pytest.raises(ValueError, match=text):
        folder.read(write(tmp_path, *files))


def test_empty_classes_are_named(tmp_path):
    root = write(tmp_path, "a/1.png", "b/1.png")
    for number in range(7):
        (tmp_path / f"empty {number}").mkdir()
    (tmp_path / "empty 0" / "photo.HEIC").touch()
    text = r"without images: empty 0, .*, empty 4 and 2 more \(only .heic files, which kcv does not"
    with pytest.raises(ValueError, match=text):
        folder.read(root)
