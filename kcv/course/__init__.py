"""The course: what every notebook starts with, claims that are checked, exercises that answer."""

from kcv.course.cached import mnist
from kcv.course.exercises import Exercise, Outcome
from kcv.course.session import ClaimError, Session, claim, start

__all__ = ["ClaimError", "Exercise", "Outcome", "Session", "claim", "mnist", "start"]
