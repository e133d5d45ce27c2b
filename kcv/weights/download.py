"""Downloads over plain https that resume, are checked, and land whole or not at all."""

import email.utils
import hashlib
import http.client
import logging
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from tqdm import tqdm

from kcv import bars
from kcv.version import __version__
from kcv.weights import places

log = logging.getLogger("kcv")

TRIES = 5
STALL = 30.0  # seconds without a byte after which a connection counts as broken
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
BLOCK = 2**20
PASSING = (408, 429, 500, 502, 503, 504)  # answers that may be another one a little later


class Digest(NamedTuple):
    """A published hash of a file: the algorithm, and its first hexadecimal digits or all."""

    algorithm: str
    digits: str

    def of(self, path: Path) -> str:
        """Return as many digits of a file's hash as were published."""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest()[: len(self.digits)]


class _PassingError(Exception):
    """A download that stopped for a reason that may pass; `wait` is in seconds."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        places.check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_SafeRedirects)


def digest_in(name: str) -> Digest | None:
    """Return the SHA-256 prefix that torchvision and mmpretrain write into file names."""
    found = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", name)
    return Digest("sha256", found.group(1)) if found else None


def fetch(url: str, path: Path, digest: Digest | None = None) -> Path:
    """Return a file, downloaded unless it is there already.

    What was loaded before an interruption stays in `<name>.part` and is gone on with if the server
    says that the file is still the same one, or a hash can tell.

    Args:
        url: where it is published.
        path: where it is kept; a lock beside it keeps other processes from the same work.
        digest: its published hash; a file put there by hand is checked too.

    Raises:
        FileNotFoundError: if the server does not have it, or it is not there and `KCV_OFFLINE=1`.
        ConnectionError: if the server cannot be reached or gives up in the middle.
        ValueError: if the hash is another one (the download is deleted), or the address is unsafe.
    """
    if not path.is_file():
        address = places.mirrored(url)
        places.check_address(address)
        _check_network(url, address, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.is_file():  # another process may have been faster
                return _download(address, path, digest)
    if digest is not None and digest.of(path) != digest.digits:
        raise ValueError(
            f"{path} is not the file that {url} was published as: its {digest.algorithm} begins "
            f"with {digest.of(path)}, not {digest.digits}. Delete it and try again."
        )
    return path


def _check_network(url: str, address: str, path: Path) -> None:
    way_out = f"Fetch {url} elsewhere and put it at {path}."
    if places.is_offline():
        raise FileNotFoundError(f"{path.name} is not here and KCV_OFFLINE=1. {way_out}")
    if not places.is_reachable(address):
        raise ConnectionError(f"There is no connection to {_host(address)}. {way_out}")


def _host(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _download(url: str, path: Path, digest: Digest | None) -> Path:
    part = Path(f"{path}.part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, part, digest is not None)
            break
        except _PassingError as error:
            failures = 1 if _size(part) > before else failures + 1
            wait = 2.0 ** (failures - 2) if error.wait is None else error.wait
            if failures == TRIES or wait > LONGEST_WAIT:
                raise ConnectionError(
                    f"{url} could not be loaded: {error}. "
                    f"Try again: what was loaded so far is kept in {part}."
                ) from None
            log.warning("%s: %s, trying again in %g s", path.name, error, wait)
            time.sleep(wait)
    found = digest.of(part) if digest else ""
    if digest and found != digest.digits:
        _forget(part)
        raise ValueError(
            f"{url} is not the file that was published: its {digest.algorithm} begins with "
            f"{found}, not {digest.digits}. The download was deleted; try again."
        )
    os.replace(part, path)
    _forget(part)
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _forget(part: Path) -> None:
    for path in (part, _tag_file(part)):
        path.unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return Path(f"{part}.etag")


def _go_on(url: str, part: Path, checked: bool) -> None:
    """Load a file, or what is missing of it, to the end."""
    try:
        answer = _OPENER.open(_request(url, part, checked), timeout=STALL)
    except urllib.error.HTTPError as error:
        error.close()
        _explain(error, url, part)
    except (OSError, http.client.HTTPException) as error:
        raise _broken(error) from None
    else:
        with answer:
            _write(answer, part)


def _broken(error: Exception) -> _PassingError:
    reason = getattr(error, "reason", None) or error
    return _PassingError(f"the connection broke ({str(reason) or type(reason).__name__})")


def _blocks(answer):
    """Give the content in blocks; only what the network does wrong is tried again."""
    while True:
        try:
            block = answer.read(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _broken(error) from None
        if not block:
            return
        yield block


def _request(url: str, part: Path, checked: bool) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": f"kcv/{__version__}"})
    have, tag_file = _size(part), _tag_file(part)
    tag = tag_file.read_text(encoding="latin-1") if tag_file.is_file() else ""
    if have and (tag or checked):
        request.add_header("Range", f"bytes={have}-")
        if tag:  # a file that has changed meanwhile is then sent whole
            request.add_header("If-Range", tag)
    return request


def _write(answer, part: Path) -> None:
    start = 0
    if answer.status == 206:
        begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        start = _size(part)
        if begin is None or int(begin.group(1)) != start:
            _forget(part)
            raise _PassingError("the server sent another range than was asked for", 0.0)
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length else None
    tag = answer.headers.get("ETag", "")
    _tag_file(part).write_text("" if tag.startswith("W/") else tag, encoding="latin-1")
    with open(part, "ab" if start else "wb") as file, _bar(part, total, start) as bar:
        for block in _blocks(answer):
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and _size(part) < total:
        raise _PassingError(f"the connection broke after {_size(part):,} of {total:,} bytes", 0.0)


def _bar(part: Path, total: int | None, start: int) -> tqdm:
    name = part.name.removesuffix(".part")
    if not bars.is_terminal(sys.stderr):
        log.info("Loading %s%s", name, f", {total / 2**20:.1f} MiB" if total else "")
    return bars.bar(
        name, total=total, initial=start, unit="B", unit_scale=True, delay=0, leave=True
    )


def _explain(error: urllib.error.HTTPError, url: str, part: Path) -> None:
    """Raise what an answer of the server means."""
    said = f"the server answered {error.code} {error.reason}"
    if error.code == 416:
        _forget(part)
        raise _PassingError("the server has less than was loaded already", 0.0) from None
    if error.code in PASSING:
        raise _PassingError(said, _wait(error)) from None
    kind = FileNotFoundError if error.code in (404, 410) else ConnectionError
    raise kind(f"{url} could not be loaded: {said}.")


def _wait(error: urllib.error.HTTPError) -> float | None:
    """Return the seconds that a server asks us to wait, None if it says nothing."""
    text = error.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
