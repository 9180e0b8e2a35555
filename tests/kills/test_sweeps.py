"""`store gc` in a loop, without a grace, beside whole runs: nothing that a lock or a run needs goes, and no call is
paid for twice; also where runs, or sweeps, are killed again and again."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kill_project
import kill_sweeps
import pytest
from kill_servers import Counted, provider, simulator
from support import cli

from flowrunner.project import open_project
from flowrunner.store.objects import Objects

PROGRAM = Path(__file__).parent / "kill_sweeps.py"
ROUNDS = 3
STEADY, MOVING = ("steady", "also-steady"), "moving"
CELLS = 6
"""Of each pipeline; those of the two that do not change are the same requests."""
pytestmark = pytest.mark.slow


def make(folder: Path) -> Path:
    kill_project.make(folder, CELLS)
    text = (folder / "show.yaml").read_text()
    (folder / "show.yaml").unlink()
    for name in (*STEADY, MOVING):
        (folder / f"{name}.yaml").write_text(text)
    return folder


def edit(folder: Path, number: int) -> None:
    """Other prompts than ever before: what they replace is needed by nothing."""
    text = (folder / f"{STEADY[0]}.yaml").read_text()
    for word in ("Lamp", "Frame"):
        text = text.replace(f'"{word} ', f'"{word} {number} ')
    (folder / f"{MOVING}.yaml").write_text(text)


@contextmanager
def sweeping(folder: Path, way: str) -> Iterator[Counter[str]]:
    """Sweeps meanwhile; afterwards it is known how often what happened."""
    line = [sys.executable, str(PROGRAM), str(folder), way, "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    counts: Counter[str] = Counter()
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdin
        assert process.stdout
        while "ready" not in process.stdout.readline():
            assert process.poll() is None
        try:
            yield counts
        finally:
            process.stdin.write("\n")
            process.stdin.close()
            told = json.loads(process.stdout.readlines()[-1])
    assert told.pop("wrong") == []
    counts.update(told)


def begun(folder: Path, name: str, environment: dict[str, str], words: Sequence[str]) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "flowrunner", "run", f"{name}.yaml", "--concurrency=3", "--format=json", *words]
    return subprocess.Popen(line, cwd=folder, env=environment, stdout=-1, stderr=-1, text=True)


def all_done(runs: Sequence["subprocess.Popen[str]"]) -> int:
    """The calls that they paid for."""
    told = [run.communicate(timeout=120) for run in runs]
    documents = [json.loads(out) for out, _ in told]
    assert [(one["status"], one["maybe_billed"]) for one in documents] == [("done", [])] * len(runs), told
    return sum(int(one["paid_calls"]) for one in documents)


def killed(folder: Path, environment: dict[str, str], words: Sequence[str], after: int) -> None:
    """A run of the changed pipeline that ends when it has so many pictures, before its lock names one of them."""
    run = begun(folder, MOVING, environment, words)
    assert run.stderr
    while after:
        line = run.stderr.readline()
        assert line, "it came to its end"
        after -= line.startswith("done")
    run.send_signal(signal.SIGKILL)
    run.communicate()


def whole(folder: Path) -> None:
    """Nothing is damaged, and all that any lock names is here and sound."""
    found = kill_project.found(folder)
    assert (found["problems"], found["damage"], found["open"]) == ([], [], 0)
    workspace = open_project(folder).workspace
    digests = {digest for lock in workspace.lock_files() for digest in lock.digests()}
    images = {one.sha256 for lock in workspace.lock_files() for one in _images(lock.read()[0])}
    assert images <= digests
    objects = Objects(workspace.store)
    assert images
    assert {digest for digest in images if not objects.is_sound(digest)} == set()


def _images(lock: Any) -> Iterator[Any]:
    for cell in lock.cells.values():
        for sample in cell.samples:
            yield from sample.images


def attempts(folder: Path) -> Counter[str]:
    """How the attempts of all runs ended."""
    with open_project(folder).workspace.ledger(create=False) as ledger:
        records = [ledger.run(record.id) for record in ledger.runs()]
    return Counter(one.state.value for record in records if record is not None for one in record.attempts)


def swept_beside(folder: Path, environment: dict[str, str], words: Sequence[str], way: str) -> Counter[str]:
    """Rounds of three runs at once; before each, the changed one is killed once. All that is paid for is paid once."""
    with sweeping(folder, way) as counts:
        for number in range(ROUNDS):
            edit(folder, number)
            killed(folder, environment, words, after=1 + number)
            runs = [begun(folder, name, environment, [*words, "--on-unknown=resend"]) for name in (*STEADY, MOVING)]
            all_done(runs)
        assert all_done([begun(folder, name, environment, words) for name in (*STEADY, MOVING)]) == 0
    return counts


@pytest.mark.parametrize(
    ("mode", "way"), [("live", "whole"), ("live", "killed"), ("served", "whole"), ("in-process", "killed")]
)
def test_sweeps_beside_runs_take_nothing_that_is_needed(tmp_path: Path, mode: str, way: str) -> None:
    folder = make(tmp_path / "project")
    words = [] if mode == "live" else ["--simulate"]
    with (simulator if mode == "served" else provider)() as counted:
        environment = kill_project.environment(folder, counted.origin, simulated=mode != "live")
        if mode == "in-process":
            del environment["AIMLAPI_BASE_URL"]
        counts = swept_beside(folder, environment, words, way)
    whole(folder)
    assert cli(*kill_sweeps.LINE, cwd=folder).exit_code == 0
    whole(folder)
    assert counts["deleted"] > 0, counts
    assert counts["busy"] + counts["killed"] > 0, counts
    assert (way == "killed") == (counts["killed"] > 0), counts
    paid_once(folder, counted, mode)


def paid_once(folder: Path, counted: Counted, mode: str) -> None:
    found = attempts(folder)
    # The reply of a simulator that ended with its process is no use, and the call is simulated anew.
    assert set(found) <= {"committed", "unknown"} | ({"replied"} if mode == "in-process" else set())
    # The requests of both steady pipelines, and in each round those of the changed one.
    assert found["committed"] == CELLS + ROUNDS * CELLS
    if mode == "in-process":
        assert counted.posts == {}
    else:
        assert len(counted.posts) == found["committed"]
        assert counted.posts.total() <= found["committed"] + found["unknown"]
