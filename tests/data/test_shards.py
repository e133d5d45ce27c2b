"""WebDataset shards."""

import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

import kcv.data
from kcv.data import shards


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "cache"))


def image(level, size=(80, 90)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (level, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def sample(name, level, label, size=(80, 90)):
    return {f"{name}.png": image(level, size), f"{name}.cls": str(label).encode()}


def test_shards_are_read_by_random_access(tmp_path):
    write(tmp_path / "a-00.tar", sample("x/1 猫", 10, 0) | sample("2", 20, 1))
    write(tmp_path / "a-01.tar", sample("3", 30, 1) | {"3.txt": b"a caption"})
    found = shards.find(f"{tmp_path}/a-{{00..01}}.tar", None)
    source = found.parts["all"]
    assert found.class_names == ["0", "1"]
    assert found.image_size == (224, 224)
    assert source.labels.tolist() == [0, 1, 1]
    assert [int(source[at][0][0, 0, 0]) for at in (2, 0, 1)] == [30, 10, 20]
    assert source.key(0) == "a-00.tar/x/1 猫"
    assert source.problem(0) is None
    again = pickle.loads(pickle.dumps(source))
    assert again[2][0].shape == (90, 80, 3)


def test_the_names_of_shards_in_a_folder_are_parts(tmp_path):
    for part in ("train", "val", "test"):
        write(tmp_path / f"{part}-0.tar", sample("1", 1, "cat") | sample("2", 2, "dog"))
    data = kcv.data.load(f"wds:{tmp_path}", image_size=8)
    assert data.class_names == ["cat", "dog"]
    assert [len(part.labels) for part in (data.train, data.val, data.test)] == [2, 2, 2]
    assert next(iter(data.test))[0].shape == (2, 8, 8, 3)


def test_small_images_keep_their_size(tmp_path):
    write(tmp_path / "a.tar", sample("1", 1, 0, (28, 20)) | sample("2", 2, 1, (28, 20)))
    found = shards.find(str(tmp_path / "a.tar"), None)
    assert (found.image_size, found.channels, found.photos) == ((20, 28), 3, False)


def test_a_json_member_may_hold_several_labels(tmp_path):
    labels = [["cat", "dog"], [], ["dog"]]
    members = {}
    for at, several in enumerate(labels):
        members |= {f"{at}.png": image(at), f"{at}.json": json.dumps({"labels": several}).encode()}
    found = shards.find(str(write(tmp_path / "a.tar", members)), None)
    assert found.class_names == ["cat", "dog"]
    np.testing.assert_array_equal(found.parts["all"].labels, [[1, 1], [0, 0], [0, 1]])


def test_numbers_are_named_by_the_list_of_classes_beside_the_shards(tmp_path):
    write(tmp_path / "a.tar", sample("1", 1, 1) | sample("2", 2, 0))
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    found = shards.find(str(tmp_path / "a.tar"), None)
    assert found.class_names == ["dog", "cat"]
    assert found.parts["all"].labels.tolist() == [1, 0]
    (tmp_path / "classes.txt").write_text("dog\n")
    with pytest.raises(ValueError, match="labels need to be in '.*classes.txt'. Received: 1 in"):
        shards.find(str(tmp_path / "a.tar"), None)


def test_the_index_is_made_once_and_again_after_a_change(tmp_path):
    path = write(tmp_path / "a.tar", sample("1", 1, 0) | sample("2", 2, 1))
    shards.find(str(path), None)
    (kept,) = (tmp_path / "cache").iterdir()
    made = kept.stat().st_mtime_ns
    shards.find(str(path), None)
    assert kept.stat().st_mtime_ns == made
    write(path, sample("1", 1, 0) | sample("2", 2, 1) | sample("3", 3, 1))
    os.utime(path, ns=(1, 1))
    assert len(shards.find(str(path), None).parts["all"]) == 3


def test_braces_stand_for_numbers_and_words():
    assert shards.expand("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert shards.expand("{x,y}/{1..2}") == ["x/1", "x/2", "y/1", "y/2"]
    assert shards.expand("plain.tar") == ["plain.tar"]


def test_a_broken_image_in_a_shard_is_named(tmp_path):
    members = sample("1", 1, 0) | {"2.png": b"nothing", "2.cls": b"1"}
    source = shards.find(str(write(tmp_path / "a.tar", members)), None).parts["all"]
    assert source.problem(1).startswith("is not an image that kcv can read")
    with pytest.raises(kcv.data.ImageError, match="a.tar/2 is not an image"):
        source[1]


def test_missing_shards_are_named(tmp_path):
    write(tmp_path / "a-0.tar", sample("1", 1, 0))
    with pytest.raises(FileNotFoundError, match="tar shards that exist. Received: .*a-1.tar in"):
        shards.find(f"{tmp_path}/a-{{0..1}}.tar", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Received: none in"):
        shards.find(str(tmp_path / "empty"), None)


def test_shards_that_cannot_be_used_say_why(tmp_path):
    zipped = write(tmp_path / "z.tar", sample("1", 1, 0), mode="w:gz")
    with pytest.raises(ValueError, match="whole, uncompressed tar files. Received: '.*z.tar' "):
        shards.find(str(zipped), None)
    cut = write(tmp_path / "c.tar", sample("1", 1, 0) | {"2.png": bytes(9000), "2.cls": b"0"})
    cut.write_bytes(cut.read_bytes()[:4000])
    with pytest.raises(ValueError, match="whole, uncompressed tar files. Received: '.*c.tar' "):
        shards.find(str(cut), None)
    bare = write(tmp_path / "b.tar", sample("1", 1, 0) | {"2.png": image(2), "2.json": b"[1]"})
    with pytest.raises(
        ValueError, match="needs images, and a .cls or .json .* Received: 2 without"
    ):
        shards.find(str(bare), None)
    empty = write(tmp_path / "e.tar", {"1.txt": b"x"})
    with pytest.raises(ValueError, match="Received: no images in"):
        shards.find(str(empty), None)


def test_labelled_files_of_other_kinds_are_told_of(tmp_path, caplog):
    members = sample("1", 1, "cat") | sample("2", 2, "dog")
    members |= {"3.heic": b"ftypheic", "3.cls": b"dog", "3.txt": b"a caption"}
    members |= {"4.heic": b"no label", "5.cls": b"dog", "5.txt": b"a caption alone"}
    write(tmp_path / "a.tar", members)
    for _ in range(2):  # from the file, and from what is kept of it
        caplog.clear()
        assert len(shards.find(f"{tmp_path}/a.tar", None).parts["all"]) == 2
        assert [one.getMessage() for one in caplog.records] == [
            f"{tmp_path}/a.tar: 1 file is not taken for images: 1 .heic. Convert images of other "
            "kinds, for example with `magick mogrify -format jpg *.heic`."
        ]


def test_a_shard_of_other_kinds_alone_says_so(tmp_path):
    write(
        tmp_path / "a.tar", {"1.heic": b"ftypheic", "1.cls": b"cat", "2.mp4": b"", "2.cls": b"dog"}
    )
    text = r"no images in '.*a.tar'. 1 file is not taken for images: 1 .heic. Convert images"
    with pytest.raises(ValueError, match=text):
        shards.find(f"{tmp_path}/a.tar", None)
