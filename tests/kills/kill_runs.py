"""A program that runs the pipeline of 60 cells again and again, and kills each run at an event of its own.

    kill_runs.py FOLDER ORIGIN live|simulated DEATHS SEED

In one project after the other, runs die, each going on with what the last one left, until one comes to its end; then
one runs in peace, one pays anew for what may have been billed, and one finds nothing to do. A line of JSON tells of
each of them, and one of the project; a line on stdin lets the next project begin. Everything is imported once, by the
parent; each run is a fork of it.
"""

import contextlib
import copy
import io
import json
import os
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Self

import kill_project
from kill_events import Events

from flowrunner import cli

KINDS = ("open", "write", "fsync", "link", "rename", "flock", "connect", "send", "recv", "execute", "commit", "close")
RESEND = "--on-unknown=resend"


class Chain:
    """One project and its runs."""

    def __init__(self, folder: Path, origin: str, *, simulated: bool, cells: int = kill_project.CELLS) -> None:
        self.folder = kill_project.make(folder, cells)
        self.simulated = simulated
        self.environment = kill_project.environment(self.folder, origin, simulated=simulated)
        self.words = kill_project.words(simulated=simulated)
        self.out = self.folder / "out.json"
        self.gate = -1
        self.said = ""
        """What the last run wrote to stderr."""

    def beside(self, out: str, gate: int) -> Self:
        """The same project for another process, which tells in a file of its own and waits at a gate."""
        twin = copy.copy(self)
        twin.out, twin.gate = self.folder / out, gate
        return twin

    def run(self, events: Events, *more: str) -> tuple[int, dict[str, Any]]:
        """A run in a fork: how it ended (below 0: by that signal), and its document; `events` has what it saw."""
        out = self.out
        out.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = self._within(events, out, more)
            except BaseException:  # noqa: BLE001 - this process must not go on as its parent's twin
                traceback.print_exc()
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = json.loads((out.read_text() if out.exists() else "") or '{"document": {}, "seen": {}, "said": ""}')
        events.seen, self.said = Counter(told["seen"]), told["said"]
        return status, told["document"]

    def _within(self, events: Events, out: Path, more: tuple[str, ...]) -> int:
        events.watch()
        try:
            code, document = self.told(*more)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        except KeyboardInterrupt:  # it came when the run had ended
            code, document = 130, {}
        events.kind = ""
        out.write_text(json.dumps({"document": document, "seen": events.seen, "said": self.said}))
        return code

    def told(self, *more: str) -> tuple[int, dict[str, Any]]:
        """A run in this process."""
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        text, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(said):
            code = cli.main([*self.words, *more])
        self.said = said.getvalue()
        return code, json.loads(text.getvalue() or "{}")

    def die(self, random: Random, usual: Counter[str], number: int) -> bool:
        """One run that is killed somewhere in what it does; whether it was, for it may end before that."""
        kind = KINDS[number % len(KINDS)]
        most = max(2, usual[kind] // random.choice((4, 8, 16, 32)))
        events = Events(kind=kind, number=random.randint(1, most), after=random.random() < 0.5)
        status, _ = self.run(events, *([RESEND] if number % 5 == 4 else []))
        self.tell({"died": status < 0, "status": status, "at": f"{'after' if events.after else 'at'} {kind} {most}"})
        return status < 0

    def end(self) -> None:
        """Three runs that nobody kills."""
        for more in ([], [RESEND], []):
            status, document = self.run(Events(), *more)
            self.tell({"status": status, "document": document})
        say({"end": self.ended()})

    def ended(self) -> dict[str, Any]:
        return kill_project.end(self.folder, simulated=self.simulated)

    def tell(self, what: dict[str, Any]) -> None:
        say({**what, **kill_project.found(self.folder)})


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def main(folder: Path, origin: str, mode: str, deaths: int, seed: int) -> None:
    random = Random(seed)
    simulated = mode == "simulated"
    # Whatever a run imports is imported before the first fork.
    Chain(folder / "first", origin, simulated=simulated).told()
    usual = Events()
    Chain(folder / "usual", origin, simulated=simulated).run(usual)
    say({"ready": True})
    died = tried = number = 0
    while died < deaths and sys.stdin.readline():
        number += 1
        chain = Chain(folder / f"chain-{number}", origin, simulated=simulated)
        ended = 0
        while died < deaths and ended < 2:
            tried += 1
            lived = not chain.die(random, usual.seen, tried)
            died, ended = died + (not lived), ended + lived
        chain.end()


if __name__ == "__main__":
    place, base, way, many, chance = sys.argv[1:]
    main(Path(place), base, way, int(many), int(chance))
