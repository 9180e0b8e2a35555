"""What is durable before what: the intent before the first byte of a POST, the receipt before its download."""

import re
import shutil
import sqlite3
import subprocess
import sys
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


def calls(trace: Path) -> Iterator[tuple[str, str]]:
    """The system calls of a trace that matter: `write` and `sync` of the ledger's log, `POST` and `GET`."""
    line = re.compile(r"\d+ +(\w+)\((.*)")
    for text in trace.read_text(errors="replace").splitlines():
        found = line.match(text)
        if found is None:
            continue
        name, rest = found.groups()
        if name in ("sendto", "write", "sendmsg") and (sent := re.search(r'"(POST|GET) ', rest)):
            yield sent[1], text
        elif "ledger.db-wal>" in rest:
            yield {"pwrite64": "write", "fdatasync": "sync", "fsync": "sync"}[name], text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_each_intent_is_synced_before_its_first_byte_leaves_and_each_receipt_before_its_download(
    tmp_path: Path,
) -> None:
    folder, trace = kill_project.make(tmp_path / "project"), tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-s", "16", "-e", "trace=pwrite64,fsync,fdatasync,sendto,sendmsg", "-o", str(trace)]
    with provider() as counted:
        ran(folder, counted.origin, *strace)
    unsynced, syncs, sent = False, 0, {"POST": 0, "GET": 0}
    for what, text in calls(trace):
        if what in sent:
            # One sync for each POST that was begun and each reply that came, before what follows from it.
            assert not unsynced, text
            sent[what] += 1
            assert syncs >= sent["POST"] + sent["GET"], text
        else:
            unsynced, syncs = what == "write", syncs + (what == "sync")
    assert sent == {"POST": kill_project.CELLS, "GET": kill_project.CELLS}
