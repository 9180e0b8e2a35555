"""The rows of what happens within a run: waits, bytes, and the parts that every cell goes through."""

from collections.abc import Iterator
from dataclasses import replace

from .inside import QUOTA
from .places import Project, State
from .probes import LONG, RUN, Probe, Row, flow, inside, micro, wires
from .servers import Served
from .table import Unit


def waited() -> Iterator[Row]:
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
        yield Row(
            group=group,
            name=f"{name}, without flowrunner: what has to be durable",
            unit=Unit.TIMES,
            work=Probe(words=inside("kept-waiting", kind), project=project, state=State.NEW, printed=True),
            floor=Probe(words=inside("floor-waiting", kind), printed=True),
        )
    tiny = Served(1_000, 0.1, inline=True)
    whole = Probe(words=inside("waiting", "quota"), project=Project("wide", QUOTA), state=State.NEW)
    alone = Probe(words=wires("sent", QUOTA, 256))
    for probe, name in ((whole, "the same over sockets"), (alone, "the same over sockets, only sent")):
        yield Row(
            group=group,
            name=f"{name} (floor: one httpx client)",
            unit=Unit.TIMES,
            work=replace(probe, printed=True, served=tiny),
            floor=Probe(words=wires("calls", QUOTA, 256), printed=True, served=tiny),
            target="≤ 1.3",
            repeat=3,
        )


def carried() -> Iterator[Row]:
    """Whole processes; the provider is one of its own on loopback."""
    group = "Bytes, whole process"
    photo = Served(1_500_000)
    work = Probe(words=flow(*RUN, "64"), project=Project("wide", 500), state=State.NEW, served=photo)
    alone = Probe(words=wires("own", 500, 64), served=photo)
    for probe, name, floor, under, target in (
        (alone, "500 downloads of 1.5 MB at 64, hashed, to disk", "threads", "threads of http.client", ""),
        (alone, "the same", "client", "one httpx client, asked by 64 at a time", ""),
        (alone, "the same", "pool", "one httpx client of 64 connections, asked by all at once", "≥ 3"),
        (work, "a run at 64 with these downloads", "pool", "the same client", ""),
    ):
        yield Row(
            group=group,
            name=f"{name} (floor: {under})",
            unit=Unit.RATE,
            megabytes=750,
            work=probe,
            floor=Probe(words=wires(floor, 500, 64), served=photo),
            target=target,
            repeat=3,
            timeout=LONG,
        )
    yield Row(
        group=group,
        name="500 pictures of 1.5 MB within replies, as b64_json, at 16",
        unit=Unit.RATE,
        megabytes=750,
        work=replace(work, words=flow(*RUN, "16"), served=Served(1_500_000, inline=True)),
        repeat=3,
        timeout=LONG,
    )
    yield Row(
        group=group,
        name="64 uploads of 4 MB at 8, as data URIs (floor: threads of http.client)",
        unit=Unit.RATE,
        megabytes=256,
        work=Probe(words=flow(*RUN, "8"), project=Project("edits", 64), state=State.NEW, served=Served(1_000)),
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
        work=replace(work, words=flow(*RUN, "16"), project=Project("wide", 2_000), served=Served(250_000), samples=10),
        target="as flat as can be",
        repeat=1,
        timeout=LONG,
    )


def parts() -> Iterator[Row]:
    for part, name in (
        ("yaml", "YAML with positions, a step at 10,000 (floor: CSafeLoader, gc off)"),
        ("request", "a request checked (floor: jsonschema, compiled once)"),
        ("template", "a template rendered (floor: jinja2, compiled once)"),
        ("record", "an intent made durable, 50 in flight (floor: SQLite, WAL, FULL, a commit each)"),
    ):
        yield Row(
            group="Parts",
            name=name,
            unit=Unit.MICROSECONDS,
            work=Probe(words=micro(part), printed=True),
            floor=Probe(words=micro(f"{part}-floor"), printed=True),
        )
