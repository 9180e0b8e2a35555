"""What is durable before what: the intent before the first byte of a POST, the receipt before its download."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import kill_project
import pytest
from kill_servers import provider

CELLS = 8


def state(ledger: Path, call: str) -> str:
    """How far the ledger knows an attempt, as another process sees it."""
    with closing(sqlite3.connect(ledger)) as rows:
        found = rows.execute("SELECT state FROM calls WHERE client_request_id = ?", (call,)).fetchall()
    return ", ".join(row[0] for row in found)


def ran(folder: Path, origin: str, *before: str) -> None:
    line = [*before, sys.executable, "-m", "flowrunner", *kill_project.words(simulated=False)]
    environment = kill_project.environment(folder, origin, simulated=False)
    subprocess.run(line, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)


def test_an_intent_is_there_when_a_post_arrives_and_a_receipt_when_its_picture_is_asked_for(tmp_path: Path) -> None:
    folder = kill_project.make(tmp_path / "project", CELLS)
    ledger = folder / ".flowrunner" / "ledger.db"
    seen: list[str] = []
    with provider(
        on_post=lambda call: seen.append(f"POST {state(ledger, call)}"),
        on_get=lambda call: seen.append(f"GET {state(ledger, call)}"),
    ) as counted:
        ran(folder, counted.origin)
    assert sorted(seen) == ["GET replied"] * CELLS + ["POST intent"] * CELLS


class Disk:
    """What of the ledger's log has reached the disk, as a trace tells it: what was written before a sync began, once
    that sync has come back."""

    def __init__(self) -> None:
        self.durable = ""
        self._written = ""
        self._syncing: dict[str, str] = {}

    def take(self, process: str, call: str, rest: str) -> None:
        if call == "pwrite64":
            self._written += rest
        elif "resumed>" in rest:
            self._synced(process)
        else:
            self._syncing[process] = self._written
            if "<unfinished" not in rest:
                self._synced(process)

    def _synced(self, process: str) -> None:
        self.durable = max(self.durable, self._syncing.pop(process, ""), key=len)


def sent(trace: Path) -> Iterator[tuple[str, str, str]]:
    """Each POST with its id and each GET with its path, and what was durable when its first byte left."""
    disk = Disk()
    line = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)[( ](.*)")
    for text in trace.read_text(errors="replace").splitlines():
        if (found := line.match(text)) is None:
            continue
        process, call, rest = found.groups()
        if call in ("sendto", "sendmsg", "write"):
            if request := re.search(r'"POST .*?X-Client-Request-Id: (\w+)', rest):
                yield "POST", request[1], disk.durable
            elif request := re.search(r'"GET /(\w+)', rest):
                yield "GET", request[1], disk.durable
        elif "ledger.db-wal>" in rest or "resumed>" in rest:
            disk.take(process, call, rest)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_each_intent_is_synced_before_its_first_byte_leaves_and_each_receipt_before_its_download(
    tmp_path: Path,
) -> None:
    folder, trace = kill_project.make(tmp_path / "project"), tmp_path / "trace"
    calls = "trace=pwrite64,fsync,fdatasync,sendto,sendmsg"
    with provider() as counted:
        ran(folder, counted.origin, "strace", "-f", "-y", "-s", "5000", "-e", calls, "-o", str(trace))
    seen = list(sent(trace))
    assert Counter(what for what, _, _ in seen) == {"POST": kill_project.CELLS, "GET": kill_project.CELLS}
    # The id of a call stands in its intent, the name of its picture in its receipt: nowhere else by then.
    assert [what for what, name, durable in seen if name not in durable] == []
