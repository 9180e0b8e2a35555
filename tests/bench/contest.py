"""The same graphs run by flowrunner and by its peers, in turn, each in an environment of its own."""

import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from .clean import Environment, peer
from .measure import Figure, Part, Took, Unmeasured, checked, in_turn, launch
from .peers import PEERS, VARIABLES, Peer
from .places import FILE, Project, State
from .probes import BARE, LONG, Probe, flow, inside
from .running import Bench
from .table import Unit, shown

STEPS = 1_000


class Work(StrEnum):
    """What everyone is asked to do."""

    VERSION = "--version"
    CHECK = "check 3 steps"
    RUN = f"{STEPS:,} steps"
    AGAIN = "nothing to do"


REPEAT = {Work.VERSION: 5, Work.CHECK: 5, Work.RUN: 3, Work.AGAIN: 3}
FLOORS = {Work.RUN: Probe(words=inside("floor-run", "chain", str(STEPS)))}
_NOTHING = Unmeasured("–")


@dataclass(frozen=True, slots=True)
class Entry:
    """One that is measured, and what runs each work once; what it has no command for is not there."""

    name: str
    parts: Mapping[Work, Part]


def table(bench: Bench, cache: Path, folder: Path) -> str:
    """Everyone's medians, and how many times the floor's they are; what cannot be run at all is told in its row.
    `cache` keeps the environments, `folder` what is run in them."""
    floor = _floor(bench)
    entries = [floor, _core(bench), *_own(bench), *(_peer(bench, one, cache, folder) for one in PEERS)]
    figures = dict(_figures(bench, [entry for entry in entries if isinstance(entry, Entry)]))
    floors = {work: figures[floor.name, work] for work in Work}
    lines = ["## Beside its peers", "", f"| | {' | '.join(Work)} | peak MB |", f"|---|{'---:|' * (len(Work) + 1)}"]
    for entry in entries:
        if isinstance(entry, Entry):
            found = {work: figures.get((entry.name, work), _NOTHING) for work in Work}
            lines.append(row(entry.name, found, floors))
        else:
            lines.append(f"| {entry} |{' |' * (len(Work) + 1)}")
        bench.say(lines[-1])
    return "\n".join(lines) + "\n"


def _figures(bench: Bench, entries: list[Entry]) -> Iterator[tuple[tuple[str, Work], Figure | Unmeasured]]:
    for work in Work:
        takers = [entry for entry in entries if work in entry.parts]
        bench.say(f"{work}: {len(takers)} in turn")
        found = in_turn([entry.parts[work] for entry in takers], bench.repeat or REPEAT[work])
        yield from (((entry.name, work), figure) for entry, figure in zip(takers, found, strict=True))


def row(name: str, figures: Mapping[Work, Figure | Unmeasured], floors: Mapping[Work, Figure | Unmeasured]) -> str:
    fields = (_field(figures[work], floors[work]) for work in Work)
    peak = max((figure.peak_mb for figure in figures.values() if isinstance(figure, Figure)), default=0)
    return f"| {name} | {' | '.join(fields)} | {peak:.0f} |"


def _field(figure: Figure | Unmeasured, floor: Figure | Unmeasured) -> str:
    if isinstance(figure, Unmeasured):
        return str(figure).replace("|", "\\|")
    times = f" ({figure.median / floor.median:.3g}×)" if isinstance(floor, Figure) else ""
    return shown(figure.median, Unit.SECONDS) + times


def _floor(bench: Bench) -> Entry:
    return _entry(bench, "bare Python, bare asyncio", {work: FLOORS.get(work, BARE) for work in Work})


def _core(bench: Bench) -> Entry:
    many = Project("chain", STEPS)
    probes = {
        Work.RUN: Probe(words=inside("core"), project=many, state=State.NEW),
        Work.AGAIN: Probe(words=inside("core"), project=many, warm=True),
    }
    return _entry(bench, "a core: YAML, keys, journal", probes)


def _entry(bench: Bench, name: str, probes: Mapping[Work, Probe]) -> Entry:
    return Entry(name, {work: (partial(bench.once, probe, LONG), bench.seconds) for work, probe in probes.items()})


def _own(bench: Bench) -> Iterator[Entry]:
    """A chain and a wide one. Each step pays a provider in this process that answers at once, and keeps its picture."""
    for shape in ("chain", "wide"):
        three, many = Project(shape, 3), Project(shape, STEPS)
        probes = {
            Work.VERSION: Probe(words=flow("--version")),
            Work.CHECK: Probe(words=flow("validate", FILE), project=three, state=State.NEW),
            Work.RUN: Probe(words=inside("run", FILE, "--concurrency", "50"), project=many, state=State.NEW),
            Work.AGAIN: Probe(words=flow("run", FILE), project=many, warm=True),
        }
        yield _entry(bench, f"**flowrunner**, {shape}", probes)


def _peer(bench: Bench, one: Peer, cache: Path, folder: Path) -> Entry | str:
    bench.say(f"making an environment for {one.name}")
    try:
        environment = peer(cache / one.requires[0], one.requires)
        version = launch(_version(environment, one), cwd=environment.folder, env=environment.variables())
        own = folder / one.requires[0]
        _run(environment, one, one.run, own, 3, fresh=True)  # what is made once, in a home, is there before it counts
    except Unmeasured as reason:
        return f"{one.name}: {reason}"
    parts: dict[Work, Part] = {Work.VERSION: (partial(_run, environment, one, one.version, own, 3), bench.seconds)}
    if one.check:
        parts[Work.CHECK] = (partial(_run, environment, one, one.check, own, 3), bench.seconds)
    parts[Work.RUN] = (partial(_run, environment, one, one.run, own, STEPS, fresh=True), bench.seconds)
    if one.again:
        parts[Work.AGAIN] = (partial(_run, environment, one, one.run, own, STEPS), bench.seconds)
    return Entry(f"{one.name} {version.said.strip()}", parts)


def _version(environment: Environment, one: Peer) -> list[str]:
    line = f"from importlib.metadata import version; print(version({one.requires[0]!r}))"
    return [environment.program("python"), "-c", line]


def _run(environment: Environment, one: Peer, line: str, folder: Path, steps: int, *, fresh: bool = False) -> Took:
    program, *rest = shlex.split(line)
    place = folder / str(steps)
    if fresh:
        shutil.rmtree(place, ignore_errors=True)
    for name, text in {} if place.exists() else one.files(one.graph(steps)).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    env = environment.variables(VARIABLES)
    return checked(launch([environment.program(program), *rest], cwd=place, env=env, timeout=LONG), timeout=LONG)
