"""Exercises of notebook 15: mutate, count a space, halve, beat random search."""

from collections.abc import Mapping
from pathlib import Path

from kcv import nas
from kcv.course.exercises import Mutant, Task, same_values

SPACE = nas.Space(
    widths=((8, 16),) * 3,
    depths=(1, 2, 3),
    operations=("conv", "inverted"),
    kernels=(3, 5),
    expansions=(1, 2, 4, 6),
)


def _mutate(row, place, step, choices):
    child = list(row)
    child[place] = (child[place] + step) % choices
    return child


def _rows() -> list[tuple]:
    return [([0, 1, 2], 0, 1, 3), ([0, 1, 2], 2, 1, 3), ([3, 3, 0, 1], 1, 2, 4)]


def _in_place(row, place, step, choices):
    row[place] += step
    return row


def _parent_too(row, place, step, choices):
    row[place] = (row[place] + step) % choices
    return row


def _check_mutate(answer, context: Mapping) -> str:
    problem = same_values(_mutate, _rows)(answer, context)
    if problem:
        return problem
    row = [0, 1, 2]
    answer(row, 1, 1, 3)
    return "" if row == [0, 1, 2] else "The parent has changed too: copy the row first."


def _check_size(answer, context: Mapping) -> str:
    if answer == SPACE.size:
        return ""
    if answer**3 == SPACE.size:
        return "That is one stage; the three choose on their own."
    if answer == SPACE.size // (2 * 3 * 2) ** 2:
        return "Each stage has its own width, depth and gate."
    return "Count one stage: width, depth, gate, and the sum over the two operations. Then three."


def _rounds(candidates, epochs, factor):
    return [(c, e) for c, e in nas.Halving(candidates, epochs, factor).rounds]


def _always_one(candidates, epochs, factor):
    made = _rounds(candidates, epochs, factor)
    return [*made, (0, made[-1][1] * factor)]


def _check_search(answer, context: Mapping) -> str:
    if not isinstance(answer, nas.Search):
        return f"What nas.search returns is wanted. Received: {type(answer).__name__}."
    random = context["random"]
    if answer.epochs > random.epochs:
        return f"At most {random.epochs} epochs in all are allowed. Received: {answer.epochs}."
    if answer.best.rank <= random.best.rank:
        return (
            f"The best score is {answer.best.rank:.3f}, no more than the {random.best.rank:.3f} of "
            "random search. Fewer candidates may be trained for longer."
        )
    return ""


def _halved(context: Mapping) -> nas.Search:
    out = Path(context["folder"]) / "better"
    return nas.search(context["judge"], context["space"], nas.Halving(6, 1, 2), out=out)


def _searched(*scores: float, epochs: int = 2) -> nas.Search:
    made = nas.Architecture(8, (nas.Stage("conv", 8, 1),))
    trials = [nas.Trial(i, made, epochs, score) for i, score in enumerate(scores)]
    return nas.Search(Path("runs/nas"), trials)


def _digits() -> dict:
    judge = nas.Training(
        "digits", stem="medium", batch_size=32, augment="none", val_fraction=0.2, threads=1
    )
    space = nas.Space(((16,), (32,)), (1, 2), ("conv", "residual"), gates=(False,))
    return {"random": _searched(*[0.5] * 10), "judge": judge, "space": space, "folder": None}


TASKS = {
    1: Task(
        kind="fn",
        check=_check_mutate,
        hints=(
            "Copy the row; then one number changes, and the remainder of a division wraps it.",
            "child = list(row), and (child[place] + step) % choices.",
        ),
        solution="child = list(row)\nchild[place] = (child[place] + step) % choices\nreturn child\n"
        "With step between 1 and choices - 1 the child always differs from its parent.",
        reference=lambda context: _mutate,
        mutants=(
            Mutant("no wrapping", lambda c: lambda r, p, s, n: _in_place(list(r), p, s, n), "With"),
            Mutant("nothing changed", lambda c: lambda r, p, s, n: list(r), "the result should be"),
            Mutant("the parent too", lambda c: _parent_too, "The parent has changed"),
        ),
    ),
    2: Task(
        kind="num",
        check=_check_size,
        hints=(
            "Choices that are made together multiply; operations are alternatives, and add.",
            "One stage: 2 * 3 * 2 * (2 + 2 * 4). The stages choose on their own.",
        ),
        solution="(2 * 3 * 2 * (2 + 2 * 4)) ** 3\nAn expansion of a plain convolution does not "
        "exist: counting it would make several names of one network.",
        reference=lambda context: SPACE.size,
        mutants=(
            Mutant("one stage", lambda c: round(SPACE.size ** (1 / 3)), "one stage"),
            Mutant("a sum", lambda c: 3 * 120, "Count one stage"),
            Mutant("shared", lambda c: 2 * 3 * 2 * (2 + 2 * 4) ** 3, "its own width"),
        ),
    ),
    3: Task(
        kind="fn",
        check=same_values(_rounds, lambda: [(9, 1, 3), (27, 1, 3), (10, 2, 2), (1, 5, 4)]),
        hints=(
            "A loop: note the round, divide the candidates, multiply the epochs.",
            "while candidates: ...; candidates //= factor; epochs *= factor.",
        ),
        solution="made = []\nwhile candidates:\n    made.append((candidates, epochs))\n"
        "    candidates, epochs = candidates // factor, epochs * factor\nreturn made\n"
        "Every round costs about as many epochs as the first one.",
        reference=lambda context: _rounds,
        mutants=(
            Mutant("a round of none", lambda c: _always_one, "shape"),
            Mutant(
                "epochs stay",
                lambda c: lambda n, e, f: [(count, e) for count, _ in _rounds(n, e, f)],
                "the result should be",
            ),
        ),
    ),
    4: Task(
        kind="train",
        check=_check_search,
        hints=(
            "The same epochs may be spent otherwise: on fewer candidates, for longer.",
            "nas.Halving(6, 1, 2) ends by itself; add up its rounds first.",
        ),
        solution='nas.search(judge, space, nas.Halving(6, 1, 2), out=nb.folder / "better")\n'
        "Its winner is trained for twice as long as any random candidate, for fewer epochs in all.",
        reference=_halved,
        mutants=(
            Mutant("too dear", lambda c: _searched(*[0.9] * 30), "epochs in all are allowed"),
            Mutant("no better", lambda c: _searched(0.5), "no more than"),
            Mutant("a number", lambda c: 0.99, "nas.search returns is wanted"),
        ),
        context=_digits,
    ),
}
