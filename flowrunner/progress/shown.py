"""Showing a run while it goes on: plain lines anywhere, a live display on a terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from flowrunner import escape, money
from flowrunner.call import Billed
from flowrunner.decisions import cost
from flowrunner.events import Begun, Done, Event, Failed, Noted, Retried, Sent
from flowrunner.paint import folded, shortened
from flowrunner.progress.facts import Facts
from flowrunner.report.text import price
from flowrunner.slotted import dataclass, field

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live as RichLive

Write: TypeAlias = Callable[[str], None]
"""Takes one line, without its line feed."""
_INDENT = 6
"""Columns before what belongs to the line above."""
_DOING, _NAME = 24, 16
"""Columns that are kept for what a call does, and for the name of its cell."""
_AROUND = 14
"""Columns of a call's time, and of the blanks beside all three."""


class Lines:
    """Every fact as a plain line, as it happens. A reader that goes away does not end a run that pays."""

    def __init__(self, facts: Facts, write: Write) -> None:
        self.facts = facts
        self._write: Write | None = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def __call__(self, event: Event) -> None:
        for text in self.facts.lines(event):
            self.say(text)

    def say(self, text: str) -> None:
        if self._write is None:
            return
        try:
            self._write(text)
        except OSError:
            self._write = None


@dataclass(slots=True)
class _Active:
    """A call under way, as the live display shows it."""

    label: str
    doing: str
    since: float


@dataclass(slots=True, kw_only=True)
class Live:
    """On a terminal: one line for each active cell with its time, and one with the money of the whole run. What went
    wrong stays above it; the rest is gone when it ends."""

    facts: Facts
    console: "Console"
    clock: Callable[[], float]
    active: dict[tuple[str, int], _Active] = field(default_factory=dict)
    done: int = 0
    paid: money.Nano = 0
    _begun: float = 0.0
    _live: "RichLive | None" = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: Event) -> None:
        match event:
            case Begun():
                self._start()
            case Sent():
                self._note(event.cell, event.sample, self.facts.model(event.cell))
            case Retried():
                self._note(event.cell, event.sample, f"again in {event.wait:.0f} s: {escape.line(event.reason, 60)}")
            case Done() | Failed():
                self._ended(event)
            case _:
                pass
        if isinstance(event, Begun | Failed | Noted):
            for text in self.facts.lines(event):
                self.say(text)

    def say(self, text: str) -> None:
        """A line that stays, broken at blanks; a command line is not, since it is to be copied."""
        from rich.text import Text

        lines = text if text.startswith(self.facts.line("next")) else _folded(text, self.console.width)
        self.console.print(Text.from_ansi(lines), soft_wrap=True)

    def _start(self) -> None:
        from rich.live import Live as RichLive

        self._begun = self.clock()
        self._live = RichLive(
            console=self.console,
            get_renderable=self._shown,
            refresh_per_second=8,
            transient=True,
            redirect_stderr=False,
        )
        self._live.start()

    def _note(self, cell: str, sample: int, doing: str) -> None:
        known = self.active.get((cell, sample))
        since = known.since if known else self.clock()
        self.active[cell, sample] = _Active(self.facts.label(cell, sample), doing, since)

    def _ended(self, event: Done | Failed) -> None:
        self.active.pop((event.cell, event.sample), None)
        if isinstance(event, Done) and not event.local and not event.replayed:
            self.done += 1
            self.paid += event.paid or 0
        elif isinstance(event, Failed) and event.failure.billed is Billed.YES:
            self.paid += event.failure.paid or 0

    def _shown(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        now = self.clock()
        active = list(self.active.values())
        room = max(1, self.console.size.height - 3)
        doing = min(_DOING, max((escape.width(one.doing) for one in active[:room]), default=0))
        most = max(_NAME, self.console.width - _AROUND - doing)
        labels = [shortened(one.label, most) for one in active[:room]]
        width = max(map(escape.width, labels), default=0)
        rows = [
            Text.assemble(
                (f"  {label}{' ' * (width - escape.width(label))}", "bold"),
                (f"  {now - one.since:6.1f} s", "cyan"),
                (f"  {one.doing}", "dim"),
                no_wrap=True,
                overflow="ellipsis",
            )
            for label, one in zip(labels, active, strict=False)
        ]
        if len(active) > room:
            rows.append(Text(f"  … and {len(active) - room} more", style="dim"))
        return Group(*rows, Text(self._total(now), no_wrap=True, overflow="ellipsis"))

    def _total(self, now: float) -> str:
        sent = [cell for cell in self.facts.plan.before_picks if cell.to_send] if self.facts.plan else []
        minutes, seconds = divmod(int(now - self._begun), 60)
        paid = f"{'simulated' if self.facts.simulated else 'paid'} {money.exact(self.paid)}"
        planned = cost(sent)
        of = f" of {price(planned, simulated=False)}" if planned.known is not None else ""
        return f"  {self.done} of {planned.calls} calls  {paid}{of}  {minutes}:{seconds:02d}"


def _folded(text: str, width: int) -> str:
    return "\n".join(folded(line, width, _INDENT) for line in text.split("\n"))


Progress: TypeAlias = Lines | Live
