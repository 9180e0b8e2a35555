"""Many processes on one store: each call is paid once, nobody waits for ever, and the dead hold nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import kill_project
import pytest
from kill_project import CELLS
from kill_servers import provider, simulator

PROGRAM = Path(__file__).parent / "kill_many.py"
PROCESSES, ROUNDS = 8, 3


@pytest.mark.slow
def test_eight_processes_pay_for_sixty_cells_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    locks, ended = set(), 0
    with simulator() as counted:
        line = [sys.executable, str(PROGRAM), str(tmp_path), counted.origin, str(PROCESSES), str(ROUNDS)]
        with subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdin
            assert process.stdout
            for one in map(json.loads, process.stdout):
                if "status" in one:
                    ended += 1
                    assert one["status"] == 0, one
                    continue
                if "end" in one:
                    assert len(counted.posts) == CELLS
                    assert set(counted.posts.values()) == {1}
                    assert (one["problems"], one["damage"], one["unknown"], one["open"]) == ([], [], 0, 0)
                    assert all(states == ["committed"] for states in one["end"]["calls"].values())
                    locks.add(one["end"]["lock"])
                counted.posts.clear()
                process.stdin.write("\n")
                process.stdin.flush()
    assert (process.returncode, ended, len(locks)) == (0, PROCESSES * ROUNDS, 1)


@pytest.mark.slow
def test_whoever_waits_for_the_key_of_a_dead_process_goes_on_and_does_not_send_its_call_again(tmp_path: Path) -> None:
    folder = kill_project.make(tmp_path / "project", cells=2)
    arrived, answer = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        arrived.set()
        answer.wait(60)

    with provider(on_post=hold) as counted:
        line = [sys.executable, "-m", "flowrunner", *kill_project.words(simulated=False)]
        environment = kill_project.environment(folder, counted.origin, simulated=False)
        holds = subprocess.Popen(
            line, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert arrived.wait(60)
        waits = subprocess.Popen(
            line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert waits.stderr
        assert waits.stdout
        said = waits.stderr.readline()  # what it is about to pay for: now it asks for the key
        time.sleep(0.5)
        assert waits.poll() is None
        holds.send_signal(signal.SIGKILL)
        document, rest = waits.communicate(timeout=60)
        answer.set()
        holds.wait()
    assert counted.posts.total() == 1, said + rest
    assert json.loads(document)["maybe_billed"] == ["scene/n0"]
