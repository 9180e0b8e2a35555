"""What a row is: a command, the floor beside it, and in which state of which project both are run."""

from dataclasses import dataclass

from .measure import TIMEOUT
from .places import FILE, Project, State
from .servers import Served
from .table import Unit

LONG = 600
"""Seconds of one command that may take its time."""


THREE = Project("chain", 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A command. `words` begin with a program of the clean environment; with `printed` its last line is the figure,
    else its seconds are."""

    words: tuple[str, ...]
    project: Project = THREE
    state: State = State.DONE
    codes: tuple[int, ...] = (0,)
    printed: bool = False
    served: Served | None = None
    """Which provider listens meanwhile."""
    samples: int = 0
    """How many values of its memory over time are shown."""
    warm: bool = False
    """It is run once before it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`repeat` is how often each of both is run; `cells` says among how many cells the figure is shared."""

    group: str
    name: str
    work: Probe
    floor: Probe | None = None
    unit: Unit = Unit.SECONDS
    cells: int = 0
    megabytes: float = 0.0
    target: str = ""
    repeat: int = 5
    timeout: int = TIMEOUT


def flow(*words: str) -> tuple[str, ...]:
    return ("flowrunner", *words)


def inside(*words: str) -> tuple[str, ...]:
    return ("python", "-m", "bench.inside", *words)


def micro(name: str) -> tuple[str, ...]:
    return ("python", "-m", "bench.micro", name)


def wires(name: str, count: int, slots: int) -> tuple[str, ...]:
    return ("python", "-m", "bench.wires", name, str(count), str(slots))


RUN = ("run", FILE, "--concurrency")
BARE = Probe(words=("python", "-c", "pass"))
