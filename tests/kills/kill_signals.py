"""A program that interrupts runs at events of their own, once or twice, and tells of each in a line of JSON.

kill_signals.py FOLDER ORIGIN INTERRUPTS SEED
"""

import os
import signal
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

from kill_events import Events
from kill_runs import KINDS, Chain, say

from flowrunner.jobs import Stop


def interrupt(number: int, again: float | None) -> None:
    os.kill(os.getpid(), number)
    if again is not None:
        timer = threading.Timer(again, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()


class Watched(Events):
    """Also notes each POST that leaves after the run was told to stop."""

    late: Path

    def watch(self) -> None:
        super().watch()
        stopped: list[str] = []
        real, watched = Stop.request, self

        def request(self: Stop, reason: str) -> None:
            stopped.append(reason)
            real(self, reason)

        Stop.request = request  # type: ignore[method-assign]
        plain = self.event

        def event(kind: str, do: Any, *values: Any, **options: Any) -> Any:
            if kind == "send" and stopped and bytes(values[1]).startswith(b"POST"):
                watched.late.write_text("a POST left after the interrupt")
            return plain(kind, do, *values, **options)

        self.event = event  # type: ignore[method-assign]


def main(folder: Path, origin: str, many: int, seed: int) -> None:
    random = Random(seed)
    Chain(folder / "first", origin, simulated=True, cells=24).told()
    usual = Events()
    Chain(folder / "usual", origin, simulated=True, cells=24).run(usual)
    done = project = 0
    while done < many:
        project += 1
        chain = Chain(folder / f"chain-{project}", origin, simulated=True, cells=24)
        for number in range(12):
            kind = random.choice(KINDS)
            again = random.random() / 10 if number % 3 == 2 else None
            sent = random.choice((signal.SIGINT, signal.SIGTERM))
            events = Watched(
                kind=kind,
                number=random.randint(1, max(2, usual.seen[kind] // 6)),
                strike=lambda sent=sent, again=again: interrupt(sent, again),  # type: ignore[misc]
            )
            events.late = chain.folder / "late"
            status, document = chain.run(events)
            done += status == 130
            began, late = bool(document.get("run")), events.late.exists()
            chain.tell({"status": status, "began": began, "late": late, "twice": again is not None})
        chain.end()
    say({"interrupted": done})


if __name__ == "__main__":
    place, base, many_, chance = sys.argv[1:]
    main(Path(place), base, int(many_), int(chance))
