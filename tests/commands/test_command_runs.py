import re
from pathlib import Path

import pytest
from command_projects import CHAIN
from shapes import RUN, RUNS, fits
from support import cli, golden, project

from flowrunner.catalog.load import load
from flowrunner.commands import runs
from flowrunner.simulator.server import serve
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps, Intent, Receipt, RunStatus

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run that lost a reply."""
    made = project(tmp_path_factory.mktemp("runs"), {"chain.yaml": CHAIN})
    with serve(load(), faults=["drop at=2"]) as origin:
        cli("run", "chain.yaml", "--simulate", cwd=made, env={"AIMLAPI_BASE_URL": origin})
    return made


def run_of(folder: Path) -> str:
    return str(cli("runs", "--format", "json", cwd=folder).json["runs"][0]["run"])


def steady(text: str) -> str:
    text = re.sub(r"\br-[0-9a-f]{4,6}\b", "r-XXXX", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\dZ)?", "2026-01-01 12:00", text)
    return re.sub(r"\b[0-9a-f]{32}\b", "0" * 32, text)


def test_runs_are_listed_with_what_they_cost(folder: Path) -> None:
    golden(GOLDEN / "runs.txt", steady(cli("runs", cwd=folder).out))


def test_a_run_is_shown_with_its_calls_and_where_to_look_for_a_doubtful_one(folder: Path) -> None:
    golden(GOLDEN / "runs-show.txt", steady(cli("runs", "show", run_of(folder), cwd=folder).out))


def cut_off(folder: Path) -> str:
    """A run that ended when a reply was kept, and before anything was done with it."""
    with Ledger.open(folder / ".flowrunner") as ledger:
        run = ledger.begin(pipeline="chain.yaml", name="chain", simulated=False)
        names = {"cell": "dressed", "key": "k", "provider": "aimlapi", "model": "flux", "client_request_id": "mine"}
        call = ledger.reserve(Intent(run=run, attempt=1, estimate=31_500_000, **names), Caps())
        assert isinstance(call, int)
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}"))
        ledger.finish(run, RunStatus.INTERRUPTED)
    return run


def test_a_call_that_was_answered_and_not_read_is_no_doubtful_one(tmp_path: Path) -> None:
    run = cut_off(project(tmp_path, {"chain.yaml": CHAIN}))
    golden(GOLDEN / "runs-show-unread.txt", steady(cli("runs", "show", run, cwd=tmp_path).out))
    shown = cli("runs", "show", run, "--format", "json", cwd=tmp_path).json
    assert (shown["paid_calls"], shown["maybe_billed"]) == (1, [])
    assert cli("runs", "--format", "json", cwd=tmp_path).json["runs"][0]["maybe_billed"] == 0


def test_machines_get_the_promised_shapes(folder: Path) -> None:
    fits(cli("runs", "--format", "json", cwd=folder).json, RUNS)
    shown = cli("runs", "show", run_of(folder), "--format", "json", cwd=folder).json
    fits(shown, RUN)
    assert shown["maybe_billed"] == ["dressed"]
    assert [call["billed"] for call in shown["calls"]] == ["yes", "maybe"]


SEVERAL = CHAIN.replace(
    "{model: blackforestlabs/flux-2-pro,", "{model: blackforestlabs/flux-2-pro, variants: 2, pick: first,"
)


def test_the_samples_of_a_cell_are_numbered_where_it_has_several(tmp_path: Path) -> None:
    project(tmp_path, {"chain.yaml": SEVERAL})
    with serve(load(), faults=["drop at=2"]) as origin:
        cli("run", "chain.yaml", "--simulate", "--concurrency=1", cwd=tmp_path, env={"AIMLAPI_BASE_URL": origin})
    shown = cli("runs", "show", run_of(tmp_path), cwd=tmp_path).out
    assert re.findall(r"^portrait.*?  ", shown, re.MULTILINE) == ["portrait #1  ", "portrait #2  "]
    assert "\n  portrait #2  aimlapi " in shown
    calls = cli("runs", "show", run_of(tmp_path), "--format", "json", cwd=tmp_path).json["calls"]
    assert [call["sample"] for call in calls if call["client_request_id"]] == [1, 2]


def paid(folder: Path, *amounts: int) -> str:
    """A run of two calls that cost so many nano-dollars."""
    with Ledger.open(folder / ".flowrunner") as ledger:
        run = ledger.begin(pipeline=f"{'a' * 60}/chain.yaml", name="chain", simulated=False)
        for amount in amounts:
            names = {"cell": "dressed", "key": f"{run}{amount}", "provider": "aimlapi", "model": "flux"}
            call = ledger.reserve(Intent(run=run, attempt=1, estimate=1, client_request_id="mine", **names), Caps())
            assert isinstance(call, int)
            ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}"))
            ledger.charged(call, amount)
        ledger.finish(run, RunStatus.DONE)
    return run


def test_sums_below_one_another_have_equally_many_decimals(tmp_path: Path) -> None:
    project(tmp_path, {})
    paid(tmp_path, 31_500_000)
    run = paid(tmp_path, 37_800_500, 31_500_000)
    assert re.findall(r"\$\S+", cli("runs", cwd=tmp_path).out) == ["$0.0693005", "$0.0315000"]
    shown = cli("runs", "show", run, cwd=tmp_path).out.split("\n\n")[1]
    assert re.findall(r"\$\S+", shown) == ["$0.0378005", "$0.0315000"]


def test_on_a_terminal_the_front_of_a_long_name_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, {})
    paid(tmp_path, 31_500_000)
    assert f"{'a' * 60}/chain.yaml  done" in cli("runs", cwd=tmp_path).out
    monkeypatch.setattr(runs, "is_terminal", lambda *_: True)
    lines = cli("runs", cwd=tmp_path, env={"COLUMNS": "80"}).out.splitlines()
    assert [len(line) for line in lines] == [80, 80]
    assert re.search("  …a+/chain.yaml  done ", lines[1])
    narrow = cli("runs", cwd=tmp_path, env={"COLUMNS": "20"}).out
    assert "  …/chain.yaml  done " in narrow


def test_the_format_may_stand_before_or_behind_what_is_shown(folder: Path) -> None:
    run = run_of(folder)
    before, behind = cli("runs", "--format", "json", "show", run, cwd=folder), cli("runs", "show", run, cwd=folder)
    assert before.json["run"] == run
    assert behind.out.startswith(run)


def test_a_run_that_is_not_there_names_the_latest(folder: Path) -> None:
    result = cli("runs", "show", "r-0000000", cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert run_of(folder) in result.err


def test_where_nothing_ran_nothing_is_made(tmp_path: Path) -> None:
    project(tmp_path, {})
    assert cli("runs", cwd=tmp_path).out == "nothing has run here yet\n"
    assert cli("runs", "--format", "json", cwd=tmp_path).json == {"runs": []}
    assert [path.name for path in tmp_path.iterdir()] == ["flowrunner.toml"]
