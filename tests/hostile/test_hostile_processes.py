"""Giants, and a sample of everything else, in processes of their own: without a network, with little time and memory.

The limits are the kernel's, and generous: whoever exceeds one ends by a signal or by a bug, and neither is allowed.
"""

import os
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from zlib import crc32

import pytest
from hostile_corpus import ENTRIES as FILES
from hostile_corpus import Entry, entries
from hostile_watch import KEYS, check_shown, snapshot

pytestmark = pytest.mark.slow

ENTRIES = entries()
CPU_S = 8
MEMORY = 768 * 1024 * 1024
"""Address space; what is really used is a third of it."""
CHOSEN = [name for name, entry in ENTRIES.items() if entry.parts or entry.made or crc32(name.encode()) % 60 == 0]


@cache
def alone() -> tuple[str, ...]:
    """What takes the network away from a program, where this machine can."""
    for words in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    return ()


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def ended(entry: Entry, path: Path, command: str) -> subprocess.CompletedProcess[str]:
    binding = entry.options if command == "plan" else ()
    words = [*alone(), sys.executable, "-m", "flowrunner", command, path.name, *binding]
    environment = {**KEYS, "PATH": os.environ["PATH"], "PYTHONPATH": str(FILES.parents[2]), "HOME": "/nonexistent"}
    words = [os.fsencode(word.replace("\0", "")) for word in words]  # type: ignore[misc]
    return subprocess.run(
        words,
        cwd=path.parent,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        preexec_fn=limit,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", CHOSEN)
def test_a_hostile_input_ends_in_time_and_within_its_memory(name: str, tmp_path: Path) -> None:
    entry = ENTRIES[name]
    path = entry.plant(tmp_path / "project")
    before = snapshot(path.parent)
    for command in ("validate", "plan"):
        result = ended(entry, path, command)
        assert result.returncode in (0, 2, 3), result.stderr[-2000:]
        check_shown(result.stdout + result.stderr)
    assert snapshot(path.parent) == before
