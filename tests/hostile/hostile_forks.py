"""A warm flowrunner that answers each command line in a fork of its own, under limits of the kernel.

Run as a program it reads one JSON document a line (`words`, `cwd`, `environment`) and answers with one: how the fork
ended, the CPU seconds and the memory that it took, and what it wrote. Nothing of one command is left for the next.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CPU_S = 6
"""Where the kernel ends a fork: it may take two, and three times as much where others share the processor's cores."""
MEMORY = 1024 * 1024 * 1024
"""Address space; what is really used is counted."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """`code` is an exit code, or a signal's number below zero; `memory` in MiB, with what the warm process takes."""

    code: int
    cpu: float
    memory: float
    shown: str


class Forks:
    """The warm process."""

    def __init__(self) -> None:
        words = [*_alone(), sys.executable, __file__]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment
        )

    def run(self, cwd: Path, words: list[str], environment: Mapping[str, str]) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        asked = {"words": words, "cwd": str(cwd), "environment": {"HOME": "/nonexistent", **environment}}
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate(timeout=60)


def _alone() -> tuple[str, ...]:
    """What takes the network away from a program, where this machine can."""
    for words in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    return ()


def _child(asked: Mapping[str, Any], shown: int) -> None:
    from flowrunner import cli

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdout = sys.stderr = open(shown, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    code = cli.main(asked["words"])
    sys.stdout.flush()
    os._exit(code)


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    shown = os.memfd_create("shown")
    child = os.fork()
    if child == 0:
        try:
            _child(asked, shown)
        finally:
            os._exit(70)
    _, status, used = os.wait4(child, 0)
    with os.fdopen(shown, "rb") as file:
        file.seek(0)
        text = file.read().decode("utf-8", "backslashreplace")
    return {
        "code": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss / 1024,
        "shown": text,
    }


def _serve() -> None:
    import jsonschema  # noqa: F401  # loaded once, as is all else that commands load late
    import networkx as nx  # noqa: F401
    import yaml  # noqa: F401

    from flowrunner import cli, jinja, project  # noqa: F401
    from flowrunner.catalog import load

    for command in cli.COMMANDS:
        cli.module_of(command)
    load.load()
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(_answer(json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
