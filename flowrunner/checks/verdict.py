"""What a check found: whether it holds, and the value that was measured."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeAlias

from flowrunner.pipeline import Level
from flowrunner.slotted import dataclass


class Result(StrEnum):
    """How a check came out; `missing` where a picture that it needs is not here."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check on one picture. `measured` is a phrase: `SSIM 0.871, at least 0.9`."""

    check: str
    level: Level
    result: Result
    measured: str
    heatmap: str = ""
    """Path of a WEBP below the project root that shows where; empty where there is none."""

    @property
    def sentence(self) -> str:
        """For messages: `similar_to: SSIM 0.871, at least 0.9`."""
        return f"{self.check}: {self.measured}"


Verdicts: TypeAlias = tuple[Verdict, ...]
"""All checks on one picture, in the order in which they are written."""


def of(verdicts: Iterable[Verdict], result: Result) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.result is result]


def first_passing(candidates: Sequence[Verdicts]) -> int:
    """The number, from 1, of the first candidate of which no check fails and none is open; 0 where there is none, or
    where one before it cannot be judged. A candidate without verdicts is one that is not there."""
    for number, verdicts in enumerate(candidates, 1):
        if verdicts and not of(verdicts, Result.FAIL):
            return 0 if of(verdicts, Result.MISSING) else number
    return 0
