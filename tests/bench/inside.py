"""What is measured within one process of the clean environment: `python -m bench.inside NAME ARGUMENT…`.

A measure prints its figure on the last line. Those called floor do the same work without flowrunner.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from pathlib import Path

from .bare import Calls, Kept, Waits, Walk
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
    return _took(dag, seconds.__getitem__, SLOTS[name], Waits()) / shortest(name)


def kept_waiting(name: str) -> float:
    """The same, with all that has to be durable about each call."""
    dag, seconds = timed(name)
    return _took(dag, seconds.__getitem__, SLOTS[name], Kept(_folder())) / shortest(name)


def floor_run(shape: str, cells: str) -> None:
    """As many steps as a run has, doing nothing."""
    _took(_dag(shape, cells), lambda _: 0.0, 50, Waits())


def kept_run(shape: str, cells: str) -> None:
    """The same, with all that has to be durable about each call."""
    _took(_dag(shape, cells), lambda _: 0.0, 1 if shape == "chain" else 50, Kept(_folder()))


def _dag(shape: str, cells: str) -> Dag:
    return {"chain": chain, "wide": wide}[shape](int(cells))


def _took(dag: Dag, seconds: Callable[[str], float], slots: int, calls: Calls) -> float:
    begin = time.perf_counter()
    asyncio.run(Walk(dag, seconds, calls).through(slots))
    return time.perf_counter() - begin


def _folder() -> Path:
    """A new one, on the same disk; it stays, for to remove many files makes the next ones slow."""
    return next(folder for number in count() if not (folder := Path(f"bare-{number}")).exists())


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
    "kept-waiting": kept_waiting,
    "floor-run": floor_run,
    "kept-run": kept_run,
    "core": core,
}

if __name__ == "__main__":
    main()
