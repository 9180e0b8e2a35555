"""Runs that are killed anywhere: what was settled is not paid again, what may have been billed is known, nothing is
damaged."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any

import kill_project
import pytest
from kill_project import CELLS, CONCURRENCY
from kill_servers import Counted, provider, simulator

HERE = Path(__file__).parent
PROGRAM = HERE / "kill_runs.py"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where there is one: a process that dies leaves the same there as on a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def sound(one: dict[str, Any]) -> None:
    """What holds after every death."""
    assert one["problems"] == [], one
    assert one["damage"] == [], one
    assert one["unknown"] <= CONCURRENCY, one


def paid_once(counted: Counted, calls: dict[str, list[str]], cells: int = CELLS) -> None:
    """Each POST has its attempt, and after one that was answered there is no other."""
    assert len(calls) == cells
    for call, states in calls.items():
        assert states[-1] == "committed", states
        assert set(states[:-1]) <= {"unknown"}, states
        assert 1 <= counted.posts[call] <= len(states), states
    assert set(counted.posts) <= set(calls)


def told(document: dict[str, Any]) -> set[str]:
    """The cells of a run that it says may have been billed; and each of them says so itself."""
    unknown = {cell["cell"] for cell in document["cells"] if cell["status"] == "unknown"}
    assert set(document["maybe_billed"]) == unknown
    return unknown


def ended(documents: list[dict[str, Any]]) -> None:
    """In peace, with what may have been billed paid anew, and with nothing left to do."""
    first, second, third = documents
    assert first["status"] == ("failed" if told(first) else "done")
    assert (second["status"], third["status"]) == ("done", "done")
    assert bool(second["paid_calls"]) == bool(told(first))
    assert third["paid_calls"] == 0


def deaths(place: Path, counted: Counted, mode: str, many: int, seed: int) -> int:
    """Lets the program kill runs, and holds what must hold after each; how many died."""
    line = [sys.executable, str(PROGRAM), str(place), counted.origin, mode, str(many), str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    died = 0
    locks: set[str] = set()
    documents: list[dict[str, Any]] = []
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdin
        assert process.stdout
        for one in map(json.loads, process.stdout):
            if "end" in one:
                paid_once(counted, one["end"]["calls"])
                ended(documents)
                locks.add(one["end"]["lock"])
            elif "ready" not in one:
                sound(one)
                died += one.get("died", False)
                documents += [one["document"]] if "document" in one else []
                continue
            documents.clear()
            counted.posts.clear()
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    assert len(locks) == 1
    return died


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "server", "many"), [("simulated", simulator, 130), ("live", provider, 70)])
def test_a_run_may_be_killed_anywhere(
    place: Path, mode: str, server: type[AbstractContextManager[Counted]], many: int
) -> None:
    with server() as counted:
        assert deaths(place, counted, mode, many, seed=1) == many


SYSTEM_CALLS = {
    "pwrite64": 120,
    "fdatasync": 20,
    "fsync": 10,
    "link": 3,
    "rename": 4,
    "unlink": 4,
    "sendto": 15,
    "recvfrom": 15,
}
"""Kinds, and before which of them a run dies at the latest."""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_may_be_killed_in_the_middle_of_the_ledger_s_own_writing(place: Path, seed: int) -> None:
    """Before a system call, where no wrapper of Python's reaches: inside SQLite, for one."""
    random = Random(seed)
    died = []
    with provider() as counted:
        folder = kill_project.make(place / "project")
        environment = kill_project.environment(folder, counted.origin, simulated=False)
        line = [sys.executable, "-m", "flowrunner", *kill_project.words(simulated=False)]
        for call, latest in SYSTEM_CALLS.items():
            strike = f"inject={call}:signal=KILL:when={random.randint(1, latest)}"
            kill = ["strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", strike]
            ended = subprocess.run([*kill, *line], cwd=folder, env=environment, check=False, capture_output=True)
            died.append(ended.returncode < 0)
            sound(kill_project.found(folder))
        subprocess.run([*line, "--on-unknown=resend"], cwd=folder, env=environment, check=True, capture_output=True)
        paid_once(counted, kill_project.end(folder, simulated=False)["calls"])
    assert sum(died) >= 6
