"""Imports point down, and backend code stays in its rooms."""

import ast
from pathlib import Path

import kcv

ROOT = Path(kcv.__file__).parent
# each part may import from parts of a lower level only, and its own
LEVELS = {
    "backend": 0,
    "version": 0,
    "kernels": 1,
    "bars": 1,
    "seeding": 2,
    "schedules": 2,
    "losses": 2,
    "report": 2,
    "optimizers": 2,
    "layers": 2,
    "engine": 3,
    "callbacks": 4,
    "data": 4,
    "weights": 3.5,  # models asks for them
    "models": 4,
    "multiply_adds": 6,
    "cost": 7,
    "inputs": 6,
    "inference": 7,
    "profiling": 8,
    "recipes": 8,
    "nas": 8.5,  # the course needs it
    "listing": 9,
    "course": 9,
    "doctor": 9,
    "cli": 10,
    "__main__": 11,
}
TORCH_ROOMS = ("kernels", "engine", "distribution", "weights", "data")
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def part(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    """Return the modules that a file imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


IMPORTED = {path: imported(path) for path in FILES}


def test_imports_point_down():
    upwards = []
    for path, names in IMPORTED.items():
        own = part(path)
        for name in names:
            words = name.split(".")
            if words[0] != "kcv" or words[1:2] in ([], [own]) or words[1] == "predict":
                continue
            if LEVELS[words[1]] >= LEVELS[own]:
                upwards.append(f"{path.relative_to(ROOT)} imports {name}")
    assert len(FILES) > 200
    assert upwards == []


def test_torch_is_named_in_its_rooms_only():
    wrong = []
    for path, names in IMPORTED.items():
        torch = part(path) not in TORCH_ROOMS and any(n.split(".")[0] == "torch" for n in names)
        rooms = part(path) in ("kernels", "engine", "distribution")
        inside = not rooms and any(name.startswith("keras.src") for name in names)
        if torch or inside:
            wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []


def test_no_module_has_a_name_that_says_nothing():
    empty = {"utils", "common", "helpers", "misc", "base", "registry"}
    assert not [p for p in FILES if p.stem in empty]


def test_every_test_file_has_a_name_of_its_own():
    """pytest imports them by name, and refuses all of them where two have the same."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
