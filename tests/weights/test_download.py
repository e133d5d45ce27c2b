"""Downloads against a real server on loopback."""

import email.utils
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from kcv.weights import download
from kcv.weights.download import Digest, digest_in, fetch

CONTENT = bytes(range(256)) * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()
CUT = SimpleNamespace(stop=300_000)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def file(server, tmp_path):
    """Give (address, where to put it) of a file that the server has."""
    server.files["/w.pth"] = CONTENT
    return f"{server.url}/w.pth", tmp_path / "deep" / "w.pth"


def ranges(server):
    return [asked for _, _, asked, _ in server.requests]


def test_a_file_lands_whole_and_alone(file):
    assert fetch(*file, Digest("sha256", SHA)).read_bytes() == CONTENT
    assert sorted(p.name for p in file[1].parent.iterdir()) in (["w.pth"], ["w.pth", "w.pth.lock"])


def test_what_is_here_is_not_fetched_again(file, server):
    fetch(*file)
    fetch(*file)
    assert len(server.requests) == 1


def test_a_connection_broken_in_the_middle_is_resumed(file, server):
    server.script["/w.pth"] = [CUT]
    assert fetch(*file).read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-"]


def test_breaks_are_not_counted_while_bytes_arrive(file, server):
    server.script["/w.pth"] = [SimpleNamespace(stop=100_000)] * 9
    assert fetch(*file).read_bytes() == CONTENT


def test_a_later_process_goes_on_where_the_first_was_killed(file, server):
    url, path = file
    path.parent.mkdir()
    (path.parent / "w.pth.part").write_bytes(CONTENT[:1000])
    assert fetch(url, path, Digest("sha256", SHA[:8])).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000-"]


def test_a_part_that_nothing_vouches_for_is_loaded_anew(file, server):
    url, path = file
    path.parent.mkdir()
    (path.parent / "w.pth.part").write_bytes(b"x" * 1000)
    assert fetch(url, path).read_bytes() == CONTENT
    assert ranges(server) == [None]


def test_a_file_that_changed_meanwhile_is_loaded_whole(file, server):
    url, path = file
    path.parent.mkdir()
    (path.parent / "w.pth.part").write_bytes(b"x" * 1000)
    (path.parent / "w.pth.part.etag").write_text('"of another file"')
    assert fetch(url, path).read_bytes() == CONTENT
    assert server.requests[0][2:] == ("bytes=1000-", '"of another file"')


def test_a_server_without_ranges_is_understood(file, server):
    server.script["/w.pth"] = [CUT, SimpleNamespace(whole=True)]
    assert fetch(*file).read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_glued_on(file, server):
    server.script["/w.pth"] = [CUT, SimpleNamespace(shift=7)]
    assert fetch(*file).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(file, server):
    url, path = file
    path.parent.mkdir()
    (path.parent / "w.pth.part").write_bytes(CONTENT + b"more")
    assert fetch(url, path, Digest("sha256", SHA)).read_bytes() == CONTENT


def test_redirects_are_followed_with_their_range(file, server):
    url, path = file
    moved = SimpleNamespace(status=302, headers={"Location": "/w.pth"})
    server.script["/old"] = [moved, moved]
    server.script["/w.pth"] = [CUT]
    assert fetch(url.replace("w.pth", "old"), path).read_bytes() == CONTENT
    assert ranges(server) == [None, None, "bytes=300000-", "bytes=300000-"]


def test_a_redirect_to_plain_http_elsewhere_is_refused(file, server):
    away = SimpleNamespace(status=302, headers={"Location": "http://example.invalid/w.pth"})
    server.script["/w.pth"] = [away]
    with pytest.raises(ValueError, match=r"fetched over https only. Received: 'http://example"):
        fetch(*file)


@pytest.mark.parametrize("url", ["http://example.invalid/w.pth", "ftp://a/b", "file:///etc/hosts"])
def test_addresses_that_are_not_https_are_refused(url, tmp_path):
    with pytest.raises(ValueError, match=f"Weights are fetched over https only. Received: '{url}'"):
        fetch(url, tmp_path / "w.pth")


def test_a_wrong_hash_is_refused_and_deleted(file):
    with pytest.raises(
        ValueError, match=f"sha256 begins with {SHA[:8]}, not 00000000. The download was deleted"
    ):
        fetch(*file, Digest("sha256", "00000000"))
    assert not [p for p in file[1].parent.iterdir() if p.suffix != ".lock"]


def test_a_file_put_there_by_hand_is_checked_too(file):
    url, path = file
    path.parent.mkdir()
    path.write_bytes(b"another file")
    with pytest.raises(ValueError, match=r"w.pth is not the file that .* Delete it and try again"):
        fetch(url, path, Digest("sha256", SHA))


def test_md5_sums_are_checked(file):
    assert fetch(*file, Digest("md5", hashlib.md5(CONTENT).hexdigest()))


def test_a_missing_file_is_said_at_once(file, server):
    del server.files["/w.pth"]
    with pytest.raises(FileNotFoundError, match=r"/w.pth could not be loaded: .* 404 Not Found"):
        fetch(*file)
    assert len(server.requests) == 1


def test_a_forbidden_file_is_said_at_once(file, server):
    server.script["/w.pth"] = [SimpleNamespace(status=403)]
    with pytest.raises(ConnectionError, match="could not be loaded: the server answered 403"):
        fetch(*file)


def test_a_busy_server_is_waited_for_as_long_as_it_asks(file, server):
    busy = SimpleNamespace(status=429, headers={"Retry-After": "1"})
    server.script["/w.pth"] = [busy]
    began = time.monotonic()
    assert fetch(*file).read_bytes() == CONTENT
    assert 1 <= time.monotonic() - began < 3


def test_the_wait_may_be_a_date(file, server):
    date = email.utils.format_datetime(email.utils.localtime())
    server.script["/w.pth"] = [SimpleNamespace(status=503, headers={"Retry-After": date})]
    assert fetch(*file).read_bytes() == CONTENT


def test_a_server_that_asks_for_too_long_is_given_up(file, server):
    server.script["/w.pth"] = [SimpleNamespace(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(ConnectionError, match="the server answered 429 .* Try again: what was"):
        fetch(*file)


def test_a_server_that_stays_broken_is_given_up(file, server, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 2)
    server.script["/w.pth"] = [SimpleNamespace(status=500)] * 5
    with pytest.raises(ConnectionError, match="the server answered 500"):
        fetch(*file)
    assert len(server.requests) == 2


def test_two_that_want_a_file_load_it_once(file, server):
    with ThreadPoolExecutor(2) as pool:  # a lock file does not ask whether they are processes
        found = list(pool.map(lambda _: fetch(*file).read_bytes(), range(2)))
    assert found == [CONTENT, CONTENT]
    assert len(server.requests) == 1


def test_offline_never_asks_and_says_where_to_put_the_file(file, server, monkeypatch):
    monkeypatch.setenv("KCV_OFFLINE", "1")
    with pytest.raises(
        FileNotFoundError,
        match=rf"KCV_OFFLINE=1. Fetch {file[0]} elsewhere and put it at {file[1]}",
    ):
        fetch(*file)
    assert server.requests == []


def test_without_a_connection_the_sentence_names_file_and_place(tmp_path):
    with pytest.raises(
        ConnectionError,
        match="There is no connection to https://weights.invalid. Fetch https://weights.invalid/a",
    ):
        fetch("https://weights.invalid/a/w.pth", tmp_path / "w.pth")


def test_a_full_disk_is_not_taken_for_a_broken_connection(file, server, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        fetch(*file)
    assert len(server.requests) == 1


def test_hashes_are_read_from_names():
    assert digest_in("resnet50-0676ba61.pth") == Digest("sha256", "0676ba61")
    assert digest_in("mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth").digits == "3b2dc3af"
    assert digest_in("resnet50.pth") is None
