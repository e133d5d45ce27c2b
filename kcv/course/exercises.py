"""Exercises that answer: not attempted, passed, or what is wrong; hints and a solution on demand.

An exercise never raises, whatever it is given: a notebook with empty exercises runs to its end.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

KINDS = ("fn", "num", "prop", "train")


class Mutant(NamedTuple):
    """A wrong answer that the check must reject with a message that has `says` in it."""

    name: str
    make: Callable[[Mapping], Any]  # context -> answer
    says: str


@dataclass(frozen=True)
class Task:
    """What the course knows about one exercise.

    Attributes:
        kind: `"fn"` (compared with the reference on inputs), `"num"` (a number), `"prop"` (a
            property of the answer), `"train"` (a finished run within limits).
        check: `check(answer, context)` returns "" for a right answer, or what is wrong.
        hints: two, the first one vaguer.
        solution: the code of an answer, with the reason in words.
        reference: makes a right answer of the context.
        mutants: wrong answers, at least two.
        context: makes a context for tests, where no notebook gives one.
    """

    kind: str
    check: Callable[[Any, Mapping], str]
    hints: tuple[str, ...]
    solution: str
    reference: Callable[[Mapping], Any]
    mutants: tuple[Mutant, ...]
    context: Callable[[], dict] = dict


class Text(str):
    """A string that a notebook shows as it is, without quotes."""

    def __repr__(self):
        return str(self)


class Outcome(NamedTuple):
    """What a check found: `state` is `"not attempted"`, `"passed"` or `"wrong"`."""

    number: int
    state: str
    message: str

    def __repr__(self):
        return f"exercise {self.number}: {self.state}. {self.message}".rstrip()


class Exercise:
    """One exercise of a notebook; `Session.exercise` makes it."""

    def __init__(self, number: int, task: Task, context: Mapping, outcomes: dict | None = None):
        self.number, self._task, self._context = number, task, context
        self._outcomes = {} if outcomes is None else outcomes
        self._hints_given = 0

    def check(self, answer: Any) -> Outcome:
        """Say whether an answer is right. None, `...` or a function that returns them is a stub."""
        if _is_stub(answer) and os.environ.get("KCV_COURSE_MODE") == "solved":
            answer = self._task.reference(self._context)
        outcome = self._judge(answer)
        self._outcomes[self.number] = outcome.state
        return outcome

    def _judge(self, answer: Any) -> Outcome:
        if _is_stub(answer):
            text = "Replace the ... and run the cell again; .hint() helps."
            return Outcome(self.number, "not attempted", text)
        # A reader's code may do anything: whatever it raises is an answer, not an accident.
        try:
            problem = self._task.check(answer, self._context)
        except StubError:
            return Outcome(self.number, "not attempted", "The function returns nothing yet.")
        except Exception as error:
            problem = f"Checking it raised {type(error).__name__}: {error}"
        return Outcome(self.number, "wrong" if problem else "passed", problem or "Well done.")

    def hint(self) -> Text:
        """Return the next hint; the last one again after it."""
        hints = self._task.hints
        shown = min(self._hints_given, len(hints) - 1)
        self._hints_given += 1
        return Text(f"hint {shown + 1} of {len(hints)}: {hints[shown]}")

    def solution(self) -> Text:
        """Return an answer with its reason."""
        return Text(self._task.solution)


class StubError(Exception):
    """A function of the reader's returned None or `...`."""


def _is_stub(answer: Any) -> bool:
    return answer is None or answer is Ellipsis


def same_values(
    reference: Callable, inputs: Callable[[], list[tuple]], tolerance: float = 1e-6
) -> Callable[[Callable, Mapping], str]:
    """Return a check that compares a function with `reference` on each tuple of arguments."""

    def check(answer, context) -> str:
        if not callable(answer):
            return f"A function is wanted. Received: {type(answer).__name__}."
        for arguments in inputs():
            wanted, got = reference(*arguments), answer(*arguments)
            if _is_stub(got):
                raise StubError
            if np.shape(got) != np.shape(wanted):
                return f"The result needs shape {np.shape(wanted)}. Received: {np.shape(got)}."
            if not np.allclose(got, wanted, atol=tolerance):
                rest = ", ".join(str(a) for a in arguments if np.ndim(a) == 0)
                return f"With {rest} the result should be {wanted}. Received: {got}."
        return ""

    return check


def answers_of(name: str) -> dict[int, Task]:
    """Return the tasks of a notebook by number; none if it has no exercises."""
    try:
        module = importlib.import_module(f"kcv.course.answers.a{name[:2]}")
    except ModuleNotFoundError:
        return {}
    return module.TASKS
