"""A pipeline of 60 small paid cells, and what can be said of its project when a run of it has died."""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from flowrunner.call import Billed
from flowrunner.digest import sha256
from flowrunner.project import open_project
from flowrunner.store.findings import Severity
from flowrunner.store.fsck import check
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Attempt, State

CELLS, CONCURRENCY = 60, 4
SHOW = """\
flowrunner: 1
provider: aimlapi
axes:
  n: [{}]
steps:
  scene:
    across: n
    model: blackforestlabs/flux-2
    with: {{prompt: "Lamp {{{{ axis.n.id }}}}", image_size: {{width: 512, height: 512}}}}
  frame:
    across: n
    model: blackforestlabs/flux-2-edit
    with: {{prompt: "Frame {{{{ axis.n.id }}}}", image_urls: [$scene], image_size: {{width: 512, height: 512}}}}
"""


def make(folder: Path, cells: int = CELLS) -> Path:
    """The project with its pipeline `show.yaml`."""
    folder.mkdir(parents=True)
    (folder / "flowrunner.toml").touch()
    (folder / "show.yaml").write_text(SHOW.format(", ".join(f"n{number}" for number in range(cells // 2))))
    return folder


def environment(folder: Path, origin: str, *, simulated: bool) -> dict[str, str]:
    key = {} if simulated else {"AIMLAPI_API_KEY": "sk-live-0123456789abcdef"}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "AIMLAPI_BASE_URL": origin, **key}


def words(*, simulated: bool) -> list[str]:
    """The command line of a run."""
    line = ["run", "show.yaml", f"--concurrency={CONCURRENCY}", "--format=json"]
    return [*line, "--simulate"] if simulated else line


def found(folder: Path) -> dict[str, Any]:
    """How a store stands: what is wrong with it, how many calls of one run, and of the last one, nobody knows the fate
    of, and how many are left open."""
    workspace = open_project(folder).workspace
    problems = [problem.message for lock in workspace.lock_files() for problem in lock.read()[1]]
    findings = check(workspace.store, workspace.lock_files())
    damage = [f"{one.kind}: {one.message}" for one in findings if one.severity is not Severity.INFO]
    with workspace.ledger(create=False) as ledger:
        runs = _runs(ledger)
    unknown = [sum(one.billed is Billed.MAYBE and one.state is not State.REPLIED for one in run) for run in runs]
    left = sum(one.state in (State.INTENT, State.SENT) for run in runs for one in run)
    most, last = max(unknown, default=0), unknown[0] if unknown else 0
    return {"problems": problems, "damage": damage, "unknown": most, "last_unknown": last, "open": left}


def end(folder: Path, *, simulated: bool) -> dict[str, Any]:
    """The states of all attempts of each call in order, by the id that its provider sees; and the lock's digest."""
    states: dict[str, list[str]] = defaultdict(list)
    with open_project(folder).workspace.ledger(create=False) as ledger:
        for one in sorted((one for run in _runs(ledger) for one in run), key=lambda one: one.id):
            states[one.client_request_id].append(one.state)
    return {"calls": states, "lock": sha256(lock_path(folder, simulated=simulated).read_bytes())}


def lock_path(folder: Path, *, simulated: bool) -> Path:
    return folder / (".flowrunner/simulated/show.lock.yaml" if simulated else "show.lock.yaml")


def _runs(ledger: Ledger) -> list[tuple[Attempt, ...]]:
    """The attempts of every run, as `runs show` lists them."""
    records = (ledger.run(record.id) for record in ledger.runs())
    return [record.attempts for record in records if record is not None]
