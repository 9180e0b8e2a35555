"""Limits over whole runs: what is charged counts, what nobody knows is told, and what is refused is refused in time."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from support import Result, cli, pipeline
from wire import Wire, error, png, reply

from flowrunner import api, exchange
from flowrunner.errors import StoreError
from flowrunner.store.objects import Writer
from flowrunner.store.records import RunStatus

LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}
PRO, MAX = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-max"
EDIT = "blackforestlabs/flux-2-edit"
SIZE = "image_size: {width: 1024, height: 1024}"


@pytest.fixture(autouse=True)
def no_network(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)


def charges(*dollars: str | None) -> Any:
    """A provider that charges these amounts, one call after the other, and the last for all that follow."""
    left = list(dollars)
    return lambda body: reply([png(1024, 1024, str(body))], usd=left.pop(0) if len(left) > 1 else left[0])


def many(count: int, model: str = PRO, top: str = "") -> str:
    steps = "".join(f"  s{n}: {{model: {model}, with: {{prompt: p{n}, {SIZE}}}}}\n" for n in range(count))
    return f"{top}\nsteps:\n{steps}"


def ran(folder: Path, *words: str) -> Result:
    return cli("run", "show.yaml", "--concurrency", "1", *words, cwd=folder, env=LIVE)


# What is charged


def test_a_charge_that_is_off_by_more_than_a_fifth_is_told_once_for_its_model(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(3))
    wire.answer = charges("0.0315", "0.08", "0.05")
    result = ran(tmp_path)
    (note,) = [line for line in result.out.splitlines() if line.startswith("note")]
    assert note == (
        f"note  {PRO}: paid $0.080000 where $0.031500 was estimated (+154 %), 2 of 3 calls; "
        "[prices] in flowrunner.toml sets another price"
    )


def test_machines_are_told_of_the_drift_too(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(2))
    wire.answer = charges("0.01")
    assert ran(tmp_path, "--format", "json").json["drifts"] == [
        {
            "provider": "aimlapi",
            "model": PRO,
            "calls": 2,
            "paid_calls": 2,
            "estimate_usd": "0.0315",
            "charged_usd": "0.01",
        }
    ]


@pytest.mark.parametrize(("charged", "drifts"), [("0.0378", 0), ("0.0252", 0), ("0.0378001", 1), ("0.0251999", 1)])
def test_a_fifth_more_or_less_is_no_drift(tmp_path: Path, wire: Wire, charged: str, drifts: int) -> None:
    wire.answer = charges(charged)
    assert len(api.run(pipeline(tmp_path, many(1)), environment=LIVE).drifts) == drifts


def test_what_was_paid_before_is_no_drift_of_this_run(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, many(1))
    wire.answer = charges("0.50")
    assert len(api.run(path, environment=LIVE).drifts) == 1
    assert api.run(path, environment=LIVE).drifts == []


def test_charges_above_the_estimate_stop_the_rest_before_it_is_paid(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(4))
    wire.answer = charges("0.06")
    result = ran(tmp_path, "--max-usd", "0.13")
    assert (result.exit_code, len(wire.sent)) == (3, 2)
    assert "left  s2, s3  not sent: max_usd is $0.13; $0.120 is spent or reserved, with this call about $0.152" in (
        result.out
    )
    assert "\nend   refused  2 calls, paid $0.120000, 0 may have been billed; 2 not tried\n" in result.out
    assert result.out.splitlines()[-1].startswith("next  flowrunner plan show.yaml")


def test_charges_below_the_estimate_leave_room(tmp_path: Path, wire: Wire) -> None:
    wire.answer = charges("0.01")
    result = api.run(pipeline(tmp_path, many(4)), environment=LIVE, max_usd=126_000_000)
    assert (result.status, result.paid, len(wire.sent)) == (RunStatus.DONE, 40_000_000, 4)


def test_what_a_picture_cost_counts_before_what_needs_it_is_reserved(tmp_path: Path, wire: Wire) -> None:
    """Both are written down in one commit: the one that cost more than was reserved comes first."""
    edit = f"{{model: {EDIT}, with: {{prompt: y, image_urls: [$s0], image_size: square}}}}"
    path = pipeline(tmp_path, f"{many(1)}  edited: {edit}\n")
    wire.answer = charges("0.08")
    result = api.run(path, environment=LIVE, max_usd=80_000_000 + 25_200_000 - 1)
    assert (result.status, result.paid, len(wire.sent)) == (RunStatus.REFUSED, 80_000_000, 1)
    result = api.run(path, environment=LIVE, max_usd=80_000_000)
    assert (result.status, result.paid, len(wire.sent)) == (RunStatus.DONE, 80_000_000, 2)


def test_a_charge_that_no_reply_states_is_not_nothing(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(3))
    wire.answer = charges(None, "0.0315", None)
    assert "\nend   done  3 calls, paid $0.031500 and 2 charges not stated, 0 may have been billed\n" in (
        ran(tmp_path).out
    )
    assert "  $0.031500 + 2 not stated" in listed(tmp_path).out


@pytest.mark.parametrize(
    ("stated", "cells", "whole"),
    [
        ((None, "0.0315"), [None, "0.0315"], "0.0315"),
        ((None, None), [None, None], None),
        (("0",), ["0.00"] * 2, "0.00"),
    ],
)
def test_machines_are_told_null_of_what_no_reply_states(
    tmp_path: Path, wire: Wire, stated: tuple[str | None, ...], cells: list[str | None], whole: str | None
) -> None:
    pipeline(tmp_path, many(2))
    wire.answer = charges(*stated)
    document = ran(tmp_path, "--format", "json").json
    assert [cell["paid_usd"] for cell in document["cells"]] == cells
    (record,) = listed(tmp_path, "--format", "json").json["runs"]
    for one in (document, record, listed(tmp_path, "show", record["run"], "--format", "json").json):
        assert (one["paid_usd"], one["unstated"]) == (whole, stated.count(None))
    shown = listed(tmp_path, "show", record["run"]).out + listed(tmp_path).out
    assert ("$0.000000" in shown) is (whole == "0.00")


def listed(folder: Path, *words: str) -> Result:
    return cli("runs", *words, cwd=folder, env=LIVE)


# Calls of unknown price


def test_without_a_limit_an_unpriced_call_runs_and_is_shown_as_such(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(2, MAX))
    wire.answer = charges(None)
    result = ran(tmp_path)
    assert (result.exit_code, len(wire.sent)) == (0, 2)
    assert "  2 calls of unknown price\n" in result.out
    assert result.out.count("  price unknown\n") == 2
    assert "\nend   done  2 calls, 2 charges not stated, 0 may have been billed\n" in result.out


@pytest.mark.parametrize("top", ["budget: {max_usd: 1}", "budget: {total_usd: 1}"])
@pytest.mark.parametrize(
    ("words", "posts"),
    [((), 0), (("--allow-unpriced",), 2), ((f"--allow-unpriced={MAX}",), 2), ((f"--allow-unpriced={PRO}",), 0)],
)
def test_under_a_limit_an_unpriced_call_needs_a_word(
    tmp_path: Path, wire: Wire, top: str, words: tuple[str, ...], posts: int
) -> None:
    pipeline(tmp_path, many(2, MAX, top))
    wire.answer = charges("0.07")
    code = 0 if posts else 3
    assert cli("plan", "show.yaml", *words, cwd=tmp_path, env=LIVE).exit_code == code
    assert (ran(tmp_path, *words).exit_code, len(wire.sent)) == (code, posts)


def test_unpriced_calls_end_where_their_charges_reach_the_limit(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(4, MAX))
    wire.answer = charges("0.05")
    result = ran(tmp_path, "--max-usd", "0.10", "--allow-unpriced")
    assert (result.exit_code, len(wire.sent)) == (3, 2)
    assert "max_usd is $0.10; $0.100 is spent or reserved" in result.out


def test_simulated_charges_count_for_their_run_and_never_for_the_total(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, many(2, top="budget: {total_usd: 0.04}"))
    wire.answer = charges("0.0315")
    assert api.run(path, environment=LIVE, simulate=True).status is RunStatus.DONE
    assert cli("plan", "show.yaml", "--simulate", "--max-usd", "0.04", cwd=tmp_path).exit_code == 0
    assert cli("plan", "show.yaml", "--simulate", "--max-usd", "0.04", "--force", "*", cwd=tmp_path).exit_code == 3
    assert cli("plan", "show.yaml", "--only", "s0", cwd=tmp_path).exit_code == 0
    assert cli("plan", "show.yaml", cwd=tmp_path).exit_code == 3


def test_what_was_spent_is_told_exactly(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(1, top="budget: {total_usd: 0.06}"))
    wire.answer = charges("0.0378005")
    ran(tmp_path)
    assert "limit  $0.0378005 of $0.06 is spent by all runs\n" in cli("plan", "show.yaml", cwd=tmp_path).out
    refused = cli("plan", "show.yaml", "--force", "*", cwd=tmp_path)
    assert (refused.exit_code, "refused: $0.0378005 is spent on show, " in refused.err) == (3, True)


# What was sent before


def planned(folder: Path, *words: str) -> Any:
    """The one cell of a plan, its reason and what it may cost; and the whole plan's calls and exit code."""
    result = cli("plan", "show.yaml", "--format", "json", *words, cwd=folder, env=LIVE)
    (cell,) = result.json["cells"]
    return cell["reason"], cell["estimate_usd"], result.json["totals"]["calls"], result.exit_code


def held(folder: Path, *words: str) -> list[str | None]:
    """Why machines are told that nobody is paid for the calls of the one cell, which all run."""
    (cell,) = cli("plan", "show.yaml", "--format", "json", *words, cwd=folder, env=LIVE).json["cells"]
    assert {cell["decision"], *(call["decision"] for call in cell["calls"])} == {"run"}
    return [call["held"] for call in cell["calls"]]


ONE = many(1, top="budget: {total_usd: 0.05}")


def test_what_may_have_been_billed_is_planned_as_what_it_is_and_refused_by_no_limit(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, ONE)
    wire.coming.append(error(504))
    assert ran(tmp_path).exit_code == 1
    why = "an earlier call may have been billed; --on-unknown resend pays again"
    assert planned(tmp_path) == (why, "0.00", 0, 0)
    assert (held(tmp_path), held(tmp_path, "--on-unknown", "resend")) == (["unknown"], [None])
    assert (ran(tmp_path).exit_code, len(wire.sent)) == (1, 1)
    assert planned(tmp_path, "--on-unknown", "resend") == ("new", "0.0315", 1, 3)
    assert (ran(tmp_path, "--on-unknown", "resend").exit_code, len(wire.sent)) == (3, 1)


def test_a_plan_whose_calls_may_all_have_been_billed_names_what_sends_them_again(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(1))
    wire.coming.append(error(504))
    ran(tmp_path)
    said = cli("plan", "show.yaml", cwd=tmp_path, env=LIVE).out
    assert said.endswith("next   flowrunner run show.yaml --on-unknown resend\n")
    pipeline(tmp_path, many(2))
    assert cli("plan", "show.yaml", cwd=tmp_path, env=LIVE).out.endswith("next   flowrunner run show.yaml\n")


def test_what_moderation_has_refused_is_not_named_to_be_run_again(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(1))
    wire.coming.append(error(400, "rejected by our content moderation system"))
    for _ in range(2):
        assert ran(tmp_path).out.endswith("next  flowrunner plan show.yaml\n")
    assert "\nnext " not in cli("plan", "show.yaml", cwd=tmp_path, env=LIVE).out
    assert len(wire.sent) == 1


def test_what_was_charged_for_nothing_is_not_planned_to_be_paid_again(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, ONE)
    wire.coming.append(httpx.Response(200, json={"data": [], "meta": {"usage": {"credits_used": 63000}}}))
    ran(tmp_path)
    assert planned(tmp_path)[0].startswith("an earlier call was charged and gave no picture")
    assert planned(tmp_path)[1:] == ("0.00", 0, 0)
    assert held(tmp_path) == ["charged"]


def ran_without_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that keeps each reply, and no picture."""

    def full(*_: Any) -> str:
        raise StoreError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "commit", full)
        assert ran(folder).exit_code == 1


def test_a_kept_reply_is_read_again_for_nothing_though_the_limit_is_reached(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline(tmp_path, ONE)
    ran_without_room(tmp_path, monkeypatch)
    assert planned(tmp_path) == ("its reply is kept and is read again, for nothing", "0.00", 0, 0)
    assert (ran(tmp_path).exit_code, len(wire.sent)) == (0, 1)


def test_a_refusal_by_a_limit_says_how_a_kept_reply_is_read_all_the_same(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline(tmp_path, many(1))
    ran_without_room(tmp_path, monkeypatch)
    pipeline(tmp_path, many(2))
    refused = ran(tmp_path, "--max-calls", "0")
    assert "; --only s0 reads a reply that is kept, for nothing\n" in refused.err
    read = ran(tmp_path, "--max-calls", "0", "--only", "s0")
    assert (refused.exit_code, read.exit_code, len(wire.sent)) == (3, 0, 1)


def test_a_kept_reply_beside_samples_that_are_to_be_paid_is_not_said_to_be_free(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline(tmp_path, many(1))
    ran_without_room(tmp_path, monkeypatch)
    pipeline(tmp_path, many(1).replace(f"model: {PRO}", f"model: {PRO}, variants: 3"))
    refused = ran(tmp_path, "--max-calls", "0")
    assert (refused.exit_code, "2 calls are needed" in refused.err, "for nothing" in refused.err) == (3, True, False)


def test_one_sample_of_three_that_may_have_been_billed_is_left_out_of_the_price(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, many(1).replace(f"model: {PRO}", f"model: {PRO}, variants: 3"))
    wire.coming.append(error(504))
    assert ran(tmp_path, "--max-calls", "3").exit_code == 1
    assert planned(tmp_path) == ("an earlier call may have been billed; --on-unknown resend pays again", "0.00", 0, 0)


def test_a_picture_of_another_size_is_told_before_anything_is_made_of_it(tmp_path: Path, wire: Wire) -> None:
    edit = (
        "  s1: {model: blackforestlabs/flux-2-edit, with: {prompt: p, image_size: {size_of: $s0}, image_urls: [$s0]}}\n"
    )
    pipeline(tmp_path, many(1) + edit)
    wire.answer = lambda body: reply([png(512, 512, str(body))])
    lines = [line.split("  ")[0] for line in ran(tmp_path).out.splitlines()]
    assert lines[:5] == ["run", "send", "done", "note", "send"]
    assert "note  s0: 512x512 came where 1024x1024 was asked for" in ran(tmp_path, "--force", "s0").out


# Several pipelines of one command


def both(folder: Path, *words: str) -> Result:
    """Two pipelines of three calls each, run by one command."""
    pipeline(folder, many(3))
    (folder / "two.yaml").write_text((folder / "show.yaml").read_text().replace("prompt: p", "prompt: q"))
    return ran(folder, "two.yaml", *words)


@pytest.mark.parametrize("limit", ["--max-usd 0.15", "--max-calls 4"])
def test_what_the_first_pipeline_paid_is_no_longer_there_for_the_second(tmp_path: Path, wire: Wire, limit: str) -> None:
    result = both(tmp_path, *limit.split())
    assert (result.exit_code, len(wire.sent)) == (3, 3)
    assert "earlier pipelines of this command leave " in result.err
    told = "Nothing of it was sent. Earlier pipelines of this command: 3 calls, paid $0.094500, 0 may have been billed."
    assert told in result.err


def test_what_may_have_been_billed_is_no_longer_there_for_the_second_pipeline(tmp_path: Path, wire: Wire) -> None:
    wire.coming.append(httpx.ReadError("gone"))
    assert both(tmp_path, "--max-usd", "0.1").exit_code == 3
    assert not [prompt for prompt in wire.prompts if prompt.startswith("q")]


def test_charges_above_the_estimate_stop_the_second_pipeline_in_the_middle(tmp_path: Path, wire: Wire) -> None:
    wire.answer = charges("0.03", "0.03", "0.03", "0.06")
    assert both(tmp_path, "--max-usd", "0.2").exit_code == 3
    assert len(wire.sent) == 5
