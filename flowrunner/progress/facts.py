"""What a run says, one fact a line:

    done  scene/lamp #1  14.2 s  paid $0.047250  1024x1024 png 1.4 MB  9ec15c

A line begins with a stable word of at most five letters; one that begins with blanks belongs to the line above it.
"""

from collections.abc import Callable
from math import ceil

from flowrunner import escape, money
from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure
from flowrunner.decisions import Plan
from flowrunner.events import Begun, Done, Event, Failed, Noted, Retried, Sent, Waits
from flowrunner.paint import Paint, Tone, plain
from flowrunner.report.groups import plural
from flowrunner.report.text import about, costs
from flowrunner.slotted import dataclass

_TONES = {
    "run": Tone.STRONG,
    "all": Tone.STRONG,
    "send": Tone.QUIET,
    "done": Tone.GOOD,
    "retry": Tone.NOTICE,
    "fail": Tone.BAD,
    "warn": Tone.NOTICE,
    "left": Tone.NOTICE,
    "skip": Tone.QUIET,
    "lack": Tone.BAD,
    "wait": Tone.NOTICE,
    "note": Tone.QUIET,
    "made": Tone.GOOD,
    "end": Tone.STRONG,
    "next": Tone.ACTIVE,
}
_WIDEST = 40
"""Columns that the names of cells are padded to at most."""


def line(word: str, *facts: str, paint: Paint = plain) -> str:
    """One fact: its word, then what there is to say, two blanks apart. The texts must be harmless already."""
    rest = "  ".join(fact for fact in facts if fact)
    return f"{paint(word, _TONES[word])}{' ' * (6 - len(word))}{rest}".rstrip()


@dataclass(slots=True, kw_only=True)
class Facts:
    """Turns events into lines. `planned` tells it what the run is going to do, before the first event."""

    simulated: bool
    cap: money.Nano | None = None
    paint: Paint = plain
    mask: Callable[[str], str] = str
    """Takes keys out of what providers say."""
    place: Callable[[str], str] = str
    """Turns a path from the project's root into one that is good where the command runs."""
    plan: Plan | None = None
    _width: int = 0

    def planned(self, found: Plan) -> None:
        self.plan = found
        sent = [self.label(cell.cell.id, 1) for cell in (*found.before_picks, *found.after_picks)]
        self._width = min(_WIDEST, max(map(len, sent), default=0))

    def lines(self, event: Event) -> list[str]:
        """An event in lines; none for what the end of a run tells: who waits, and what was not tried."""
        match event:
            case Begun():
                return [self._begun(event)] if self.plan else []
            case Sent():
                return [] if event.local else [self._sent(event)]
            case Done():
                return [self._done(event)]
            case Retried():
                return [self._retried(event)]
            case Failed():
                return [] if event.failure.refused else self._failed(event)
            case Noted():
                return [self.line("note", escape.line(event.text, 400))]
            case Waits():
                return []

    def line(self, word: str, *facts: str) -> str:
        return line(word, *facts, paint=self.paint)

    def label(self, cell: str, sample: int) -> str:
        """`scene/lamp #1`; without the number where there is only one sample."""
        planned = self.plan.cells.get(cell) if self.plan else None
        several = planned is not None and planned.cell.step.variants > 1
        return escape.visible(f"{cell} #{sample}" if several else cell)

    def model(self, cell: str) -> str:
        """The short name of the model that a cell asks."""
        planned = self.plan.cells.get(cell) if self.plan else None
        return escape.line(planned.cell.model.short) if planned is not None and planned.cell.model else ""

    def charge(self, amount: money.Nano | None) -> str:
        """What a reply says was charged: `paid $0.047250`, `simulated $0.047250`, `charge not stated`."""
        if amount is None:
            return "charge not stated"
        return f"{'simulated' if self.simulated else 'paid'} {money.exact(amount)}"

    def charges(self, amount: money.Nano, unstated: int) -> str:
        """The same of several calls, of which some replies may not say it: `paid $0.047250 and 1 charge not stated`."""
        told = f"{plural(unstated, 'charge')} not stated"
        if not unstated:
            return self.charge(amount)
        return f"{self.charge(amount)} and {told}" if amount else told

    def _begun(self, event: Begun) -> str:
        assert self.plan is not None
        name = escape.line(self.plan.graph.pipeline.name)
        return self.line("run", event.run, name, costs(self.plan, simulated=self.simulated, cap=self.cap))

    def _sent(self, event: Sent) -> str:
        price = about(event.estimate, simulated=self.simulated)
        return self.line("send", self._padded(event.cell, event.sample), self.model(event.cell), price)

    def _done(self, event: Done) -> str:
        charge = "free" if event.local else self.charge(event.paid)
        seconds = f"{event.seconds:.1f} s"
        facts = [seconds, charge, _pictures(event.artifacts)]
        if event.replayed:
            facts[:2] = ["paid before"]
        digests = " ".join(artifact.sha256[:6] for artifact in event.artifacts)
        return self.line("done", self._padded(event.cell, event.sample), *facts, digests)

    def _retried(self, event: Retried) -> str:
        reason = escape.line(self.mask(event.reason), 300)
        again = f"{reason}, again in {ceil(event.wait)} s ({event.attempt} of {event.attempts})"
        return self.line("retry", self._padded(event.cell, event.sample), again)

    def _failed(self, event: Failed) -> list[str]:
        failure = event.failure
        planned = self.plan.cells.get(event.cell) if self.plan else None
        provider = planned.cell.model.provider if planned is not None and planned.cell.model else ""
        error = escape.line(self.mask(failure.error), 400)
        shown = [
            self.line("fail", self._padded(event.cell, event.sample), provider, self._billed(failure, provider), error)
        ]
        return shown + ([f"      = {escape.line(self.mask(failure.hint), 400)}"] if failure.hint else [])

    def _billed(self, failure: Failure, provider: str) -> str:
        """What a failed call cost."""
        if provider == "image":
            return "free"
        if failure.billed is Billed.NO:
            return "not billed"
        request = f", request {escape.line(failure.request_id, 80)}" if failure.request_id else ""
        if failure.billed is Billed.YES:
            return self.charge(failure.paid) + request
        amount = f", up to {money.about(failure.paid)}" if failure.paid is not None else ", price not known"
        return f"may have been billed{amount}{request}"

    def _padded(self, cell: str, sample: int) -> str:
        label = self.label(cell, sample)
        return label + " " * (self._width - escape.width(label))


def _pictures(artifacts: tuple[Artifact, ...]) -> str:
    """`1024x1024 png 1.4 MB`, with the number of pictures where there are several."""
    if not artifacts:
        return ""
    first = artifacts[0]
    several = f"{len(artifacts)} × " if len(artifacts) > 1 else ""
    return f"{several}{first.width}x{first.height} {first.suffix} {_size(sum(one.bytes for one in artifacts))}"


def _size(count: int) -> str:
    """Bytes for people."""
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    return f"{count / 1_000_000:.1f} MB"
