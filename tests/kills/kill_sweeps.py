"""A program that sweeps a project's store again and again, as `flowrunner store gc` does, until its stdin is closed.

kill_sweeps.py FOLDER whole|killed SEED

Each sweep is a fork, and without a grace: what no lock and no unfinished run needs goes. `killed`: most of them die at
an event of their own. At the end a line of JSON says how often each thing happened.
"""

import contextlib
import io
import json
import os
import select
import sys
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import kill_project
from kill_events import Events
from kill_runs import say

from flowrunner import cli

KINDS = ("open", "rename", "unlink", "mkdir", "link", "flock", "fsync", "close", "execute", "commit")
LINE = ("store", "gc", "--grace=0", "--format=json")
PAUSE = 0.02


def swept(events: Events, out: Path) -> int:
    """A sweep in a fork: how it ended; `out` has its document."""
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 99
        try:
            events.watch()
            text, said = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(said):
                code = cli.main(LINE)
            events.kind = ""
            out.write_text(json.dumps({"seen": events.seen, "said": said.getvalue(), **json.loads(text.getvalue())}))
        except BaseException:  # noqa: BLE001 - this process must not go on as its parent's twin
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def chosen(random: Random, most: Counter[str], *, killed: bool) -> Events:
    """Where the next sweep dies: anywhere in what one may do that has something to do."""
    if not killed or random.random() < 0.3:
        return Events()
    kind = random.choice([kind for kind in KINDS if most[kind]] or ["open"])
    return Events(kind=kind, number=random.randint(1, max(1, most[kind])), after=random.random() < 0.5)


def main(folder: Path, out: Path, random: Random, *, killed: bool) -> None:
    os.chdir(folder)
    environment = kill_project.environment(folder, "http://127.0.0.1:9", simulated=True)
    os.environ.clear()
    os.environ.update(environment)
    cli.main([*LINE, "--dry-run"])  # whatever a sweep imports is imported before the first fork
    counts: Counter[str] = Counter()
    most: Counter[str] = Counter()
    wrong: list[Any] = []
    say({"ready": True})
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        status = swept(chosen(random, most, killed=killed), out)
        told = json.loads(out.read_text()) if out.exists() else {}
        counts["killed"] += status < 0
        counts["busy"] += bool(told.get("busy"))
        counts["whole"] += status == 0
        for fate in ("moved", "deleted", "restored"):
            counts[fate] += told.get(fate, {}).get("files", 0)
        most |= Counter(told.get("seen", {}))
        if status > 0 and not told.get("busy"):
            wrong.append({"status": status, **told})
    say({**counts, "wrong": wrong})


if __name__ == "__main__":
    place, way, seed = sys.argv[1:]
    main(Path(place), Path(place).with_name("sweep.json"), Random(int(seed)), killed=way == "killed")
