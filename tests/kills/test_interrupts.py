"""Interrupts at any moment: nothing more is sent, what is under way is awaited or known as perhaps billed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_project import CONCURRENCY
from kill_servers import simulator

PROGRAM = Path(__file__).parent / "kill_signals.py"


def told(folder: Path, origin: str, many: int) -> Iterator[dict[str, Any]]:
    line = [sys.executable, str(PROGRAM), str(folder), origin, str(many), "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    yield from map(json.loads, ended.stdout.splitlines())


@pytest.mark.slow
def test_an_interrupt_at_any_moment_sends_nothing_more_and_leaves_all_in_order(tmp_path: Path) -> None:
    with simulator() as counted:
        lines = list(told(tmp_path, counted.origin, 50))
    for one in (line for line in lines if "late" in line):
        assert not one["late"], one
        # It may have come when all was done: then the run ends as it would have.
        # One that was only about to tell again what was said before is ended as any program.
        assert one["status"] in (130, 0, 1) or (one["status"] == -signal.SIGTERM and not one["began"]), one
        assert (one["problems"], one["damage"], one["open"]) == ([], [], 0), one
        assert one["unknown"] <= CONCURRENCY, one
        # What was under way was awaited, unless somebody asked twice. A run that did not begin is not the last one.
        assert one["twice"] or not one["began"] or one["last_unknown"] == 0, one
    assert lines[-1]["interrupted"] >= 50
    for end in (line["end"] for line in lines if "end" in line):
        assert all(states[-1] == "committed" for states in end["calls"].values())
        assert all(set(states[:-1]) <= {"unknown", "failed"} for states in end["calls"].values())
