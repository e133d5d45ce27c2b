"""``kcv.data.check`` on folders with planted faults."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tarfile
import termios
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import kcv.data
from kcv.data import embedded, inspection
from kcv.data.found import Found
from kcv.data.inspection import lists, page

COUNT = 1000


class Planted(NamedTuple):
    """A folder of clothes in train and test, and which files are at fault."""

    root: Path
    unreadable: set[str]
    copies: list[tuple[str, str]]
    leaks: list[tuple[str, str]]
    flipped: set[str]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """1,000 files: 2 % corrupt, 1 % duplicates, 0.5 % leaks and 3 % flipped labels."""
    root, rng = tmp_path_factory.mktemp("my photos 照片"), np.random.default_rng(0)
    images, true = (x[:COUNT] for x in embedded.fashion_mini()["train"])
    labels, flipped = true.astype(int), rng.permutation(COUNT)[: COUNT * 3 // 100]
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, len(flipped))) % 10
    names = [name.replace("/", " ") for name in embedded.FASHION_CLASSES]
    paths = []
    for at, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / ("train" if at < 0.8 * COUNT else "test") / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(folder / f"{at}.jpg")
        picture = Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(paths[at], quality=90)
    sound = rng.permutation([at for at in range(800) if at not in set(flipped)])
    unreadable = [paths[at] for at in sound[:20]]
    for number, path in enumerate(unreadable):
        content = path.read_bytes()
        faults = (b"", content[:-30], b"a text", content[:600] + bytes(30_000))
        path.write_bytes(faults[number % 4])
    copies, leaks = [], []
    for number, at in enumerate(sound[20:35]):
        leak = number >= 10
        folder = root / "test" / names[labels[at]] if leak else paths[at].parent
        target = folder / f"copy {number}.{'jpg' if number % 2 else 'png'}"
        if number % 2:
            Image.open(paths[at]).resize((72, 72)).save(target, quality=75)
        else:
            Image.open(paths[at]).save(target)
        (leaks if leak else copies).append((str(paths[at]), str(target)))
    return Planted(root, set(map(str, unreadable)), copies, leaks, {str(paths[a]) for a in flipped})


@pytest.fixture(scope="module")
def findings(planted, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return kcv.data.check(f"folder:{planted.root}", out, fix=True, workers=0), out


def names(findings, indices):
    return {findings.source.name(at) for at in indices}


def test_all_unreadable_files_are_found(planted, findings):
    assert names(findings[0], findings[0].unreadable) == planted.unreadable


def test_all_duplicates_and_leaks_are_found(planted, findings):
    found = [names(findings[0], group.members) for group in findings[0].groups]
    for pair in planted.copies + planted.leaks:
        assert any(set(pair) <= group for group in found), pair
    # among a thousand clothes some are more alike than others
    assert len(found) <= len(planted.copies + planted.leaks) + 8
    leaks = [names(findings[0], group.members) for group in findings[0].leaks]
    assert all(any(set(pair) <= group for group in leaks) for pair in planted.leaks)


def test_half_of_the_flipped_labels_are_found_with_a_precision_over_a_half(planted, findings):
    found = names(findings[0], [one.image for one in findings[0].suspects])
    hits = found & planted.flipped
    assert len(hits) >= 0.5 * len(planted.flipped)
    assert len(hits) > 0.5 * len(found)


def test_the_cleaned_list_can_be_loaded_and_is_clean(planted, findings, tmp_path):
    data = kcv.data.load(f"csv:{findings[1] / 'clean.csv'}", image_size=32)
    kept = {str(Path(part.name(at)).resolve()) for part in (data.train, data.val, data.test)
            for at in range(len(part.labels))}  # fmt: skip
    assert not kept & planted.unreadable
    for train, test in planted.leaks:
        assert test in kept
        assert train not in kept
    assert all(len(kept & set(pair)) == 1 for pair in planted.copies)
    assert len(kept) == len(findings[0].looks) - len(findings[0].removable())
    assert data.class_names == findings[0].class_names
    again = kcv.data.check(f"csv:{findings[1] / 'clean.csv'}", workers=0)
    assert not again.unreadable
    assert not [group for group in again.groups if group.exact]
    assert len(again.groups) <= 2  # what stands out depends on what is around it


def test_nothing_of_the_data_is_changed_or_deleted(planted, findings):
    assert len(list(planted.root.rglob("*.*"))) == len(findings[0].looks) == COUNT + 15


def test_the_lists_name_each_fault(planted, findings):
    with open(findings[1] / "findings.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == lists.COLUMNS
    found = json.loads((findings[1] / "findings.json").read_text(encoding="utf-8"))
    assert found["findings"] == rows
    assert {row["path"] for row in rows if row["kind"] == "unreadable"} == planted.unreadable
    leaked = {row["path"] for row in rows if row["kind"].startswith("leak")}
    assert {path for pair in planted.leaks for path in pair} <= leaked
    assert found["images"] == COUNT + 15
    assert sum(map(sum, found["counts"].values())) == COUNT + 15
    assert found["verdict"].startswith("Do not trust a test score yet")


def test_the_page_stands_alone_and_shows_pictures_and_advice(findings):
    page = (findings[1] / "check.html").read_text(encoding="utf-8")
    assert "20 images of 1,015 cannot be read." in page
    assert "with --fix" in page
    assert page.count("<img") > 30
    assert 'src="http' not in page
    assert "照片" in page
    assert "image_size=96" in page
    assert "channels=1" in page


def test_embedded_data_and_arrays_are_checked_too():
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    x[7] = x[3]
    found = kcv.data.check((x, np.arange(60) % 3))
    assert [group.members for group in found.groups] != []
    assert found.spec == "arrays"
    assert found.given == ()


def test_several_labels_are_counted_and_not_judged(tmp_path):
    rng = np.random.default_rng(0)
    lines = ""
    for at in range(30):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / f"{at}.png")
        lines += f"{at}.png,{'a|b' if at % 2 else 'b'},0.5\n"
    (tmp_path / "t.csv").write_text("path,labels,weight\n" + lines)
    found = kcv.data.check(f"csv:{tmp_path / 't.csv'}", tmp_path / "out", fix=True)
    assert np.isnan(found.accuracy)
    assert "Labels were not judged" in (tmp_path / "out" / "check.html").read_text()
    clean = (tmp_path / "out" / "clean.csv").read_text()
    assert clean.startswith("path,labels,weight\n")
    assert "../1.png,a|b,0.5" in clean


def test_a_table_with_missing_and_repeated_files_is_cleaned(flowers, tmp_path):
    paths = [str(path) for path in sorted(flowers.rglob("*.png"))]
    lines = [f"{path},{Path(path).parent.name}" for path in paths]
    lines += [lines[5], "gone.png,rose"]
    (tmp_path / "t.csv").write_text("path,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="each file once"):
        kcv.data.load(f"csv:{tmp_path / 't.csv'}")
    found = kcv.data.check(f"csv:{tmp_path / 't.csv'}", tmp_path / "out", fix=True)
    assert [found.looks[at].reason for at in found.unreadable] == ["does not exist"]
    cleaned = (tmp_path / "out" / "clean.csv").read_text(encoding="utf-8")
    assert "gone" not in cleaned
    assert len(set(cleaned.splitlines())) == len(cleaned.splitlines())


def test_a_class_too_small_to_split_does_not_stop_the_check(tmp_path, classes):
    found = kcv.data.check(f"folder:{classes(tmp_path, 1)}")
    assert found.counts() == {"train": [1, 1, 1]}


def test_copies_under_two_labels_are_all_left_out(tmp_path, classes):
    root = classes(tmp_path / "data", 4, (20, 20))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    for label in ("rose", "iris"):
        picture.save(root / label / "same.png")
    found = kcv.data.check(f"folder:{root}")
    (conflict,) = (one for one in found.conflicts if "same" in found.source.name(one.members[0]))
    for at in conflict.members:
        assert found.removable()[at].startswith("has another label than its duplicate ")
        assert found.removable()[at].endswith("same.png")


def test_arguments_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs a folder to write the cleaned list to. Received:"):
        kcv.data.check("digits", fix=True)
    with pytest.raises(ValueError, match="check needs workers >= 0 or None. Received: workers=-1"):
        kcv.data.check("digits", workers=-1)
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    with pytest.raises(ValueError, match="needs data in image files .* Received: 'arrays'."):
        kcv.data.check((x, np.arange(30) % 3), tmp_path, fix=True)


def test_data_that_are_not_in_files_are_not_looked_at_before_fix_is_refused(tmp_path):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for at in range(40):
            for name, content in ((f"{at}.png", b"no image"), (f"{at}.cls", b"%d" % (at % 2))):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    spec, out = f"wds:{tmp_path}/train-0.tar", tmp_path / "out"
    with pytest.raises(ValueError, match=r"Received: 'wds:.*Without fix, findings\.csv names"):
        kcv.data.check(spec, out, fix=True)
    assert not out.exists()
    assert len(kcv.data.check(spec, out).unreadable) == 40


def test_a_file_that_ends_its_process_is_in_the_lists_and_not_in_the_cleaned_one(
    deadly, tmp_path, monkeypatch
):
    source = deadly(lethal={5}, labels=np.arange(100) % 2)
    monkeypatch.setattr(inspection, "find", lambda spec: Found(["a", "b"], {"all": source}))
    source.files[5] = "iris/005.png"
    found = kcv.data.check("folder:flowers", tmp_path / "out", fix=True)
    assert "iris/005.png ends the process that decodes it" in " ".join(
        f"{found.source.key(at)} {found.looks[at].reason}" for at in found.unreadable
    )
    assert "ends the process that decodes it" in (tmp_path / "out" / "check.html").read_text()
    assert "iris/005" not in (tmp_path / "out" / "clean.csv").read_text()


def test_files_that_are_passed_over_are_on_the_page_and_in_the_lists(flowers, tmp_path):
    for number in range(3):
        (flowers / "rose" / f"{number}.heic").touch()
    (flowers / "iris" / "photo").touch()
    kcv.data.check(f"folder:{flowers}", tmp_path / "out")
    said = "4 files are not taken for images: 3 .heic, 1 without an extension."
    assert said in (tmp_path / "out" / "check.html").read_text()
    found = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert found["passed_over"] == {".heic": 3, "": 1}
    rows = [row for row in found["findings"] if row["kind"] == "passed over"]
    assert [(row["path"], row["detail"]) for row in rows] == [
        ("*.heic", "3 files are not taken for images: 3 .heic."),
        ("*", "1 file is not taken for images: 1 without an extension."),
    ]


def test_a_group_says_how_many_of_it_are_not_shown(tmp_path, classes):
    root = classes(tmp_path / "data", 4, (20, 20))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    for number in range(21):
        picture.save(root / "rose" / f"same {number}.png")
    kcv.data.check(f"folder:{root}", tmp_path / "out")
    html = (tmp_path / "out" / "check.html").read_text()
    assert "exact, 21 images" in html
    assert "and 19 more images, in findings.csv." in html


def test_a_leak_shows_a_picture_of_each_part(tmp_path, classes):
    for part in ("train", "test"):
        classes(tmp_path / "data" / part, 4, (20, 20) if part == "train" else (24, 30))
    for place in ("train/iris", "train/rose", "test/rose"):
        Image.linear_gradient("L").save(tmp_path / "data" / place / "same.png")
    kcv.data.check(f"folder:{tmp_path / 'data'}", tmp_path / "out")
    html = (tmp_path / "out" / "check.html").read_text()
    group = html[html.index("exact, 3 images") : html.index("and 1 more image, in findings.csv.")]
    assert [group.count(f"<br>{part}<") for part in ("train", "test")] == [1, 1]


def test_a_picture_that_has_become_too_large_is_not_decoded_for_the_page(tmp_path, classes):
    root = classes(tmp_path / "data", 4, (20, 20))
    for name in ("same", "other"):
        Image.linear_gradient("L").save(root / "rose" / f"{name}.png")
    found = kcv.data.check(f"folder:{root}")
    for name in ("same", "other"):
        Image.new("1", (9_500, 9_500)).save(root / "rose" / f"{name}.png")
    assert page.html(found).count("unreadable</div>") >= 2


def test_the_library_says_nothing_that_its_answer_says(flowers, tmp_path, caplog):
    caplog.set_level("INFO", "kcv")
    kcv.data.check(f"folder:{flowers}", tmp_path / "out", fix=True)
    assert caplog.messages == []


def test_a_terminal_shows_how_far_a_check_is(tmp_path):
    for name in ("rose", "tulip"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for at in range(20):
            Image.new("RGB", (80, 70), (at, 0, 0)).save(tmp_path / "data" / name / f"{at}.png")
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = ["data", "check", f"folder:{tmp_path / 'data'}", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "kcv", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    text = b""
    with contextlib.suppress(OSError):  # Linux's end of a terminal
        while part := os.read(ours, 4096):
            text += part
    os.close(ours)
    assert process.wait() in (0, 1)
    assert re.search(rb"Checking: +100%\|.*40/40 ", text)
