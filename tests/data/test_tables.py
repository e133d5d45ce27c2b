"""Tables and lists of image files as data."""

import time

import numpy as np
import pytest
import torch
from PIL import Image

import kcv.data
from kcv.data import tables


def write(root, text, name="table.csv"):
    """Write a table, and the images that it may name."""
    for image in ("a 1.png", "b 猫.png", "c.png", "d.png"):
        Image.new("RGB", (8, 8), (len(image), 0, 0)).save(root / image)
    (root / name).write_text(text, encoding="utf-8")
    return f"{name.rpartition('.')[2]}:{root / name}"


ALL = "a 1.png,x\nb 猫.png,y\nc.png,x\nd.png,y\n"


def test_a_table_gives_images_by_paths_relative_to_it(tmp_path):
    found = tables.find_csv(write(tmp_path, "path,label\n" + ALL)[4:], None)
    source = found.parts["all"]
    assert found.class_names == ["x", "y"]
    assert source.labels.tolist() == [0, 1, 0, 1]
    assert source[1][0].shape == (8, 8, 3)
    assert [source.name(1), source.key(1)] == [str(tmp_path / "b 猫.png"), "b 猫.png"]
    assert source.weights is None
    assert found.faults == ()


def test_absolute_paths_links_and_other_folders_are_followed(tmp_path):
    write(tmp_path, "")
    inner = tmp_path / "lists"
    inner.mkdir()
    (inner / "link.png").symlink_to(tmp_path / "c.png")
    lines = f"path,label\n{tmp_path / 'a 1.png'},x\n../d.png,y\nlink.png,x\n"
    (inner / "t.csv").write_text(lines)
    source = tables.find_csv(str(inner / "t.csv"), None).parts["all"]
    assert [source[at][0].shape for at in range(3)] == [(8, 8, 3)] * 3


def test_parts_and_weights_come_from_their_columns(tmp_path):
    text = "path,label,split,weight\na 1.png,x,train,2\nb 猫.png,y,train,0.5\nc.png,x,val,1\n"
    data = kcv.data.load(write(tmp_path, text), image_size=8)
    assert data.splits["train"] == ["a 1.png", "b 猫.png"]
    assert data.splits["val"] == ["c.png"]
    assert data.test is None
    assert data.train.source.weights.tolist() == [2, 0.5]
    assert data.train.source.weights.dtype == np.float32
    assert data.class_counts == {"train": [1, 1], "val": [1, 0]}


def test_several_labels_reach_the_batches_as_ones_and_zeros(tmp_path):
    lines = [{"a 1.png": "x|y"}, {"b 猫.png": ""}, {"c.png": "x"}, {"d.png": "y"}]
    text = "path,labels,split\n" + "".join(
        f"{path},{labels},{part}\n"
        for line, part in zip(lines, ["train", "train", "train", "test"], strict=True)
        for path, labels in line.items()
    )
    data = kcv.data.load(write(tmp_path, text), image_size=8, batch_size=8)
    assert data.multi_label
    _, labels = next(iter(data.test))
    assert labels.tolist() == [[0, 1]]
    assert labels.dtype == torch.float32
    _, labels = next(iter(data.train))
    assert labels.shape == (len(data.train.labels), 2)
    assert data.class_counts["test"] == [0, 1]


def test_numbers_as_names_are_sorted_as_numbers(tmp_path):
    text = "path,label\na 1.png,10\nb 猫.png,9\nc.png,10\n"
    assert tables.find_csv(write(tmp_path, text)[4:], None).class_names == ["9", "10"]


def test_a_list_of_classes_beside_the_table_gives_their_order(tmp_path):
    path = write(tmp_path, "path,label\n" + ALL)[4:]
    (tmp_path / "classes.txt").write_text("y\nx\n")
    found = tables.find_csv(path, None)
    assert found.class_names == ["y", "x"]
    assert found.parts["all"].labels.tolist() == [1, 0, 1, 0]
    (tmp_path / "classes.txt").write_text("yy\nx\n")
    with pytest.raises(ValueError, match="Line 3 .* label 'y', .* not in the classes.txt .*'yy'?"):
        tables.find_csv(path, None)
    (tmp_path / "classes.txt").write_text("y\nx\ny\n")
    with pytest.raises(ValueError, match="classes.txt' needs each class once. Received: 'y' twice"):
        tables.find_csv(path, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na 1.png,x\n", "The data needs two classes. Received: x in '.*table.csv'"),
        (
            "path,label,split\na 1.png,x,train\nb 猫.png,y,test\n",
            "Every class needs training images. Received: none of y in",
        ),
        (
            "path,label,split\na 1.png,x,test\nb 猫.png,y,test\n",
            "needs rows of the part 'train'. Received: only test in '.*'. To read them all",
        ),
        (
            "path,label\n" + ALL + "c.png,y\nc.png,x\n",
            "each file once. Received: 'c.png' in lines 4 and 6 of '.*', and 1 more such lines.",
        ),
        (
            "path,label\n" + ALL + "no/e.png,y\nf.png,x\n",
            "need to exist. Received: 2 of 6 that do not, no/e.png, f.png, in '.*--fix writes",
        ),
    ],
)
def test_a_table_that_cannot_be_trained_on_says_why(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        kcv.data.load(write(tmp_path, text))


def test_a_table_without_its_prefix_is_recognised(tmp_path):
    path = write(tmp_path, "path,label\n" + ALL)[4:]
    with pytest.raises(ValueError, match=f"For this table: 'csv:{path}'."):
        kcv.data.load(path)


def camp(root, prefix="train/", train="rose/1 a.png 0\niris/2.png 1\nrose/3.png 0\n"):
    """Write the layout of the camp's flowers: lists of paths and class numbers."""
    for path in ("train/rose/1 a.png", "train/iris/2.png", "train/rose/3.png", "val/iris/4.png"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / path)
    (root / "classes.txt").write_text("rose\niris\n")
    (root / "train.txt").write_text(train.replace("rose/", f"{prefix}rose/") if prefix else train)
    (root / "val.txt").write_text("iris/4.png 1\n")
    return root


def test_lists_beside_classes_give_parts_in_the_order_of_the_classes(tmp_path):
    data = kcv.data.load(f"folder:{camp(tmp_path, prefix='')}", image_size=8)
    assert data.class_names == ["rose", "iris"]
    expected = ["train/rose/1 a.png", "train/iris/2.png", "train/rose/3.png"]
    assert data.splits["train"] == expected
    assert data.train.labels.tolist() == [0, 1, 0]
    assert data.splits["val"] == ["val/iris/4.png"]
    assert data.test is None


def test_lists_may_be_relative_to_the_root(tmp_path):
    camp(tmp_path, prefix="")
    listed = "train/rose/1 a.png 0\ntrain/iris/2.png 1\n"
    (tmp_path / "train.txt").write_text(listed)
    assert kcv.data.load(f"folder:{tmp_path}").splits["train"][1] == "train/iris/2.png"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rose/3.png", "a path, a space and a class number below 2 .* 'rose/3.png' in line 2"),
        ("rose/3.png rose", "Received: 'rose/3.png rose' in line 2 of '.*train.txt'"),
        ("rose/3.png 2", "Received: 'rose/3.png 2' in line 2"),
        ("rose/9.png 0\niris/2.png 1", "need to exist. Received: 1 of 3 .* train/rose/9.png"),
        ("rose/3.png 0", "Every class needs training images. Received: none of iris"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(tmp_path, line, message):
    root = camp(tmp_path, prefix="", train=f"rose/1 a.png 0\n{line}\n")
    with pytest.raises(ValueError, match=message):
        kcv.data.load(f"folder:{root}")


def test_an_empty_list_is_named(tmp_path):
    with pytest.raises(ValueError, match="train.txt' has no lines. It needs a line for each image"):
        kcv.data.load(f"folder:{camp(tmp_path, train='')}")


@pytest.mark.slow
def test_a_hundred_thousand_files_are_listed_in_seconds(tmp_path):
    for label in range(10):
        (tmp_path / f"class {label}").mkdir()
        for number in range(10_000):
            (tmp_path / f"class {label}" / f"{number}.png").touch()
    started = time.process_time()
    data = kcv.data.load(f"folder:{tmp_path}")
    assert sum(map(sum, data.class_counts.values())) == 100_000
    assert time.process_time() - started < 10
    lines = "".join(f"class {at % 10}/{at // 10}.png,{at % 10}\n" for at in range(100_000))
    (tmp_path / "t.csv").write_text("path,label\n" + lines)
    started = time.process_time()
    assert not tables.find_csv(str(tmp_path / "t.csv"), None).faults
    assert time.process_time() - started < 10
