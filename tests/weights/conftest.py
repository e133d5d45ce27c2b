"""A server on this machine that serves files as the sites and the hub do, and fails when asked;
the libraries that others load weights with."""

import hashlib
import http.server
import importlib
import importlib.util
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; `server.script[path]` holds what goes wrong in the next requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        state = self.server.state
        asked = self.headers.get("Range")
        state.requests.append((self.command, self.path, asked, self.headers.get("If-Range")))
        script = state.script.get(self.path, [])
        action = script.pop(0) if script else SimpleNamespace()
        if hasattr(action, "status"):
            return self._answer(action.status, b"", getattr(action, "headers", {}))
        content = state.files.get(self.path)
        if content is None:
            return self._answer(404, b"", {"X-Error-Code": state.codes.get(self.path, "")})
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", **state.headers.get(self.path, {})}
        changed = self.headers.get("If-Range", tag) != tag
        start, code = 0, 200
        if asked and not changed and not getattr(action, "whole", False):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            code = 206
            first = start + getattr(action, "shift", 0)
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return self._answer(code, content[start:], headers, getattr(action, "stop", None))

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, code, content, headers, stop=None):
        self.send_response(code)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content if stop is None else content[:stop])
        if stop is not None:
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Give a server: `.url`, `.files`, `.script`, `.headers`, `.codes` and `.requests`."""
    state = SimpleNamespace(files={}, script={}, headers={}, codes={}, requests=[])
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.state = state
    state.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give an empty cache, and an environment in which nothing is set."""
    for name in ("KCV_OFFLINE", "KCV_MIRROR", "KCV_TIMEOUT", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setenv("KCV_CACHE", str(folder))
    return folder


@pytest.fixture
def told(caplog):
    """Give the log of kcv as text."""
    caplog.set_level(logging.INFO, logger="kcv")
    return caplog


@pytest.fixture
def reference(monkeypatch):
    """Give a function that imports a library, torchvision made importable beside a CPU's torch."""

    def load(name):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
        importlib.import_module("parity_references").prepare()
        return importlib.import_module(name)

    return load
