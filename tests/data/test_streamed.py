"""Streams from Parquet files: on the disk, and from a hub on loopback that counts its bytes."""

import json
import os
import pickle
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image

import kcv.data
from kcv.data import streamed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def write(datasets, path, count=200, several=False, edge=32):
    """Write noisy pictures, whose first pixel is their number, in row groups of ten."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, edge, edge, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(count) % 256
    label = datasets.ClassLabel(names=["cat", "dog"])
    features = {"image": datasets.Image(), "label": datasets.List(label) if several else label}
    labels = [[0, 1][: at % 3] if several else at % 2 for at in range(count)]
    values = {"image": [Image.fromarray(one) for one in pixels], "label": labels}
    table = datasets.Dataset.from_dict(values, features=datasets.Features(features))
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, batch_size=10)
    return pixels


@pytest.fixture
def hub(tmp_path):
    """Play the hub: the data set owner/name is the folder; count the bytes of each request."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, content, first=0, last=None, code=200, **headers):
            part = content[first : None if last is None else last + 1]
            self.send_response(code)
            headers |= {"Content-Length": str(len(part)), "X-Repo-Commit": COMMIT}
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                sent.append(len(part))
                self.wfile.write(part)

        def do_GET(self):
            if "/tree/" in self.path:
                self.files()
                return
            if self.path.startswith("/api/"):
                about = {"_id": "1", "id": "owner/name", "sha": COMMIT, "siblings": []}
                self.answer(json.dumps(about).encode(), Content_Type="application/json")
                return
            content = (tmp_path / self.path.rpartition("/")[2]).read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if not asked:
                self.answer(content)
                return
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            where = f"bytes {first}-{last}/{len(content)}"
            self.answer(content, first, last, 206, Content_Range=where)

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.files()

        def files(self):
            listed = [
                {"type": "file", "path": one.name, "size": one.stat().st_size, "oid": COMMIT}
                for one in tmp_path.glob("*.parquet")
            ]
            self.answer(json.dumps(listed).encode(), Content_Type="application/json")

        def log_message(self, *args):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", sent
        running.shutdown()


def test_a_stream_is_the_data_set_that_is_read_whole(datasets, tmp_path):
    pixels = write(datasets, tmp_path / "data" / "train-00000-of-00001.parquet")
    whole = kcv.data.load(f"hf:{tmp_path / 'data'}", batch_size=16)
    stream = kcv.data.load(f"hf-stream:{tmp_path / 'data'}", batch_size=16)
    assert stream.class_names == whole.class_names == ["cat", "dog"]
    assert stream.image_size == whole.image_size == (32, 32)
    assert stream.class_counts == whole.class_counts
    for key, index in ((k, int(k.split("/")[1])) for k in stream.splits["test"]):
        at = stream.splits["test"].index(key)
        np.testing.assert_array_equal(stream.test.images([at])[0], pixels[index])


def test_every_image_comes_once_an_epoch_whatever_the_workers(datasets, tmp_path):
    write(datasets, tmp_path / "data" / "train-00000-of-00001.parquet")
    epochs = []
    for workers in (0, 2):
        data = kcv.data.load(f"hf-stream:{tmp_path / 'data'}", batch_size=8, workers=workers)
        epochs.append([torch.cat([x for x, _ in data.train]) for _ in range(2)])
        data.train.close()
    for a, b in zip(*epochs, strict=True):
        assert torch.equal(a, b)
    first = epochs[0][0][:, 0, 0, 0]
    assert len(set(first.tolist())) == len(first)
    assert not torch.equal(*epochs[0])


STREAM = """
import json, sys
import kcv.data
data = kcv.data.load("hf-stream:hf://datasets/owner/name/noise.parquet", batch_size=16)
print(json.dumps(data.class_counts), flush=True)
train, order = data.train.source, [index for _, index, _ in data.train.sampler]
sys.stdin.readline()
print(json.dumps([int(train[index][0][0, 0, 0]) for index in order]))
"""


def test_little_is_fetched_at_first_and_each_piece_once_an_epoch(datasets, tmp_path, hub):
    address, sent = hub
    write(datasets, tmp_path / "noise.parquet", 250, edge=96)
    size = (tmp_path / "noise.parquet").stat().st_size
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", STREAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"},
    ) as process:
        counts = json.loads(process.stdout.readline())
        at_first = sum(sent)
        seen = json.loads(process.communicate("go\n", timeout=240)[0])
    assert sum(map(sum, counts.values())) == 250
    assert len(set(seen)) == len(seen) == sum(counts["train"])
    assert at_first < 0.35 * size
    assert sum(sent) - at_first < 1.3 * size


def test_several_labels_come_as_ones_and_zeros(datasets, tmp_path):
    write(datasets, tmp_path / "data" / "train.parquet", 6, several=True)
    found = streamed.find(str(tmp_path / "data"), None)
    (source,) = found.parts.values()
    assert source.labels.tolist() == [[0, 0], [1, 0], [1, 1]] * 2
    assert pickle.loads(pickle.dumps(source))[4][0][0, 0, 0] == 4


def test_other_files_than_parquet_are_refused(datasets, tmp_path):
    (tmp_path / "data" / "train" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "train" / "cat" / "1.png")
    with pytest.raises(ValueError, match="A stream needs Parquet files. Received: .*Use 'hf:"):
        streamed.find(str(tmp_path / "data"), None)
