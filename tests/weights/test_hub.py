"""The Hugging Face hub, played by a server on loopback."""

import builtins
import hashlib
from types import SimpleNamespace

import pytest

from kcv.weights import hub, places

pytest.importorskip("huggingface_hub")

CONFIG = b'{"architecture": "resnet18"}'
WEIGHTS = bytes(range(256)) * 2000
SHA = hashlib.sha256(WEIGHTS).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = "/timm/net.tag/resolve/main"


@pytest.fixture
def repo(server, home, monkeypatch):
    """Give the server, which has the repository timm/net.tag."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    for name, content in (("config.json", CONFIG), ("model.safetensors", WEIGHTS)):
        path = f"{ROOT}/{name}"
        server.files[path] = content
        server.headers[path] = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content))}
    server.headers[f"{ROOT}/model.safetensors"]["X-Linked-Etag"] = f'"{SHA}"'
    return server


def test_files_come_through_the_hub_into_the_chosen_cache(repo, home):
    path = hub.fetch("timm/net.tag", ("model.safetensors",))
    assert path.read_bytes() == WEIGHTS
    assert path.is_relative_to(home / "huggingface")


def test_what_is_cached_is_not_asked_for_again(repo):
    hub.fetch("timm/net.tag", ("config.json",))
    before = len(repo.requests)
    assert hub.fetch("timm/net.tag", ("config.json",)).read_bytes() == CONFIG
    assert len(repo.requests) == before


def test_the_second_name_is_taken_where_the_first_is_missing(repo):
    repo.codes[f"{ROOT}/a.safetensors"] = "EntryNotFound"
    assert hub.fetch("timm/net.tag", ("a.safetensors", "config.json")).name == "config.json"


def test_a_file_that_the_repository_lacks_is_none(repo):
    repo.codes[f"{ROOT}/no.json"] = "EntryNotFound"
    assert hub.fetch("timm/net.tag", ("no.json",)) is None


def test_large_files_may_lie_elsewhere(repo):
    path = f"{ROOT}/model.safetensors"
    repo.files["/blobs/1"] = WEIGHTS
    elsewhere = repo.url.replace("127.0.0.1", "localhost")
    to = {"Location": f"{elsewhere}/blobs/1", "X-Linked-Etag": f'"{SHA}"', "X-Repo-Commit": COMMIT}
    to["X-Linked-Size"] = str(len(WEIGHTS))
    repo.script[path] = [SimpleNamespace(status=302, headers=to)] * 2
    assert hub.fetch("timm/net.tag", ("model.safetensors",)).read_bytes() == WEIGHTS
    assert "/blobs/1" in [path for _, path, _, _ in repo.requests]


def test_a_wrong_hash_is_refused_and_deleted(repo):
    repo.headers[f"{ROOT}/model.safetensors"]["X-Linked-Etag"] = f'"{"0" * 64}"'
    with pytest.raises(ValueError, match=f"arrived damaged: its SHA-256 is {SHA}, not 000"):
        hub.fetch("timm/net.tag", ("model.safetensors",))
    assert not list((places.cache() / "huggingface").rglob("0" * 64))


def test_an_unknown_repository_is_said(repo):
    repo.codes["/timm/other/resolve/main/config.json"] = "RepoNotFound"
    with pytest.raises(FileNotFoundError, match="has no open repository timm/other. If it is a"):
        hub.fetch("timm/other", ("config.json",))


def test_an_unknown_revision_is_said(repo):
    repo.codes["/timm/net.tag/resolve/v9/config.json"] = "RevisionNotFound"
    with pytest.raises(FileNotFoundError, match="no open repository timm/net.tag with the rev"):
        hub.fetch("timm/net.tag", ("config.json",), "v9")


def test_a_refusal_of_the_hub_is_one_sentence(repo):
    repo.script[f"{ROOT}/config.json"] = [SimpleNamespace(status=418)]
    with pytest.raises(ConnectionError, match="config.json of timm/net.tag could not be loaded"):
        hub.fetch("timm/net.tag", ("config.json",))


def test_files_put_there_by_hand_come_first(repo, home):
    path = home / "hub/timm/net.tag/config.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert hub.fetch("timm/net.tag", ("config.json",)) == path
    assert repo.requests == []


def test_offline_never_asks_and_says_where_to_put_the_file(repo, home, monkeypatch):
    monkeypatch.setenv("KCV_OFFLINE", "1")
    with pytest.raises(
        FileNotFoundError,
        match=rf"KCV_OFFLINE=1. Fetch {repo.url}{ROOT}/config.json .* put it at {home}/hub/timm",
    ):
        hub.fetch("timm/net.tag", ("config.json",))
    assert repo.requests == []


def test_without_a_connection_the_sentence_names_file_and_place(home, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    with pytest.raises(
        ConnectionError, match="no connection to https://hub.invalid. Fetch https://hub.invalid/a/b"
    ):
        hub.fetch("a/b", ("config.json",))


def test_a_hub_that_is_not_https_is_refused(home, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(ValueError, match="Weights are fetched over https only"):
        hub.fetch("a/b", ("config.json",))


def test_without_the_library_the_extra_is_named(home, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        ImportError, match=r"needed: pip install 'kcv\[hub\]'. Or without it: Fetch"
    ):
        hub.fetch("a/b", ("config.json",))
