import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from command_projects import ANNOYING, CHAIN, FAULTY, LOCAL, PICKED, UNPRICED
from shapes import RUN, fits, several
from support import Result, cli, environment, golden, picture, project

from flowrunner.catalog.load import load
from flowrunner.documents import run_document
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.server import serve
from flowrunner.simulator.wire import Reply

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, {"chain.yaml": CHAIN, "picked.yaml": PICKED})


@contextmanager
def served(*faults: str) -> Iterator[dict[str, str]]:
    """A simulator on loopback whose coming calls meet these mishaps; the environment that leads there."""
    with serve(load(), faults=faults) as origin:
        yield {"AIMLAPI_BASE_URL": origin}


def steady(text: str) -> str:
    """Without what differs from run to run, or with the hand of the simulator: ids, seconds, sizes, digests."""
    text = re.sub(r"\br-[0-9a-f]{4,6}\b", "r-XXXX", text)
    text = re.sub(r" +\d+\.\d s\b", "  0.0 s", text)
    return re.sub(r"\d+ kB  [0-9a-f]{6}\b", "99 kB  abcdef", text)


def ran(folder: Path, line: str, env: dict[str, str] | None = None) -> Result:
    return cli("run", *line.split(), "--concurrency", "1", cwd=folder, env=env)


@pytest.mark.parametrize(("name", "line", "code"), [("run-chain", "chain.yaml", 0), ("run-picked", "picked.yaml", 4)])
def test_a_run_reads_as_it_should(folder: Path, name: str, line: str, code: int) -> None:
    result = ran(folder, f"{line} --simulate")
    assert (result.exit_code, result.err) == (code, "")
    golden(GOLDEN / f"{name}.txt", steady(result.out))


def test_a_second_run_pays_nothing_and_says_what_it_reused(folder: Path) -> None:
    ran(folder, "chain.yaml --simulate")
    result = ran(folder, "chain.yaml --simulate")
    assert result.exit_code == 0
    golden(GOLDEN / "run-again.txt", steady(result.out))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_run_describes_itself_once_for_the_ledger_and_for_whoever_reads_it(folder: Path, form: str) -> None:
    with patch("flowrunner.running.run_document", wraps=run_document) as made:
        assert ran(folder, f"chain.yaml --simulate --format {form}").exit_code == 0
    assert made.call_count == 1


def test_a_run_leaves_the_collector_as_it_was(folder: Path) -> None:
    before = gc.get_freeze_count()
    ran(folder, "chain.yaml picked.yaml --simulate")
    assert gc.isenabled()
    assert gc.get_freeze_count() <= before


def test_a_failed_call_is_told_with_its_price_and_what_to_do(folder: Path) -> None:
    with served("400 at=1") as env:
        result = ran(folder, "chain.yaml --simulate", env)
    assert (result.exit_code, result.err) == (1, "")
    golden(GOLDEN / "run-failed.txt", steady(result.out))


def test_a_call_that_is_turned_away_is_sent_again(folder: Path) -> None:
    with served("429 at=1") as env:
        result = ran(folder, "chain.yaml --simulate", env)
    assert result.exit_code == 0
    assert re.search(r"^retry portrait  .*, again in \d+ s \(1 of 3\)$", result.out, re.MULTILINE)


def test_a_lost_reply_may_have_been_billed_and_is_looked_up_next(folder: Path) -> None:
    with served("drop at=1") as env:
        result = ran(folder, "chain.yaml --simulate", env)
    assert result.exit_code == 1
    assert "aimlapi  may have been billed, up to $0.032, request " in result.out
    assert ", 1 may have been billed; 1 failed, 2 skipped\n" in result.out
    run = re.findall(r"r-[0-9a-f]+", result.out)[0]
    assert result.out.endswith(f"next  flowrunner runs show {run}\n")


def test_what_stops_the_run_is_told_once_and_the_rest_is_counted(folder: Path) -> None:
    with served("credits at=1") as env:
        result = ran(folder, "picked.yaml --simulate", env)
    assert result.out.count("\nfail ") == 1
    assert re.search(r"^left  scene/vase.*  not sent: ", result.out, re.MULTILINE)


def test_machines_get_one_document_and_people_the_lines_on_stderr(folder: Path) -> None:
    result = ran(folder, "picked.yaml --simulate --format json")
    fits(result.json, RUN)
    assert (result.exit_code, result.json["status"]) == (4, "waiting")
    assert result.err.startswith("run   r-")


def test_several_pipelines_run_one_after_another(folder: Path) -> None:
    result = ran(folder, ". --simulate --format json")
    fits(result.json, several(RUN))
    assert result.exit_code == 4
    assert [found["status"] for found in result.json["pipelines"]] == ["done", "waiting"]
    cost = "6 calls, simulated $0.107100, 0 may have been billed"
    assert result.err.endswith(f"\nall   2 pipelines: 1 done, 1 waiting (picked.yaml); {cost}\n")


def test_machines_are_told_of_pipelines_that_were_not_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flowrunner.commands.session.Session.run", interrupted)
    result = ran(folder, "chain.yaml picked.yaml --simulate --format json")
    told = [(found["pipeline"], found["status"]) for found in result.json["pipelines"]]
    assert (result.exit_code, told) == (130, [("chain.yaml", "interrupted"), ("picked.yaml", "refused")])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("chain.yaml faulty.yaml picked.yaml", "promt"),
        ("chain.yaml absent.yaml", "absent.yaml"),
        ("chain.yaml picked.yaml --force dressed", "dressed names no cell"),
        ("chain.yaml picked.yaml --only scene", "scene names no cell"),
        ("chain.yaml picked.yaml -i season=winter", "season"),
    ],
)
def test_of_several_pipelines_none_is_begun_while_one_of_them_cannot_be_run(folder: Path, line: str, why: str) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = ran(folder, f"{line} --simulate")
    assert (result.exit_code, result.out) == (2, "")
    assert why in result.err
    assert "Nothing was sent, nothing was paid.\n" in result.err
    assert cli("runs", cwd=folder).out == "nothing has run here yet\n"


def test_a_pipeline_that_is_not_begun_for_another_ones_fault_is_told_so(folder: Path) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = ran(folder, "chain.yaml faulty.yaml --simulate --format json")
    fits(result.json, several(RUN))
    assert [found["status"] for found in result.json["pipelines"]] == ["refused", "refused"]
    said = "not begun, since faulty.yaml of the same command cannot be run"
    assert result.json["pipelines"][0]["error"]["message"] == said
    assert result.err.endswith(f"left  chain.yaml  {said}\n")


@pytest.mark.parametrize(
    ("line", "env", "why"),
    [
        ("", {"AIMLAPI_BASE_URL": "http://api.example"}, "AIMLAPI_BASE_URL is not https"),
        ("", {"AIMLAPI_PROXY": "ftp://proxy.example"}, "AIMLAPI_PROXY is not an origin"),
        ("--simulate", {"AIMLAPI_BASE_URL": "localhost"}, "AIMLAPI_BASE_URL is not an origin"),
    ],
)
def test_no_run_begins_that_could_not_reach_its_provider(
    folder: Path, line: str, env: dict[str, str], why: str
) -> None:
    result = cli("run", "chain.yaml", *line.split(), cwd=folder, env={"AIMLAPI_API_KEY": "sk-0123456789", **env})
    assert (result.exit_code, result.out) == (2, "")
    assert f"error: {why}" in result.err
    assert result.err.endswith("\nNothing was sent, nothing was paid.\n")
    assert cli("runs", cwd=folder).out == "nothing has run here yet\n"


@pytest.mark.parametrize(
    ("line", "env", "why", "following"),
    [
        ("chain.yaml", {}, "AIMLAPI_API_KEY is not set, and portrait needs aimlapi", "run chain.yaml --simulate"),
        ("chain.yaml --frozen", {}, "3 of 3 cells are not in chain.lock.yaml", "run chain.yaml"),
        ("chain.yaml --max-usd 0.01", {}, "the limit of this run is $0.01", "plan chain.yaml --cells --max-usd 0.01"),
        ("chain.yaml --max-calls 1", {}, "2 calls are needed", "plan chain.yaml --cells --max-calls 1"),
        ("unpriced.yaml --max-usd 1", {}, "nobody has told the price", "run unpriced.yaml --allow-unpriced="),
        (
            "chain.yaml",
            {"AIMLAPI_API_KEY": "a b"},
            "AIMLAPI_API_KEY holds a character that no key has",
            "plan chain.yaml",
        ),
    ],
)
def test_a_refusal_says_that_nothing_was_paid_and_what_to_call_next(
    folder: Path, line: str, env: dict[str, str], why: str, following: str
) -> None:
    project(folder, {"unpriced.yaml": UNPRICED})
    result = cli("run", *line.split(), cwd=folder, env=env)
    assert (result.exit_code, result.out) == (3, "")
    assert result.err.startswith("refused: ")
    assert why in result.err
    assert f"\nNothing was sent, nothing was paid.\nnext  flowrunner {following}" in result.err


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("chain.yaml", 3, "AIMLAPI_API_KEY is not set"),
        ("faulty.yaml", 2, "problems"),
        ("absent.yaml", 2, "absent.yaml does not exist"),
        ("chain.yaml --only nothing", 2, "nothing names no cell"),
    ],
)
def test_machines_are_told_of_a_refusal_in_the_shape_of_a_run(folder: Path, line: str, code: int, message: str) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = cli("run", *line.split(), "--format", "json", cwd=folder)
    fits(result.json, RUN)
    assert (result.exit_code, result.json["status"], result.json["run"]) == (code, "refused", None)
    assert message in result.json["error"]["message"]


def test_local_operations_are_free_and_need_no_key(tmp_path: Path) -> None:
    picture(project(tmp_path, {"local.yaml": LOCAL}) / "photo.png")
    result = ran(tmp_path, "local.yaml")
    assert result.exit_code == 0
    assert re.search(r"^done  small  \d+\.\d s  free  32x24 png", result.out, re.MULTILINE)
    assert result.out.endswith("next  git add local.lock.yaml\n")


def test_paths_are_those_of_the_folder_where_the_command_runs(folder: Path) -> None:
    (folder / "below").mkdir()
    result = cli("run", "../chain.yaml", "--simulate", cwd=folder / "below")
    assert f"made  hero  1 picture  {folder}/outputs/simulated/chain/hero.png\n" in result.out
    assert result.out.endswith("next  flowrunner plan ../chain.yaml\n")


def test_the_next_command_takes_no_pipeline_for_an_option(folder: Path) -> None:
    project(folder, {"-dash.yaml": CHAIN})
    assert cli("plan", "./-dash.yaml", cwd=folder).out.endswith("flowrunner run ./-dash.yaml\n")
    assert ran(folder, "./-dash.yaml --simulate").out.endswith("flowrunner plan ./-dash.yaml\n")


def test_the_next_command_means_the_same_inputs(folder: Path) -> None:
    project(folder, {"asks.yaml": PICKED.replace("steps:", "inputs: {season: {}}\nsteps:"), "it's.yaml": "season: x\n"})
    result = ran(folder, "asks.yaml -i season=a&b --simulate")
    assert result.out.endswith("next  flowrunner pick asks.yaml scene/lamp N --why \"…\" -i 'season=a&b' --simulate\n")
    result = ran(folder, "asks.yaml --inputs it's.yaml --simulate")
    assert "--inputs 'it'\"'\"'s.yaml' --simulate\n" in result.out


def test_a_live_run_that_a_simulator_answered_is_not_suggested_again(folder: Path) -> None:
    with served() as env:
        result = ran(folder, "chain.yaml", {**env, "AIMLAPI_API_KEY": "k" * 20})
    assert "the reply comes from a simulator, and this is a live run" in result.out
    assert result.out.endswith("next  flowrunner run chain.yaml --simulate\n")


@pytest.mark.parametrize(
    ("gone", "note"),
    [
        (["portrait"], "1 picture is locked but not here; its copy is left out"),
        (["portrait", "dressed"], "2 pictures are locked but not here; their copies are left out"),
    ],
)
def test_copies_that_cannot_be_made_are_counted(folder: Path, gone: list[str], note: str) -> None:
    cells = ran(folder, "chain.yaml --simulate --format json").json["cells"]
    for cell in (cell for cell in cells if cell["cell"] in gone):
        (kept,) = (folder / ".flowrunner").rglob(f"{cell['images'][0]['sha256'][2:]}*")
        kept.unlink()
    shutil.rmtree(folder / "outputs")
    assert f"note  {note}\n" in ran(folder, "chain.yaml --simulate").out


def test_after_a_simulated_run_the_same_inputs_and_limits_are_planned_in_earnest(folder: Path) -> None:
    project(folder, {"asks.yaml": CHAIN.replace("steps:", "inputs: {season: {}}\nsteps:"), "in.yaml": "season: x\n"})
    for given in ("-i season=x", "--inputs in.yaml --max-usd 5.00"):
        result = ran(folder, f"asks.yaml {given} --simulate")
        assert result.out.endswith(f"next  flowrunner plan asks.yaml {given}\n")


def test_text_from_outside_reaches_no_terminal_as_it_is(folder: Path) -> None:
    project(folder, {"bad.yaml": ANNOYING})
    for form in ("text", "json"):
        result = ran(folder, f"bad.yaml --simulate --format {form}")
        assert result.exit_code == 4
        assert not set("\x1b\x07\u202e") & set(result.out + result.err)


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_a_run_that_pays(folder: Path) -> None:
    line = f"{sys.executable} -m flowrunner run chain.yaml --simulate | head -1"
    subprocess.run(["bash", "-c", line], cwd=folder, env=environment(folder), capture_output=True, check=True)
    assert (folder / "outputs/simulated/chain/hero.png").exists()


@contextmanager
def slow(latency: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dict[str, str], threading.Event]]:
    """A simulator that takes its time; the event is set when a request has arrived."""
    arrived, real = threading.Event(), Simulator.handle

    def handle(self: Simulator, *request: Any) -> Reply:
        arrived.set()
        time.sleep(latency)
        return real(self, *request)

    monkeypatch.setattr(Simulator, "handle", handle)
    with served() as env:
        yield env, arrived


def interrupted(
    folder: Path, env: dict[str, str], arrived: threading.Event, *more: str, times: int
) -> tuple[int, str, str]:
    """A run that is interrupted once its first call has arrived: exit code, facts, and what is for machines."""
    words = [sys.executable, "-m", "flowrunner", "run", "chain.yaml", "--simulate", *more]
    lines = []
    with subprocess.Popen(
        words, cwd=folder, env=environment(folder, env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert arrived.wait(60)
        os.kill(process.pid, signal.SIGINT)
        for line in process.stderr if more else process.stdout:
            lines.append(line)
            if "again to stop" in line and times > 1:
                os.kill(process.pid, signal.SIGINT)
        rest = process.stdout.read()
    return process.returncode, "".join(lines), rest


@pytest.mark.slow
def test_an_interrupt_lets_the_call_under_way_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(0.5, monkeypatch) as (env, arrived):
        code, out, _ = interrupted(folder, env, arrived, times=1)
    assert code == 130
    assert "note  finishing 1 call in flight; again to stop at once\n" in out
    assert "end   interrupted  1 call, simulated $0.031500, 0 may have been billed; 2 not tried\n" in out
    assert out.endswith("next  flowrunner run chain.yaml --simulate\n")


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_and_the_ledger_knows_what_was_under_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(20, monkeypatch) as (env, arrived):
        begun = time.monotonic()
        code, out, _ = interrupted(folder, env, arrived, times=2)
    assert (code, time.monotonic() - begun < 15) == (130, True)
    assert "end   interrupted  1 call, simulated $0.000000, 1 may have been billed\n" in out
    run = re.findall(r"r-[0-9a-f]+", out)[0]
    shown = cli("runs", "show", run, cwd=folder)
    assert "look for X-Client-Request-Id" in shown.out


@pytest.mark.slow
def test_a_second_interrupt_leaves_machines_with_every_cell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(20, monkeypatch) as (env, arrived):
        code, _, out = interrupted(folder, env, arrived, "--format", "json", times=2)
    document = json.loads(out)
    cells = [(cell["cell"], cell["status"]) for cell in document["cells"]]
    assert (code, document["status"], document["maybe_billed"]) == (130, "interrupted", ["portrait"])
    assert cells == [("portrait", "unknown"), ("dressed", "pending"), ("small", "pending")]


def test_results_may_lie_above_the_project(folder: Path) -> None:
    inner = project(folder / "inner", {"chain.yaml": CHAIN})
    assert cli("run", "chain.yaml", "--simulate", "--output", "../shown", cwd=inner).exit_code == 0
    assert (folder / "shown" / "portrait.png").is_file()


@pytest.mark.parametrize(
    ("blocked", "told"),
    [
        (
            "hero.png/x",
            "/hero.png cannot be written: Is a directory; remove the folder that lies there, or name another",
        ),
        ("", "/chain cannot be made: Not a directory; remove the file that lies in its way, or name another"),
    ],
)
def test_what_lies_in_the_way_of_results_is_told_once_and_another_folder_suggested(
    folder: Path, blocked: str, told: str
) -> None:
    place = folder / "outputs/simulated/chain"
    (place / blocked).parent.mkdir(parents=True)
    (place / blocked).touch()
    result = ran(folder, "chain.yaml --simulate")
    assert result.exit_code == 1
    assert f"{told} folder for the results with --output\n" in result.out
    notes = [line for line in result.out.splitlines() if line.startswith("note")]
    assert len(notes) == len(set(notes))
    assert result.out.endswith("\nnext  flowrunner run chain.yaml --simulate --output DIR\n")
    assert ran(folder, "chain.yaml --simulate --output shown").exit_code == 0


def test_files_of_others_in_a_named_folder_suggest_another_one(folder: Path) -> None:
    project(folder, {"mine/hero.png": "a note"})
    result = ran(folder, "chain.yaml --simulate --output mine")
    assert (result.exit_code, "and stays; move it, or name another folder\n" in result.out) == (1, True)
    assert result.out.endswith("\nnext  flowrunner run chain.yaml --simulate --output DIR\n")


def test_a_disk_that_is_full_suggests_the_same_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Any, *more: Any, **options: Any) -> int:
        if "/outputs/" in str(path):
            raise OSError(28, "No space left on device")
        return real(path, *more, **options)

    monkeypatch.setattr(os, "open", full)
    result = ran(folder, "chain.yaml --simulate")
    assert (result.exit_code, "free some space and run the same command again" in result.out) == (1, True)
    assert result.out.endswith("\nnext  flowrunner run chain.yaml --simulate\n")


@pytest.mark.parametrize("option", [[], ["--output", "outputs"]])
def test_where_a_link_leads_the_results_out_of_the_project_nothing_is_sent(folder: Path, option: list[str]) -> None:
    inner = project(folder / "inner", {"chain.yaml": CHAIN})
    (inner / "outputs").symlink_to(folder)
    result = cli("run", "chain.yaml", "--simulate", *option, cwd=inner)
    assert (result.exit_code, "leads out of" in result.err) == (3, True)
    assert "\nNothing was sent, nothing was paid.\nnext  flowrunner run chain.yaml" in result.err


def test_a_hostile_file_name_reaches_no_terminal_as_it_is(folder: Path) -> None:
    project(folder, {"in/a\x1b[31m\u202e.yaml": PICKED})
    for line in (["plan", "in"], ["run", "in", "--simulate"], ["pick", "in", "--simulate"], ["validate", "in"]):
        result = cli(*line, cwd=folder)
        assert not set("\x1b\u202e") & set(result.out + result.err)


def test_a_store_that_cannot_be_written_ends_a_run_with_what_was_paid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowrunner.errors import StoreError
    from flowrunner.store.objects import Objects

    def full(_: Objects, data: bytes) -> str:
        raise StoreError(f"no room for {len(data)} bytes", "free some space")

    monkeypatch.setattr(Objects, "put", full)
    result = cli("run", "chain.yaml", "--simulate", cwd=folder)
    assert result.exit_code == 1
    assert "no room for" in result.out + result.err


@pytest.mark.parametrize("left", [None, "no database " * 999])
def test_a_run_whose_ledger_is_gone_or_spoiled_does_not_say_that_nothing_was_paid(
    folder: Path, monkeypatch: pytest.MonkeyPatch, left: str | None
) -> None:
    from flowrunner import running

    def gone(*_: object) -> None:
        shutil.rmtree(folder / ".flowrunner")
        if left is not None:
            project(folder, {".flowrunner/ledger.db": left})
        raise ValueError("two and two")

    monkeypatch.setattr(running.Run, "_ended", gone)
    result = cli("run", "chain.yaml", "--simulate", "--format", "json", cwd=folder)
    assert (result.exit_code, result.json["status"], result.json["paid_usd"]) == (1, "failed", None)
    assert result.err.endswith("\nThe ledger can no longer tell of this run: what it has paid is not known.\n")


def test_a_bug_in_the_middle_of_a_run_says_what_was_paid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowrunner import running

    def broken(*_: object) -> None:
        raise ValueError("two and two")

    monkeypatch.setattr(running.Run, "_ended", broken)
    result = cli("run", "chain.yaml", "--simulate", "--format", "json", cwd=folder)
    assert (result.exit_code, result.json["status"]) == (1, "failed")
    assert (result.json["paid_calls"], result.json["paid_usd"], result.json["maybe_billed"]) == (2, "0.0567", [])
    assert {cell["status"] for cell in result.json["cells"]} == {"done"}
    assert "this is a bug in flowrunner: ValueError: two and two\n" in result.err
    assert "\n2 calls, simulated $0.056700, 0 may have been billed: flowrunner runs show r-" in result.err
    assert result.err.endswith("\nnext  flowrunner run chain.yaml --simulate\n")
