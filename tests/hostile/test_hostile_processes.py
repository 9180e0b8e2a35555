"""Giants, and a sample of everything else, in processes of their own: without a network, with little time and memory.

What is refused, and what is taken with up to a thousand cells, takes two seconds of CPU and 256 MiB at most.
"""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hostile_corpus import Entry, entries
from hostile_forks import CPU_S, Ended, Forks
from hostile_giants import GIANTS
from hostile_watch import KEYS, check_shown, snapshot

pytestmark = pytest.mark.slow

ENTRIES = entries()
MEMORY = 256
CHOSEN = [name for name, entry in ENTRIES.items() if entry.parts or entry.made or crc32(name.encode()) % 60 == 0]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    warm = Forks()
    yield warm
    warm.close()


def check_ended(ended: Ended) -> None:
    assert ended.code in (0, 1, 2, 3), ended
    assert "bug in flowrunner" not in ended.shown
    assert ended.cpu < CPU_S
    assert ended.memory < MEMORY
    check_shown(ended.shown)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_hostile_input_ends_in_time_and_within_its_memory(name: str, tmp_path: Path, forks: Forks) -> None:
    entry = ENTRIES[name]
    path = entry.plant(tmp_path / "project")
    before = snapshot(path.parent)
    for command in ("validate", "plan"):
        check_ended(forks.run(path.parent, [command, path.name, *_options(entry, command)], KEYS))
    assert snapshot(path.parent) == before


def _options(entry: Entry, command: str) -> list[str]:
    return [word.replace("\0", "") for word in entry.options] if command == "plan" else []


@pytest.mark.parametrize("name", GIANTS)
def test_a_giant_ends_in_time_and_within_its_memory(name: str, tmp_path: Path, forks: Forks) -> None:
    target = GIANTS[name]()(tmp_path)
    check_ended(forks.run(tmp_path, ["plan", target], KEYS))
