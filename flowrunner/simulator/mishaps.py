"""Mishaps on order: what the coming POSTs to the simulator meet, so that one can rehearse what flowrunner does then."""

import re
from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from http import HTTPStatus
from typing import TypeAlias

from flowrunner.errors import UsageError
from flowrunner.simulator.wire import SIMULATED, Reply, answer

_STATUSES = "|".join(str(status.value) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
_RULE = re.compile(rf"(ok|drop|cut|{_STATUSES})(?:\*([1-9][0-9]{{0,3}}))?")
# docs/errors-and-messages of AIML API; where a status has several sentences, the first.
_SAID = {
    403: (
        "You've run out of credits. Please top up your balance or update your payment method to continue:"
        " https://aimlapi.com/app/billing/"
    ),
    500: "Internal server error",
    503: "Service unavailable",
    504: "Generation timeout",
}


class Broken(StrEnum):
    """A mishap of the connection, after the request was read and answered as ever."""

    DROP = "drop"
    """The connection closes without a reply."""
    CUT = "cut"
    """The reply ends in the middle of its body."""


Mishap: TypeAlias = int | Broken
"""What a POST meets: a status from 400 up in place of an answer, or a broken connection."""


class Script:
    """Rules, played one POST after the other and then over: `429*2`, `drop`, `cut`, `ok*3`, each a mishap (`ok`: none)
    and how many times. UsageError for anything else."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self._coming = deque(mishap for rule in rules for mishap in _read(rule))

    def next(self) -> Mishap | None:
        """What the next POST meets. Safe to call from several threads."""
        try:
            return self._coming.popleft()
        except IndexError:
            return None


def error(status: int) -> Reply:
    """The error that stands in for an answer."""
    said = {"message": _SAID.get(status, HTTPStatus(status).phrase), "statusCode": str(status)}
    return answer(status, said, {SIMULATED: "1"})


def _read(rule: str) -> list[Mishap | None]:
    found = _RULE.fullmatch(rule)
    if found is None:
        hint = "write a status such as 429, or drop, cut or ok, and how many times: 429*2"
        raise UsageError(f"{rule!r} is no fault", hint)
    return [_named(found[1])] * int(found[2] or 1)


def _named(word: str) -> Mishap | None:
    if word == "ok":
        return None
    return int(word) if word.isdecimal() else Broken(word)
