"""The question before paying, which a command asks once, however many pipelines it runs."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from flowrunner import escape
from flowrunner.decisions import Cost, Plan, cost
from flowrunner.limits import own_limit
from flowrunner.money import Nano
from flowrunner.paint import folded, width
from flowrunner.report.text import costs_of
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from flowrunner.commands.together import Looked
    from flowrunner.project import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the question says of one pipeline: what it pays now, and what after its choices."""

    name: str
    now: Cost
    later: Cost
    picks: int
    cap: Nano | None

    @property
    def line(self) -> str:
        return f"{self.name}: {costs_of(self.now, self.later, self.picks, simulated=False, cap=self.cap)}"


class Question:
    """Whoever says yes says it to every pipeline that was foreseen; `declined` once somebody has said no."""

    def __init__(self, stream: TextIO, cap: Nano | None) -> None:
        """`stream` is where it goes, `cap` the limit of the whole command."""
        self.declined = False
        self._stream = stream
        self._cap = cap
        self._foreseen: dict[tuple[Path, str], _Asked] = {}
        self._agreed: dict[tuple[Path, str], Cost] = {}

    def foresee(self, looked: "Looked") -> None:
        """Takes in a pipeline whose turn is going to come."""
        asked = _asked(looked.opened, looked.plan)
        if looked.refused is None and asked.now.calls:
            self._foreseen[_place(looked.opened)] = asked

    def agreed(self, opened: "Opened", found: Plan) -> bool:
        """Whether this plan may be paid; asks where nobody has said so, or it costs more than was said."""
        place, asked = _place(opened), _asked(opened, found)
        if asked.now.calls <= self._agreed.get(place, Cost()).calls:
            return True
        places = list(self._foreseen)
        places = places[places.index(place) + 1 :] if place in places else []
        together = {place: asked} | {one: self._foreseen[one] for one in places}
        self.declined = not self._answer(list(together.values()))
        if not self.declined:
            self._agreed |= {one: told.now for one, told in together.items()}
        return not self.declined

    def _answer(self, asked: Sequence[_Asked]) -> bool:
        room = width(self._stream, os.environ) or 80
        lines = [folded(one.line, room, 2) for one in [*asked, *([_sum(asked, self._cap)] if len(asked) > 1 else [])]]
        print("\n".join([*lines, "Go on? [y/N] "]), end="", file=self._stream, flush=True)
        try:
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        except KeyboardInterrupt:
            print(file=self._stream)
            raise


def _place(opened: "Opened") -> "tuple[Path, str]":
    return opened.project.root, opened.pipeline.file


def _asked(opened: "Opened", found: Plan) -> _Asked:
    limit = own_limit(opened)
    return _Asked(
        name=escape.line(opened.pipeline.name),
        now=cost(found.before_picks),
        later=cost(found.after_picks),
        picks=len(found.open_picks),
        cap=limit[0] if limit else None,
    )


def _sum(asked: Sequence[_Asked], cap: Nano | None) -> _Asked:
    return _Asked(
        name="together",
        now=_added([one.now for one in asked]),
        later=_added([one.later for one in asked]),
        picks=sum(one.picks for one in asked),
        cap=cap,
    )


def _added(costs: Sequence[Cost]) -> Cost:
    return Cost(sum(one.priced for one in costs), sum(one.unpriced for one in costs), sum(one.calls for one in costs))
