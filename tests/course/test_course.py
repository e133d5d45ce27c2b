"""The course without a kernel: checkers are checked, notebooks are built, the form is kept."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from kcv import course
from kcv.course import build
from kcv.course.exercises import KINDS, Exercise, answers_of, same_values
from kcv.course.session import BUDGET

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
TASKS = [(p.stem, number, task) for p in SOURCES for number, task in answers_of(p.stem).items()]
NAMES = [f"{name[:2]}.{number}" for name, number, _ in TASKS]
# Their references train networks.
TRAINED = {"09.4", "11.4", "13.4", "15.4", "20.3"}
ANSWERED = [
    pytest.param(*task, marks=pytest.mark.slow) if name in TRAINED else task
    for name, task in zip(NAMES, TASKS, strict=True)
]
MUTANTS = [(number, task, mutant) for _, number, task in TASKS for mutant in task.mutants]
ORDER = (
    "Look at the data",
    "From scratch",
    "The library call",
    "Experiment",
    "When it fails",
    "Exercises",
    "Summary",
    "Go further",
)
IMPORTS = {"kcv", "keras", "matplotlib", "numpy"}
FORBIDDEN = ("!pip", "!wget", "rcParams", "filterwarnings", "os.environ", "/home/", "%pip")


def cells(source: Path, kind: str) -> list:
    made = jupytext.read(source, fmt="py:percent")
    return [cell for cell in made.cells if cell.cell_type == kind]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture
def notebook(tmp_path):
    source = tmp_path / "00_probe.py"
    source.write_text('# %% [markdown]\n# # A title\n\n# %% tags=["exercise"]\nx = 1\n')
    return source


@pytest.mark.parametrize(("name", "number", "task"), ANSWERED, ids=NAMES)
def test_the_reference_answer_passes(name, number, task, tmp_path):
    context = {**task.context(), "folder": tmp_path}
    outcome = Exercise(number, task, context).check(task.reference(context))
    assert outcome.state == "passed", outcome.message


@pytest.mark.parametrize(
    ("number", "task", "mutant"), MUTANTS, ids=[f"{n}-{m.name}" for n, _, m in MUTANTS]
)
def test_a_wrong_answer_is_rejected_by_name(number, task, mutant):
    context = task.context()
    outcome = Exercise(number, task, context).check(mutant.make(context))
    assert outcome.state == "wrong"
    assert mutant.says in outcome.message


@pytest.mark.parametrize(("name", "number", "task"), TASKS, ids=NAMES)
def test_a_stub_is_not_attempted(name, number, task):
    for stub in (None, ...):
        assert Exercise(number, task, {}).check(stub).state == "not attempted"


@pytest.mark.parametrize(("name", "number", "task"), TASKS, ids=NAMES)
def test_an_exercise_has_two_hints_a_solution_and_two_wrong_answers(name, number, task):
    exercise = Exercise(number, task, {})
    assert task.kind in KINDS
    assert [repr(exercise.hint())[:11] for _ in range(3)] == ["hint 1 of 2"] + ["hint 2 of 2"] * 2
    assert len(task.mutants) >= 2
    assert repr(exercise.solution()) == task.solution


def test_a_function_that_returns_nothing_is_not_attempted():
    task = answers_of("20")[2]
    outcome = Exercise(2, task, {}).check(lambda scores, labels, k: ...)
    assert outcome.state == "not attempted"


def test_an_answer_that_raises_is_wrong_and_says_why():
    outcome = Exercise(2, answers_of("20")[2], {}).check(lambda scores, labels, k: 1 / 0)
    assert outcome.state == "wrong"
    assert "ZeroDivisionError" in repr(outcome)


def test_a_function_is_wanted_where_a_number_came():
    check = same_values(abs, lambda: [(-1,)])
    assert "A function is wanted" in check(3, {})


def test_solved_mode_takes_the_reference_for_a_stub(monkeypatch):
    monkeypatch.setenv("KCV_COURSE_MODE", "solved")
    assert Exercise(2, answers_of("20")[2], {}).check(None).state == "passed"


def test_a_notebook_without_answers_has_no_exercises():
    assert answers_of("99_none") == {}


def test_start_says_versions_scale_and_budget_in_one_line(capsys):
    session = course.start("20_toolbox_workflow")
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "scale cpu" in text
    assert f"budget {BUDGET['20']} CPU seconds" in text
    assert session.folder.is_dir()


def test_the_scale_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("KCV_SCALE", "gpu")
    session = course.start("20_toolbox_workflow")
    assert session.epochs(4) == 40
    assert session.pick(cpu=1, gpu=2) == 2
    assert course.start("20_toolbox_workflow", "cpu").epochs(4) == 4


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale to be cpu or gpu. Received: scale='tpu'"):
        course.start("20_toolbox_workflow", scale="tpu")


def test_an_unknown_exercise_is_refused():
    session = course.start("20_toolbox_workflow")
    with pytest.raises(ValueError, match="has exercises 1, 2, 3, 4. Received: number=9"):
        session.exercise(9)


def test_a_false_claim_stops_a_tested_notebook_only(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("KCV_COURSE_MODE", raising=False)
    course.claim("one is two", 1 == 2)
    assert "FAILS here: one is two" in capsys.readouterr().out
    monkeypatch.setenv("CI", "1")
    with pytest.raises(course.ClaimError, match="claims what its numbers do not show: one is two"):
        course.claim("one is two", 1 == 2)


def test_the_end_counts_claims_and_exercises(capsys):
    session = course.start("20_toolbox_workflow")
    course.claim("one is one", 1 == 1)
    session.exercise(2).check(None)
    session.finish()
    text = capsys.readouterr().out
    assert "1 of 1 claims hold" in text
    assert "2: not attempted" in text


def test_a_build_is_the_same_each_time_and_without_outputs(notebook):
    first = build.notebook(notebook)
    made = nbformat.reads(first, as_version=4)
    assert first == build.notebook(notebook)
    assert made.cells[1].metadata == {"tags": ["exercise"]}
    assert made.cells[1].outputs == []
    assert "jupytext" not in first


def test_check_names_what_is_stale(notebook, capsys):
    folder = str(notebook.parent)
    assert build.main([folder, "--check"]) == 1
    assert "stale: " in capsys.readouterr().out
    assert build.main([folder]) == 0
    assert build.main([folder, "--check"]) == 0


def test_a_notebook_without_its_text_is_stale(notebook):
    build.build(notebook.parent)
    (notebook.parent / "01_left.ipynb").write_text("{}")
    assert [p.name for p in build.stale(notebook.parent)] == ["01_left.ipynb"]


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs notebooks NN_name.py. Received: "):
        build.build(tmp_path)


def test_the_notebooks_are_what_their_text_makes():
    assert build.stale(FOLDER) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
class TestForm:
    """The checklist of the course, as far as the text alone shows it."""

    def test_the_header_promises(self, source):
        header = cells(source, "markdown")[0].source
        assert header.startswith(f"# {source.stem[:2]} ")
        for part in ("Promise.", "Seed headings covered.", "Needs.", "Time and data.", "Links."):
            assert f"**{part}**" in header

    def test_the_first_code_cell_starts_the_course(self, source):
        assert f'course.start("{source.stem}")' in cells(source, "code")[0].source
        assert source.read_text().count("course.start(") == 1

    def test_the_sections_come_in_order(self, source):
        text = "\n".join(cell.source for cell in cells(source, "markdown"))
        heads = [h.split(":")[0].strip() for h in re.findall(r"^## (.+)$", text, re.M)]
        assert tuple(h for h in heads if h in ORDER) == ORDER

    def test_the_size_is_that_of_one_sitting(self, source):
        prose, code = cells(source, "markdown"), cells(source, "code")
        words = sum(len(cell.source.split()) for cell in prose)
        lengths = [len(lines(cell.source)) for cell in code]
        assert 15 <= len(prose) + len(code) <= 45
        assert 800 <= words <= 2500
        assert sum(lengths) <= 250
        assert max(lengths) <= 30

    def test_long_code_cells_have_prose_between(self, source):
        made = jupytext.read(source, fmt="py:percent").cells
        long = [c.cell_type == "code" and len(lines(c.source)) > 8 for c in made]
        assert not any(a and b for a, b in zip(long, long[1:], strict=False))

    def test_only_the_course_libraries_are_imported(self, source):
        tree = ast.parse(source.read_text())
        names = [
            n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
        ]
        names += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        assert {name.split(".")[0] for name in names} <= IMPORTS

    def test_kcv_is_imported_before_keras_whose_backend_it_chooses(self, source):
        lines = "\n".join(cell.source for cell in cells(source, "code")).splitlines()
        imports = [line for line in lines if re.match(r"(import|from) (kcv|keras)\b", line)]
        assert imports[0].startswith("import kcv")

    def test_nothing_is_configured_downloaded_or_absolute(self, source):
        text = source.read_text()
        assert [word for word in FORBIDDEN if word in text] == []

    def test_the_exercises_are_those_of_the_answers(self, source):
        tagged = [c for c in cells(source, "code") if "exercise" in c.metadata.get("tags", [])]
        numbers = [int(n) for c in tagged for n in re.findall(r"nb\.exercise\((\d+)", c.source)]
        tasks = answers_of(source.stem)
        assert numbers == sorted(tasks)
        assert 2 <= len(tasks) <= 4
        assert {task.kind for task in tasks.values()} & {"fn", "train"} == {"fn", "train"}
