"""Disks that fill, fail or cannot be written: nothing is paid that could not be written down, and nothing is lost."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kill_project
import pytest
from kill_servers import provider
from support import cli

from flowrunner.store import spare
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps, Intent, Receipt

PROGRAM = Path(__file__).parent / "kill_faults.py"
CELLS = 8
MB = 1024 * 1024


def ran(folder: Path, origin: str, *more: str, limits: Callable[[], None] | None = None) -> Any:
    line = [sys.executable, "-m", "flowrunner", *kill_project.words(simulated=False), *more]
    environment = kill_project.environment(folder, origin, simulated=False)
    return subprocess.run(
        line, cwd=folder, env=environment, preexec_fn=limits, capture_output=True, text=True, check=False
    )


def paid_once(posts: Counter[str], end: dict[str, Any]) -> None:
    """No POST without its intent, and none after one that was answered."""
    assert set(posts) <= set(end["calls"])
    for call, states in end["calls"].items():
        unknown = states.count("unknown")
        assert states[-1] == "committed", states
        assert set(states[:-1]) <= {"unknown", "failed"}, states
        assert 1 <= posts[call] <= 1 + unknown, states


@pytest.mark.slow
def test_a_disk_that_fails_anywhere_loses_nothing_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    line = [sys.executable, str(PROGRAM), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    struck = ends = 0
    with ExitStack() as stack:
        counted = stack.enter_context(provider())
        line += [counted.origin, str(CELLS)]
        process = stack.enter_context(
            subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        )
        assert process.stdin
        assert process.stdout
        for one in map(json.loads, process.stdout):
            if "failed" in one:
                assert (one["problems"], one["damage"]) == ([], []), one
                struck += one["status"] != 0
                # It is told with the path, and is no bug.
                assert one["status"] == 0 or str(tmp_path) in one["err"] or one["document"]["maybe_billed"], one
                assert "bug in flowrunner" not in one["err"], one
                continue
            if "end" in one:
                ends += 1
                paid_once(counted.posts, one["end"])
            counted.posts.clear()
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    assert (ends, struck > 40) == (16, True)


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_a_run_which_goes_on_later(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, which Python hears of as EFBIG: the ledger's log passes it somewhere in the run."""
    folder = kill_project.make(tmp_path / "project")

    def limit() -> None:  # just room for the ledger's spare file; the log of a whole run takes about twice that
        resource.setrlimit(resource.RLIMIT_FSIZE, (MB, MB))

    with provider() as counted:
        ended = ran(folder, counted.origin, limits=limit)
        assert ended.returncode == 1, ended.stderr
        assert str(folder / ".flowrunner" / "ledger.db") in ended.stderr
        assert 0 < len(counted.posts) < kill_project.CELLS
        found = kill_project.found(folder)
        assert (found["problems"], found["damage"]) == ([], [])
        ran(folder, counted.origin)
        assert ran(folder, counted.origin, "--on-unknown=resend").returncode == 0
        paid_once(counted.posts, kill_project.end(folder, simulated=False))


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes, where one may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> None:
    """Every byte that is free."""
    with (place / "other").open("wb", buffering=0) as file:
        for size in (MB, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError as fault:
                if fault.errno != errno.ENOSPC:
                    raise


def intent(run: str) -> Intent:
    return Intent(
        run=run,
        cell="a",
        key="a" * 64,
        provider="aimlapi",
        model="m",
        attempt=1,
        estimate=1,
        client_request_id="a",
    )


def test_a_reply_is_kept_on_a_disk_that_is_full(crowded: Path) -> None:
    with Ledger.open(crowded / "store") as ledger:
        call = ledger.reserve(intent(ledger.begin(pipeline="s", name="s", simulated=False)), Caps())
        assert isinstance(call, int)
        fill(crowded)
        ledger.replied(Receipt(call=call, status=200, headers={}, body=bytes(500_000)))
        kept = ledger.receipt("a" * 64, simulated=False)
    assert kept is not None
    assert len(kept.body) == 500_000
    assert (crowded / "store" / "spare").stat().st_size == 0


def test_of_a_reply_that_is_too_large_for_a_full_disk_all_is_kept_but_its_body(crowded: Path) -> None:
    with Ledger.open(crowded / "store") as ledger:
        call = ledger.reserve(intent(ledger.begin(pipeline="s", name="s", simulated=False)), Caps())
        assert isinstance(call, int)
        fill(crowded)
        receipt = Receipt(call=call, status=200, headers={"date": "now"}, body=bytes(2 * MB), request_id="theirs")
        assert not ledger.replied(receipt)
        kept = ledger.receipt("a" * 64, simulated=False)
    assert kept is not None
    assert (kept.status, kept.headers, kept.body, kept.request_id) == (200, {"date": "now"}, b"", "theirs")


@pytest.mark.slow
def test_a_run_without_its_spare_does_not_begin(crowded: Path) -> None:
    folder = kill_project.make(crowded / "project", CELLS)
    with provider() as counted:
        (crowded / "most").write_bytes(bytes(2 * MB + MB // 2))
        ended = ran(folder, counted.origin)
    assert (ended.returncode, counted.posts) == (1, {})
    assert (
        f"{folder}/.flowrunner/spare cannot be written: No space left on device ({spare.SIZE:,} bytes)" in ended.stderr
    )


def test_without_room_for_the_pictures_nothing_is_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kill_project.make(tmp_path / "project", CELLS)
    real = os.statvfs(tmp_path)
    fields = [real.f_bsize, 1, real.f_blocks, 5_000_000, 5_000_000, *real[5:]]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    with provider() as counted:
        environment = kill_project.environment(folder, counted.origin, simulated=False)
        result = cli("run", "show.yaml", cwd=folder, env=environment)
    assert (result.exit_code, counted.posts) == (3, {})
    assert f"{folder}/.flowrunner cannot be written: No space left on device: " in result.out
    assert "MB are needed, 5.0 MB are free" in result.out


def test_a_picture_that_cannot_be_kept_stops_the_run_and_is_not_paid_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kill_project.make(tmp_path / "project", CELLS)
    with provider() as counted, monkeypatch.context() as patch:
        environment = kill_project.environment(folder, counted.origin, simulated=False)

        def full(*_: object) -> None:
            raise OSError(errno.EDQUOT, "quota")

        patch.setattr(os, "link", full)
        first = cli("run", "show.yaml", "--concurrency=2", cwd=folder, env=environment)
        assert (first.exit_code, counted.posts.total()) == (1, 2)
        assert "Disk quota exceeded" in first.out
        patch.undo()
        again = cli("run", "show.yaml", cwd=folder, env=environment)
    assert (again.exit_code, counted.posts.total(), len(counted.posts)) == (0, CELLS, CELLS)
