"""The rows of the table, as literally as can be: what is run, where, beside which floor, and what is hoped for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowrunner.cli import COMMANDS

from .inside import QUOTA
from .measure import TIMEOUT
from .places import FILE, STARTED, Project, State
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


def rows() -> Iterator[Row]:
    """All of them, in the order of the table; what a row leaves behind serves the next."""
    yield from _starts()
    yield from _commands()
    for count in (3, 1_000, 10_000):
        for shape in ("chain", "wide", "matrix"):
            yield from _cells(Project(shape, count))
    yield from _larger()
    yield from _shown()
    yield from _waits()
    yield from _bytes()


def flow(*words: str) -> tuple[str, ...]:
    return ("flowrunner", *words)


def inside(*words: str) -> tuple[str, ...]:
    return ("python", "-m", "bench.inside", *words)


def wires(name: str, count: int, slots: int) -> tuple[str, ...]:
    return ("python", "-m", "bench.wires", name, str(count), str(slots))


_RUN = ("run", FILE, "--concurrency")
BARE = Probe(words=("python", "-c", "pass"))


def _starts() -> Iterator[Row]:
    words = [("--version",), ("--help",), *((command, "--help") for command in COMMANDS)]
    for line in words:
        target = "≤ 2" if len(line) == 1 else ""
        group = "Start-up: floor python -c pass"
        yield Row(group=group, name=" ".join(line), work=Probe(words=flow(*line)), floor=BARE, target=target)


_PICTURE = "outputs/show/s0.png"
_LINES = (
    "validate show.yaml",
    "plan show.yaml",
    "run show.yaml",
    "run show.yaml --simulate",
    "pick show.yaml",
    "accept show.yaml s0 --why measured",
    "diff show.yaml",
    "check show.yaml",
    "graph show.yaml",
    "report show.yaml -o report.html",
    "models",
    "models show blackforestlabs/flux-2",
    "schema --check",
    "runs",
    "store fsck",
    "store gc",
    f"whence {_PICTURE}",
    f"init {STARTED}",
)


def _commands() -> Iterator[Row]:
    for line in _LINES:
        verb = line.split(maxsplit=1)[0]
        yield Row(
            group="Commands on three steps that are done, unchanged: floor python -c pass",
            name=line,
            work=Probe(
                words=flow(*line.split()),
                state=State.EDITED if verb in ("diff", "accept") else State.DONE,
                codes=(0, 1) if verb in ("diff", "schema") else (0,),
                warm=True,
            ),
            floor=BARE,
            target={"validate": "≤ 20", "plan": "≤ 6", "run": "≤ 6"}.get(verb, "") if "simulate" not in line else "",
        )


_TARGETS = {
    ("validate", "matrix", 10_000): "≤ 3 s, ≤ 300 MB",
    ("validate", "wide", 10_000): "≤ 8 s",
    ("validate", "chain", 10_000): "≤ 8 s",
    ("run", "wide", 1_000): "≤ 3 s",
    ("run", "chain", 1_000): "≤ 4 s",
}


def _cells(project: Project) -> Iterator[Row]:
    """Everything that is done with a pipeline, from the new file to the run with nothing to do."""
    count, shape = project.cells, project.shape
    group = f"{count:,} cells"
    repeat = 5 if count <= 1_000 else 3
    cells = count if count > 3 else 0
    for verb in ("validate", "plan"):
        work = Probe(words=flow(verb, FILE), project=project, state=State.NEW)
        target = _TARGETS.get((verb, shape, count), "≤ 20" if count == 3 else "")
        name = f"{verb} a new {shape}"
        yield Row(group=group, name=name, work=work, floor=BARE, cells=cells, target=target, repeat=repeat)
    yield _fresh(project, group, cells)
    again = {3: "≤ 6", 10_000: "≤ 1.5 s"}.get(count, "")
    for verb in ("plan", "run"):
        for state, which in ((State.COMMENTED, "after a comment"), (State.DONE, "unchanged")):
            work = Probe(words=flow(verb, FILE), project=project, state=state, warm=state is State.DONE)
            name = f"{verb} a {shape} with nothing to do, {which}"
            target = again if state is State.DONE else ""
            yield Row(group=group, name=name, work=work, floor=BARE, cells=cells, target=target, repeat=repeat)


def _fresh(project: Project, group: str, cells: int) -> Row:
    """A run of everything, each call paid, with all that is durable about it; at the end all is done."""
    shape, count = project.shape, project.cells
    slots = () if shape == "chain" else ("--concurrency", "50")
    return Row(
        group=group,
        name=f"run a new {shape}{' at 50' if slots else ''}, instant provider (floor: bare asyncio)",
        work=Probe(words=inside("run", FILE, *slots), project=project, state=State.NEW),
        floor=Probe(words=inside("floor-run", "chain" if shape == "chain" else "wide", str(count))),
        cells=cells,
        target=_TARGETS.get(("run", shape, count), ""),
        repeat=3 if count <= 1_000 else 1,
        timeout=LONG,
    )


def _larger() -> Iterator[Row]:
    """Whether the cost of a cell stays what it is."""
    for shape in ("wide", "matrix"):
        for count in (1_000, 3_000, 10_000, 30_000):
            for verb in ("validate", "plan"):
                yield Row(
                    group="Linear in cells",
                    name=f"{verb} a new {shape} of {count:,}",
                    work=Probe(words=flow(verb, FILE), project=Project(shape, count), state=State.NEW),
                    floor=BARE,
                    cells=count,
                    repeat=3,
                )


def _waits() -> Iterator[Row]:
    group = "Waiting, times the shortest possible, inside the run: floor bare asyncio"
    for kind, project, name, target in (
        ("waits", Project("wide", 200), "200 calls of 0.2 s at 50", "≤ 1.03"),
        ("uneven", Project("uneven", 6), "an uneven diamond of 6 × 6", "≤ 1.03"),
        ("beside", Project("beside", 10), "a chain of 10 behind 40 others, at 5", "≤ 1.03"),
        ("quota", Project("wide", QUOTA), f"{QUOTA:,} calls of 0.1 s at 256", "≤ 1.3"),
    ):
        yield Row(
            group=group,
            name=name,
            unit=Unit.TIMES,
            work=Probe(words=inside("waiting", kind), project=project, state=State.NEW, printed=True),
            floor=Probe(words=inside("floor-waiting", kind), printed=True),
            target=target,
        )
    tiny = Served(1_000, 0.1, inline=True)
    yield Row(
        group=group,
        name=f"{QUOTA:,} calls of 0.1 s at 256, over sockets (floor: one httpx client)",
        unit=Unit.TIMES,
        work=Probe(
            words=inside("waiting", "quota"),
            project=Project("wide", QUOTA),
            state=State.NEW,
            printed=True,
            served=tiny,
        ),
        floor=Probe(words=wires("calls", QUOTA, 256), printed=True, served=tiny),
        target="≤ 1.3",
    )


def _shown() -> Iterator[Row]:
    """What people look at, of a thousand cells that are done."""
    project = Project("wide", 1_000)
    for line, state in (
        ("report show.yaml -o report.html", State.DONE),
        ("graph show.yaml", State.DONE),
        ("runs", State.DONE),
        ("diff show.yaml", State.EDITED),
        ("diff show.yaml --format markdown", State.EDITED),
    ):
        work = Probe(words=flow(*line.split()), project=project, state=state)
        yield Row(group="Report and diff of 1,000 cells", name=line, work=work, floor=BARE, cells=1_000)


def _bytes() -> Iterator[Row]:
    """Whole processes; the provider is one of its own on loopback."""
    group = "Bytes, whole process"
    photo = Served(1_500_000)
    work = Probe(words=flow(*_RUN, "64"), project=Project("wide", 500), state=State.NEW, served=photo)
    for floor, slots, name, target in (
        ("threads", 64, "threads of http.client", ""),
        ("client", 64, "one httpx client", "≥ 3"),
    ):
        yield Row(
            group=group,
            name=f"500 downloads of 1.5 MB at 64 (floor: {name})",
            unit=Unit.RATE,
            megabytes=750,
            work=work,
            floor=Probe(words=wires(floor, 500, slots), served=photo),
            target=target,
            repeat=3,
            timeout=LONG,
        )
    yield Row(
        group=group,
        name="500 pictures of 1.5 MB within replies, as b64_json, at 16",
        unit=Unit.RATE,
        megabytes=750,
        work=replace(work, words=flow(*_RUN, "16"), served=Served(1_500_000, inline=True)),
        repeat=3,
        timeout=LONG,
    )
    yield Row(
        group=group,
        name="64 uploads of 4 MB at 8, as data URIs (floor: threads of http.client)",
        unit=Unit.RATE,
        megabytes=256,
        work=Probe(words=flow(*_RUN, "8"), project=Project("edits", 64), state=State.NEW, served=Served(1_000)),
        floor=Probe(words=wires("uploads", 64, 8), project=Project("edits", 64), state=State.NEW, served=Served(1_000)),
        repeat=3,
        timeout=LONG,
    )
    yield Row(
        group=group,
        name="64 downloads of 20 MB at 64",
        unit=Unit.RATE,
        megabytes=1_280,
        work=replace(work, project=Project("wide", 64), served=Served(20_000_000)),
        target="≤ 200 MB",
        repeat=1,
        timeout=LONG,
    )
    yield Row(
        group=group,
        name="2,000 pictures of 0.25 MB at 16, its memory in tenths of its time",
        unit=Unit.RATE,
        megabytes=500,
        work=replace(work, words=flow(*_RUN, "16"), project=Project("wide", 2_000), served=Served(250_000), samples=10),
        target="as flat as can be",
        repeat=1,
        timeout=LONG,
    )
