"""The cache, mirrors, and a network that is not there."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kcv.weights import places


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "here"))
    assert places.cache() == tmp_path / "here"


def test_by_default_the_cache_is_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.delenv("KCV_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache() == tmp_path / "kcv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert places.cache() == Path.home() / ".cache/kcv"


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False)])
def test_the_network_can_be_forbidden(home, monkeypatch, value, offline):
    monkeypatch.setenv("KCV_OFFLINE", value)
    assert places.is_offline() is offline


def test_the_hubs_own_switch_counts_too(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert places.is_offline()


def test_a_mirror_keeps_the_hosts_apart(home, monkeypatch):
    url = "https://download.pytorch.org/models/a.pth"
    assert places.mirrored(url) == url
    monkeypatch.setenv("KCV_MIRROR", "https://mirror.example/weights/")
    assert places.mirrored(url) == (
        "https://mirror.example/weights/download.pytorch.org/models/a.pth"
    )


def test_a_server_that_is_there_is_reachable(home, server):
    assert places.is_reachable(server.url)


def test_a_proxy_is_asked_in_the_servers_place(home, server, monkeypatch):
    monkeypatch.setenv("https_proxy", server.url)
    assert places.is_reachable("https://weights.invalid/a")


@pytest.fixture
def silent():
    """Give the address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_says_nothing_costs_no_more_than_said(home, silent, monkeypatch):
    monkeypatch.setenv("KCV_TIMEOUT", "0.2")
    began = time.monotonic()
    assert not places.is_reachable(silent)
    assert time.monotonic() - began < 0.5


def answer_once(listener, answer):
    """Serve one connection in a thread."""

    def serve():
        connection, _ = listener.accept()
        with connection:
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_hangs_up_or_speaks_no_tls_is_not_reachable(home, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, lambda connection: connection.sendall(words))
        assert not places.is_reachable(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_a_server_that_greets_is_reachable_whoever_it_is(home, tmp_path, monkeypatch):
    monkeypatch.setenv("KCV_TIMEOUT", "20")
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    making = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=a", *files]
    subprocess.run(making, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def greet(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, greet)
        assert places.is_reachable(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def test_a_server_that_is_not_there_is_not_reachable(home):
    assert not places.is_reachable("http://127.0.0.1:9")


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf"])
def test_a_timeout_that_is_none_is_refused(home, monkeypatch, value):
    monkeypatch.setenv("KCV_TIMEOUT", value)
    with pytest.raises(ValueError, match="KCV_TIMEOUT needs a number of seconds above 0"):
        places.is_reachable("https://weights.invalid")


SLOW = """
import os, time, huggingface_hub, kcv
for switch, word in (("0", "torchvision/resnet18"), ("0", "timm/resnet18.a1_in1k"),
                     ("1", "mmpretrain/resnet18_8xb32_in1k"), ("1", "hf/timm/resnet18.a1_in1k")):
    os.environ["KCV_OFFLINE"] = switch
    began = time.monotonic()
    try:
        kcv.models.build("resnet18", weights=word)
    except (ConnectionError, FileNotFoundError) as error:
        print(time.monotonic() - began, error)
"""


@pytest.mark.slow  # a process of its own
def test_without_a_network_the_answer_comes_in_under_two_seconds(home, silent, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", silent)
    monkeypatch.setenv("KCV_MIRROR", silent)
    done = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=120)
    answers = done.stdout.splitlines()
    assert len(answers) == 4, done.stdout + done.stderr
    assert max(float(answer.partition(" ")[0]) for answer in answers) < 2, answers
    assert all("put it at" in answer for answer in answers)
