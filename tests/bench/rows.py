"""The rows of the table, as literally as can be: what is run, where, beside which floor, and what is hoped for."""

from collections.abc import Iterator

from flowrunner.cli import COMMANDS

from .places import FILE, STARTED, Project, State
from .probes import BARE, LONG, Probe, Row, flow, inside
from .working import carried, parts, waited


def rows() -> Iterator[Row]:
    """All of them, in the order of the table; what a row leaves behind serves the next."""
    yield from _starts()
    yield from _commands()
    for count in (3, 1_000, 10_000):
        for shape in ("chain", "wide", "matrix"):
            yield from _cells(Project(shape, count))
    yield from _larger()
    yield from _shown()
    yield from waited()
    yield from carried()
    yield from parts()


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
                codes=(1,) if verb == "schema" else (0,),
                warm=verb != "accept",  # what is accepted is not accepted again
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
    if count == 1_000 and shape != "matrix":
        yield _kept(project, group)
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


def _kept(project: Project, group: str) -> Row:
    """What of that no runner can leave out."""
    shape, count = project.shape, project.cells
    return Row(
        group=group,
        name=f"the same without flowrunner, only what has to be durable: {shape} (floor: bare asyncio)",
        work=Probe(words=inside("kept-run", shape, str(count)), project=project, state=State.NEW),
        floor=Probe(words=inside("floor-run", shape, str(count))),
        cells=count,
        repeat=3,
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
