"""Checkpoint files: written whole or not at all, checked when read, never anyone else's deleted.

A checkpoint is `epoch-0003.safetensors`, the tensors after three epochs, and `epoch-0003.json`, the
manifest with their SHA-256. The manifest is written last: it marks the checkpoint as complete.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
from pathlib import Path

import numpy as np
import safetensors.numpy

log = logging.getLogger("kcv")

FORMAT = "kcv-checkpoint-1"
MANIFEST = re.compile(r"epoch-(\d{4,})\.json")
UNUSABLE = (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError)


class Store:
    """The checkpoints of one folder, by number of finished epochs.

    Args:
        folder: where they are; made at the first write.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, epoch: int, suffix: str = "safetensors") -> Path:
        """Return the name of a file of a checkpoint."""
        return self.folder / f"epoch-{epoch:04d}.{suffix}"

    def epochs(self) -> list[int]:
        """Return the numbers of all checkpoints that have a manifest, in order."""
        if not self.folder.is_dir():
            return []
        names = (MANIFEST.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(int(match[1]) for match in names if match)

    def write(self, epoch: int, tensors: dict[str, np.ndarray], manifest: dict) -> None:
        """Write a checkpoint so that it exists whole, on the disk, or not at all.

        Raises:
            OSError: if the disk is full or the folder cannot be written. What was there before is
                as it was, but for a checkpoint of the same number.
        """
        data = safetensors.numpy.save(tensors)
        digest = hashlib.sha256(data).hexdigest()
        manifest = {"format": FORMAT, **manifest, "sha256": digest, "bytes": len(data)}
        text = json.dumps(manifest, indent=1).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.path(epoch), data)
        try:
            write_whole(self.path(epoch, "json"), text)
        except OSError:
            # without its mark it is of no use, and the disk may be full
            if not self.path(epoch, "json").exists():
                self.path(epoch).unlink(missing_ok=True)
            raise

    def manifest(self, epoch: int) -> dict:
        """Return the manifest of a checkpoint.

        Raises:
            ValueError: if it is none of ours, or damaged.
        """
        manifest = json.loads(self.path(epoch, "json").read_bytes())
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ValueError(f"A manifest needs format {FORMAT}. Received another kind of file.")
        return manifest

    def read(self, epoch: int) -> tuple[dict[str, np.ndarray], dict]:
        """Return the tensors and the manifest of a checkpoint, after checking every byte.

        Raises:
            OSError, ValueError: if a file is missing, damaged or not ours.
        """
        manifest = self.manifest(epoch)
        data = self.path(epoch).read_bytes()
        if len(data) != manifest["bytes"]:
            raise ValueError(f"{len(data)} bytes instead of {manifest['bytes']}")
        if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
            raise ValueError("the checksum differs")
        return safetensors.numpy.load(data), manifest

    def newest(self) -> tuple[dict[str, np.ndarray], dict] | None:
        """Return the newest checkpoint that is undamaged, None in a folder without any.

        Raises:
            RuntimeError: if there are checkpoints, but all of them are damaged.
        """
        epochs = self.epochs()
        for epoch in reversed(epochs):
            try:
                return self.read(epoch)
            except UNUSABLE as error:
                log.warning("Checkpoint %s cannot be used: %s", self.path(epoch), error)
        if epochs:
            raise RuntimeError(
                "Resuming needs an undamaged checkpoint. "
                f"Received: {len(epochs)} in {self.folder}, all damaged. "
                "Start anew in another folder."
            )
        return None

    def of_run(self, run: str) -> dict[int, dict]:
        """Return the manifests that a run has written here, by number."""
        found = {}
        for epoch in self.epochs():
            with contextlib.suppress(*UNUSABLE):
                found[epoch] = self.manifest(epoch)
        return {epoch: m for epoch, m in found.items() if m.get("run") == run}

    def delete(self, epoch: int) -> None:
        """Delete a checkpoint, its mark first; a file that cannot be deleted stays."""
        for suffix in ("json", "safetensors"):
            try:
                self.path(epoch, suffix).unlink(missing_ok=True)
            except OSError as error:
                log.warning("Old checkpoint %s stays: %s", self.path(epoch), error.strerror)
                return


def write_whole(path: Path, data: bytes) -> None:
    """Write a file aside, bring it to the disk, and rename it: its name never means half a file.

    Raises:
        OSError: if it cannot be written; the file of that name is then as it was.
    """
    # one fixed name: what a killed process left is overwritten by the next try
    aside = path.with_name(f".{path.name}.part")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the rename itself; Windows has no such thing
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
