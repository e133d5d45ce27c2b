"""Where weights are kept, and whether and where they may be fetched.

Five environment variables, all optional:

- `KCV_CACHE`: folder for downloaded weights, by default `~/.cache/kcv`. If it is set, files of the
  Hugging Face hub go there too; otherwise they stay in that library's own cache (`HF_HOME`).
- `KCV_OFFLINE`: `1` never touches the network; `HF_HUB_OFFLINE=1` does the same.
- `KCV_MIRROR`: address of a copy of the servers; `https://host/path` becomes `MIRROR/host/path`.
- `HF_ENDPOINT`: address of a copy of the Hugging Face hub, as that library reads it.
- `KCV_TIMEOUT`: seconds after which a server counts as out of reach, by default 1.5.
"""

import os
import socket
import ssl
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORTS = {"http": 80, "https": 443}


def cache() -> Path:
    """Return the folder of downloaded weights; it need not exist yet."""
    chosen = os.environ.get("KCV_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kcv"


def is_offline() -> bool:
    """Return whether the user forbids the network."""
    values = (os.environ.get(name, "") for name in ("KCV_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.lower() in ("1", "true", "yes", "on") for value in values)


def hub() -> str:
    """Return the address of the Hugging Face hub, or of the copy that `HF_ENDPOINT` names."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def mirrored(url: str) -> str:
    """Return where to fetch an address from: itself, or its copy below `KCV_MIRROR`."""
    mirror = os.environ.get("KCV_MIRROR", "").rstrip("/")
    return f"{mirror}/{url.partition('://')[2]}" if mirror else url


def check_address(url: str) -> None:
    """Refuse addresses that others on the way could change.

    Raises:
        ValueError: if it is neither https nor http on this machine itself.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ValueError(f"Weights are fetched over https only. Received: {url!r}.")


def is_reachable(url: str) -> bool:
    """Return whether a server, or the proxy before it, answers.

    A greeting counts, not a connection: firewalls take connections that lead nowhere. The answer
    comes after `KCV_TIMEOUT` seconds at the latest: resolving a name has no timeout of its own.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    address = (parts.hostname, parts.port or PORTS.get(parts.scheme, 443))
    seconds = _timeout()
    greeted: list[bool] = []

    def probe():
        try:
            with socket.create_connection(address, timeout=seconds) as connection:
                if parts.scheme != "https" or _greets(connection):
                    greeted.append(True)
        except OSError:
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(greeted)


def _greets(connection: socket.socket) -> bool:
    """Begin a TLS session; who the server is, the download itself checks.

    In memory, as `wrap_socket` leaves its socket open where the server has hung up already.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(received, to_send)
    while True:
        try:
            session.do_handshake()
            return True
        except ssl.SSLWantReadError:
            connection.sendall(to_send.read())
        answer = connection.recv(2**14)
        if not answer:
            return False
        received.write(answer)


def _timeout() -> float:
    text = os.environ.get("KCV_TIMEOUT") or "1.5"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"KCV_TIMEOUT needs a number of seconds above 0. Received: {text!r}.")
    return seconds
