"""What is measured within one process of the clean environment: `python -m bench.inside NAME ARGUMENT…`.

A measure prints its figure on the last line. Those called floor do the same work without flowrunner.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from .dags import Dag, beside, chain, longest, uneven, wide

SLOTS = {"waits": 50, "uneven": 16, "beside": 5, "quota": 256}
QUOTA = 1_024
"""Calls of 0.1 s, four for each slot."""


def main() -> None:
    name, *rest = sys.argv[1:]
    found = MEASURES[name](*rest)
    if found is not None:
        print(found)


def run(*words: str) -> None:
    """`flowrunner run`, against a provider in this process that answers at once."""
    from flowrunner.cli import main as command_line

    from .instant import Provider

    with Provider().installed():
        code = command_line(["run", *words])
    if code:
        sys.exit(code)


def waiting(name: str) -> float:
    """A run whose calls take their time, from its first moment to the last cell's end, times the shortest possible."""
    from flowrunner import api
    from flowrunner.events import Begun, Done, Event

    from .instant import Provider

    _, seconds = timed(name)
    moments: list[float] = []

    def emit(event: Event) -> None:
        if isinstance(event, Begun | Done):
            moments.append(time.perf_counter())

    served = os.environ["AIMLAPI_BASE_URL"].startswith("http:")
    with nullcontext() if served else Provider(latency=lambda body: seconds[body["prompt"]]).installed():
        api.run(Path("show.yaml"), emit=emit, concurrency=SLOTS[name])
    return (moments[-1] - moments[0]) / shortest(name)


def floor_waiting(name: str) -> float:
    """The same waits in bare asyncio."""
    dag, seconds = timed(name)
    begin = time.perf_counter()
    asyncio.run(_walked(dag, seconds.__getitem__, SLOTS[name]))
    return (time.perf_counter() - begin) / shortest(name)


def floor_run(shape: str, count: str) -> None:
    """As many steps as a run has, doing nothing."""
    dag = {"chain": chain, "wide": wide}[shape](int(count))
    asyncio.run(_walked(dag, lambda _: 0.0, 50))


def core() -> None:
    """What no runner can leave out: the steps read, a key for each that holds those of its needs, and a journal."""
    import gc
    import hashlib
    import json
    import sqlite3

    from yaml import CSafeLoader, load

    gc.disable()
    steps = load(Path("show.yaml").read_bytes(), CSafeLoader)["steps"]
    keys: dict[str, str] = {}
    for name, step in steps.items():
        needs = [keys[image[1:]] for image in step["with"].get("image_urls", ())]
        keys[name] = hashlib.sha256(json.dumps([step, needs], sort_keys=True).encode()).hexdigest()
    journal = sqlite3.connect("core.db", isolation_level=None)
    journal.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    journal.execute("CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY)")
    known = {key for (key,) in journal.execute("SELECT key FROM done")}
    left = [key for key in keys.values() if key not in known]
    for at in range(0, len(left), SLOTS["waits"]):
        journal.execute("BEGIN")
        journal.executemany("INSERT INTO done VALUES (?)", [(key,) for key in left[at : at + SLOTS["waits"]]])
        journal.execute("COMMIT")


async def _walked(dag: Dag, seconds: Callable[[str], float], slots: int) -> None:
    """A free slot takes the ready node with the longest way still to go."""
    ways = longest(dag, seconds)
    behind: dict[str, list[str]] = {name: [] for name in dag}
    for name, needs in dag.items():
        for need in needs:
            behind[need].append(name)
    left = {name: len(needs) for name, needs in dag.items()}
    ready: asyncio.PriorityQueue[tuple[float, str]] = asyncio.PriorityQueue()

    async def work() -> None:
        while True:
            _, name = await ready.get()
            await asyncio.sleep(seconds(name))
            for following in behind[name]:
                left[following] -= 1
                if not left[following]:
                    ready.put_nowait((-ways[following], following))
            ready.task_done()

    for name, count in left.items():
        if not count:
            ready.put_nowait((-ways[name], name))
    workers = [asyncio.create_task(work()) for _ in range(slots)]
    await ready.join()
    for worker in workers:
        worker.cancel()


def timed(name: str) -> tuple[Dag, dict[str, float]]:
    """A graph and the seconds of each of its nodes."""
    match name:
        case "waits":
            return wide(200), dict.fromkeys(wide(200), 0.2)
        case "quota":
            return wide(QUOTA), dict.fromkeys(wide(QUOTA), 0.1)
        case "uneven":
            return uneven()
        case _:
            return beside()


def shortest(name: str) -> float:
    """The seconds below which nobody can be: the longest way, or all the work shared by the slots."""
    dag, seconds = timed(name)
    return max(*longest(dag, seconds.__getitem__).values(), sum(seconds.values()) / SLOTS[name])


MEASURES: dict[str, Callable[..., float | None]] = {
    "run": run,
    "waiting": waiting,
    "floor-waiting": floor_waiting,
    "floor-run": floor_run,
    "core": core,
}

if __name__ == "__main__":
    main()
