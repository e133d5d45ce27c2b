"""Checkpoint files: whole or absent, checked, and nobody else's touched."""

import errno
import json
import logging
import os
import re

import numpy as np
import pytest

from kcv.callbacks.store import Store, write_whole

TENSORS = {"a": np.arange(6, dtype="float32").reshape(2, 3), "b": np.array(7, "int64")}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "checkpoints")
    for epoch in (1, 2, 3):
        store.write(epoch, TENSORS, {"epoch": epoch, "run": "mine"})
    return store


def test_what_was_written_is_read(store):
    tensors, manifest = store.read(2)
    assert manifest["epoch"] == 2
    np.testing.assert_array_equal(tensors["a"], TENSORS["a"])
    assert tensors["b"].shape == ()
    assert tensors["b"] == 7


def test_newest_is_the_highest_number(store):
    assert store.newest()[1]["epoch"] == 3
    assert store.epochs() == [1, 2, 3]


def test_numbers_above_9999_are_in_order(store):
    store.write(10000, TENSORS, {"epoch": 10000})
    store.write(9999, TENSORS, {"epoch": 9999})
    assert store.newest()[1]["epoch"] == 10000


def test_empty_or_missing_folder_has_no_newest(tmp_path):
    assert Store(tmp_path).newest() is None
    assert Store(tmp_path / "nowhere").newest() is None


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "bit": lambda s: flip(s.path(3)),
    "cut": lambda s: s.path(3).write_bytes(s.path(3).read_bytes()[:-4]),
    "empty": lambda s: s.path(3).write_bytes(b""),
    "missing": lambda s: s.path(3).unlink(),
    "manifest cut": lambda s: s.path(3, "json").write_text('{"format": "kcv'),
    "manifest empty": lambda s: s.path(3, "json").write_text(""),
    "manifest binary": lambda s: s.path(3, "json").write_bytes(b"\xff\xfe\x00"),
    "manifest a list": lambda s: s.path(3, "json").write_text("[1]"),
    "manifest of another kind": lambda s: s.path(3, "json").write_text("{}"),
    "no checksum": lambda s: s.path(3, "json").write_text('{"format": "kcv-checkpoint-1"}'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_newest_falls_back_with_one_warning(store, caplog, damage):
    DAMAGE[damage](store)
    assert store.newest()[1]["epoch"] == 2
    assert len(caplog.records) == 1
    assert caplog.records[0].name == "kcv"
    assert f"{store.path(3)} cannot be used: " in caplog.text


def test_all_damaged_is_an_error(store):
    for epoch in (1, 2, 3):
        flip(store.path(epoch))
    text = (
        f"Resuming needs an undamaged checkpoint. Received: 3 in {store.folder}, all damaged. "
        "Start anew in another folder."
    )
    with pytest.raises(RuntimeError, match=re.escape(text) + "$"):
        store.newest()


def test_tensors_without_their_mark_do_not_count(store):
    store.path(3, "json").unlink()
    assert store.newest()[1]["epoch"] == 2


def full_disk(monkeypatch, at):
    """Let the disk be full at the n-th file: the data reach it only in part."""
    real, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("at", [1, 3], ids=["tensors", "manifest"])
def test_full_disk_leaves_what_was_there(store, monkeypatch, at):
    before = sorted(os.listdir(store.folder))
    full_disk(monkeypatch, at)
    with pytest.raises(OSError, match="No space left"):
        store.write(4, TENSORS, {"epoch": 4})
    assert sorted(os.listdir(store.folder)) == before
    assert store.newest()[1]["epoch"] == 3


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / ".file.part").write_bytes(b"half of a fi")
    write_whole(tmp_path / "file", b"whole")
    assert os.listdir(tmp_path) == ["file"]


def test_only_manifests_of_the_run_are_listed(store, caplog):
    store.write(4, TENSORS, {"epoch": 4, "run": "other"})
    store.path(2, "json").write_text("damaged")
    assert list(store.of_run("mine")) == [1, 3]
    assert not caplog.records


def test_delete_takes_both_files_and_no_other(store):
    (store.folder / "epoch-0002.txt").write_text("mine")
    store.delete(2)
    store.delete(2)
    assert store.epochs() == [1, 3]
    assert not store.path(2).exists()
    assert (store.folder / "epoch-0002.txt").exists()


def test_file_that_cannot_be_deleted_stays(store, caplog):
    store.path(2, "json").unlink()
    store.path(2, "json").mkdir()
    with caplog.at_level(logging.WARNING, "kcv"):
        store.delete(2)
    assert f"Old checkpoint {store.path(2)} stays: " in caplog.text
    assert store.path(2).exists()


def test_manifest_is_plain_json(store):
    manifest = json.loads(store.path(1, "json").read_text())
    assert manifest["bytes"] == store.path(1).stat().st_size
    assert len(manifest["sha256"]) == 64
