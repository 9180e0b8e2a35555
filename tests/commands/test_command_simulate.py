import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command_projects import CHAIN
from support import cli, environment, project


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_serves_logs_requests_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    project(tmp_path, {"chain.yaml": CHAIN})
    words = [sys.executable, "-m", "flowrunner", "simulate"]
    env = environment(tmp_path)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        origin = server.stdout.readline().split()[1]
        assert server.stdout.readline() == f"export AIMLAPI_BASE_URL={origin}\n"
        result = cli("run", "chain.yaml", "--simulate", cwd=tmp_path, env={"AIMLAPI_BASE_URL": origin})
        os.kill(server.pid, number)
        log, errors = server.stdout.read(), server.stderr.read()
    assert (result.exit_code, server.returncode, errors) == (0, 0, "")
    assert [line.split()[0] for line in log.splitlines() if line[:4] in ("POST", "GET ")] == [
        "POST",
        "GET",
        "POST",
        "GET",
    ]


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = cli("simulate", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert (result.exit_code, result.out) == (2, "")
    assert "cannot be used" in result.err
