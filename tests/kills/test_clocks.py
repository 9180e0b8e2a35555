"""Clocks that jump: what is paid, what is kept and who holds a lock does not go by them."""

import subprocess
import sys
from pathlib import Path

import kill_project
import pytest
from kill_servers import Counted, provider

YEAR = 365 * 24 * 3600
CELLS = 12
# The clock is moved before anything is imported that could keep a reference to the right one.
PROGRAM = """
import sys, time
real, ahead, drift = time.time, float(sys.argv[1]), float(sys.argv[2])
calls = iter(range(10**9))
time.time = lambda: real() + ahead + drift * next(calls)
from flowrunner import cli
sys.exit(cli.main(sys.argv[3:]))
"""


def at(seconds: float, folder: Path, counted: Counted, *words: str, drift: float = 0.0) -> str:
    """A command whose clock is wrong by so many seconds, and goes wrong by `drift` more each time it is read."""
    line = [sys.executable, "-c", PROGRAM, str(seconds), str(drift), *words]
    environment = kill_project.environment(folder, counted.origin, simulated=False)
    ended = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("far", [10 * YEAR, -10 * YEAR])
def test_a_clock_that_jumps_changes_nothing_that_is_paid(tmp_path: Path, far: float) -> None:
    folder = kill_project.make(tmp_path / "project", CELLS)
    with provider() as counted:
        at(far, folder, counted, "run", "show.yaml", "--only", "scene/n0", "--only", "frame/n1")
        assert counted.posts.total() == 3
        at(0, folder, counted, "run", "show.yaml", "--only", "scene", drift=-far / 1000)
        at(-far, folder, counted, "store", "gc")
        at(far, folder, counted, "run", "show.yaml")
        at(-far, folder, counted, "run", "show.yaml")
        at(far, folder, counted, "store", "gc")
        assert "12 reused" in at(0, folder, counted, "run", "show.yaml")
    assert (counted.posts.total(), len(counted.posts)) == (CELLS, CELLS)
    stands = kill_project.found(folder)
    assert (stands["problems"], stands["damage"], stands["unknown"]) == ([], [], 0)
