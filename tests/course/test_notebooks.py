"""Every notebook runs top to bottom: network off, nothing on stderr, claims true, in budget."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from kcv.course.session import BUDGET

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
CELL_SECONDS = 400  # of the clock, on a busy machine; the budget counts CPU seconds
FIGURE_BYTES, NOTEBOOK_BYTES = 40 * 1024, 600 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

OFFLINE = """
import socket

def refuse(*args, **kwargs):
    raise OSError("The course works without a network.")

socket.create_connection = refuse
"""

# A process of its own: the kernel client leaves event loops and sockets behind, whose warnings
# are errors here.
EXECUTE = """
import resource, sys
import jupytext, nbformat
from nbclient import NotebookClient

source, target, seconds = sys.argv[1:]
made = jupytext.read(source, fmt="py:percent")
client = NotebookClient(made, timeout=int(seconds), kernel_name="python3")
try:
    client.execute()
finally:
    nbformat.write(made, target)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
sys.stdout.write(f"{used.ru_utime + used.ru_stime:.1f}")
"""


def _execute(source: Path, folder: Path) -> tuple[nbformat.NotebookNode, float]:
    """Return the executed notebook and the CPU seconds of its kernel."""
    (folder / "sitecustomize.py").write_text(OFFLINE)
    path = os.pathsep.join([str(folder), str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
    settings = {"KCV_COURSE_MODE": "stub", "OMP_NUM_THREADS": "2", "PYTHONPATH": path}
    settings["KERAS_HOME"] = str(folder / "keras")  # without a MNIST of whoever runs the tests
    settings["TMPDIR"] = str(folder)  # a kernel that is shut down hard leaves its folder behind
    target = folder / "executed.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(source), str(target), str(CELL_SECONDS)],
        env={**os.environ, **settings},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(target, as_version=4), float(done.stdout)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_as_promised(source, tmp_path):
    executed, seconds = _execute(source, tmp_path)
    outputs = [o for cell in executed.cells for o in cell.get("outputs", [])]
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    assert [o["text"] for o in outputs if o.get("name") == "stderr"] == []
    assert "FAILS here" not in text
    assert seconds <= BUDGET[source.name[:2]]
    assert (tmp_path / "executed.ipynb").stat().st_size <= NOTEBOOK_BYTES
    states = [o["data"]["text/plain"] for o in outputs if "exercise " in str(o.get("data"))]
    assert all("not attempted" in state for state in states)
    assert 4 <= len(_pictures(executed)) <= 8
    _write_key_figure(executed, source.name[:2])


def _pictures(executed) -> list[bytes]:
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def _write_key_figure(executed, number: str) -> None:
    """Keep one picture for people who browse the repository."""
    key = [c for c in executed.cells if "key-figure" in c.metadata.get("tags", [])]
    (picture,) = _pictures(nbformat.v4.new_notebook(cells=key))
    assert len(picture) <= FIGURE_BYTES
    (FOLDER / "figures").mkdir(exist_ok=True)
    (FOLDER / "figures" / f"{number}.png").write_bytes(picture)


def test_the_network_is_off_in_the_kernel(tmp_path):
    source = tmp_path / "00_probe.py"
    source.write_text(
        "# %%\nimport socket\ntry:\n    socket.create_connection(('localhost', 9))\n"
        "except OSError as error:\n    print(error)\n"
    )
    executed, _ = _execute(source, tmp_path)
    assert "without a network" in executed.cells[0].outputs[0]["text"]


def test_the_text_of_every_notebook_is_read():
    assert SOURCES
    assert all(jupytext.read(source, fmt="py:percent").cells for source in SOURCES)
