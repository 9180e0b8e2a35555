"""The doors: load, validate, plan and run whole pipelines."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import picture, pipeline, project
from wire import Wire, error, png, reply

from flowrunner import api, exchange, picking
from flowrunner.errors import InvalidPipeline, RunRefused, UsageError
from flowrunner.planning import Decision
from flowrunner.store.locked import Lock
from flowrunner.store.workspace import Edition

CHAIN = """
steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: one, seed: 1}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: two, image_urls: [$a], image_size: square}}
outputs: {best: $b}
"""
MOODS = """
inputs: {mood: {default: calm}}
steps:
  a: {model: blackforestlabs/flux-2-pro, variants: 2, pick: human, with: {prompt: fixed}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: "{{ inputs.mood }}", image_urls: [$a], image_size: square}}
"""
LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}
NO_KEY = {"HOME": "/nonexistent", "PATH": ""}


@pytest.fixture(autouse=True)
def no_network(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live runs, too, send to the provider in this process."""
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)


def run(path: Path, **options: Any) -> api.RunResult:
    return api.run(path, **{"simulate": True, "environment": NO_KEY, **options})


def statuses(result: api.RunResult) -> dict[str, str]:
    return {name: found.status.value for name, found in result.results.items()}


def lock_of(result: api.RunResult) -> Lock:
    return result.opened.lock_file.read()[0]


# Once


def test_a_second_run_makes_no_request_and_changes_no_byte(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    assert run(path).exit_code == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and "ledger" not in file.name}
    assert wire.prompts == ["one", "two"]
    again = run(path)
    assert (again.exit_code, again.calls, again.paid, again.lock_written) == (0, 0, 0, False)
    assert wire.prompts == ["one", "two"]
    assert before == {file: file.read_bytes() for file in before}


def test_a_run_tells_what_it_did(tmp_path: Path, wire: Wire) -> None:
    result = run(pipeline(tmp_path, CHAIN))
    assert (result.calls, result.paid, result.simulated, result.maybe_billed) == (2, 63_000_000, True, [])
    assert result.outputs == {"best": [tmp_path / "outputs/simulated/show/best.png"]}
    assert statuses(result) == {"a": "done", "b": "done"}


def test_moving_the_project_runs_nothing_again(tmp_path: Path, wire: Wire) -> None:
    run(pipeline(tmp_path / "old", CHAIN))
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert statuses(run(tmp_path / "new" / "show.yaml")) == {"a": "reused", "b": "reused"}
    assert len(wire.sent) == 2


def test_a_text_like_a_ratio_is_sent_as_it_is_written(tmp_path: Path, wire: Wire) -> None:
    wire.answer = lambda _: httpx.Response(500)
    step = "{model: black-forest-labs/flux-2-pro/generate, with: {prompt: x, aspect_ratio: 16:9}}"
    run(pipeline(tmp_path, f"steps: {{a: {step}}}"))
    assert wire.sent[0]["promptObject"] == {"prompt": "x", "aspect_ratio": "16:9"}


# Validate and load


def test_all_faults_of_a_file_are_told_together(tmp_path: Path) -> None:
    text = """
    steps:
      a: {model: blackforestlabs/flux-2-pro, promt: x, with: {prompt: "{{ vars.x }}", seed: 0}}
      b: {model: blackforestlabs/flux-2-edit, with: {prompt: y, image_urls: [$z], image_size: {width: 600, height: 9}}}
      c: {model: nobody/nothing, across: size, with: {prompt: "{{ x"}}
    outputs: {a: $b}
    """
    found = [
        (problem.code, problem.span.line if problem.span else 0) for problem in api.validate(pipeline(tmp_path, text))
    ]
    assert found == [
        ("unknown-key", 5),
        ("undefined", 5),
        ("too-small", 5),
        ("unknown-step", 6),
        ("size-step", 6),
        ("too-small", 6),
        ("unknown-axis", 7),
        ("template-syntax", 7),
        ("output", 8),
    ]


def test_a_sound_pipeline_has_no_problems_and_a_warning_is_one_when_strict(tmp_path: Path) -> None:
    path = pipeline(tmp_path, "steps: {a: {model: blackforestlabs/flux-2-pro, with: {prompt: x, guidance_scale: 3}}}")
    (found,) = api.validate(path)
    assert not found.is_error
    (strict,) = api.validate(path, strict=True)
    assert strict.is_error
    assert [problem.code for problem in api.load(path).problems] == [found.code]


def test_validate_needs_no_values(tmp_path: Path) -> None:
    path = pipeline(
        tmp_path,
        """
        inputs: {word: , photo: {type: image}, model: }
        steps:
          a: {model: blackforestlabs/flux-2-edit, when: inputs.word == 'x', with: {prompt: "{{ inputs.word }}",
              image_urls: [$inputs.photo], image_size: {size_of: $inputs.photo}}}
          b: {model: "{{ inputs.model }}", with: {prompt: y, seed: 1, image_urls: [$a]}}
        outputs: {o: {from: $a, as: "{{ inputs.word }}.png"}}
        """,
    )
    assert api.validate(path) == []
    with pytest.raises(UsageError) as caught:
        api.plan(path)
    assert caught.value.message == "inputs word and photo and model have no value"


def test_load_gives_a_pipeline_that_plan_and_run_take(tmp_path: Path, wire: Wire) -> None:
    loaded = api.load(pipeline(tmp_path, CHAIN), environment=NO_KEY)
    assert (loaded.name, loaded.cells) == ("show", ("a", "b"))
    assert [planned.decision for planned in api.plan(loaded).cells.values()] == [Decision.RUN, Decision.AWAIT]
    assert api.run(loaded, simulate=True).exit_code == 0


def test_load_refuses_a_faulty_pipeline_with_every_problem(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        api.load(pipeline(tmp_path, "steps: {a: {model: x, wiht: {}}, b: {modle: y}}"))
    assert [problem.code for problem in caught.value.problems] == [
        "unknown-model",
        "unknown-key",
        "model",
        "unknown-key",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "steps: {a: {model: blackforestlabs/flux-2-pro, with: {prompt: x, seed: 0}}}",
        "steps: {a: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_urls: [gone.png]}}}",
        "steps: {a: {model: blackforestlabs/flux-2-pro, with: {promt: x}}}",
        "steps: {a: {model: blackforestlabs/flux-2-pro, variants: 2, pick: 3, with: {prompt: x}}}",
    ],
)
def test_what_breaks_a_rule_is_refused_before_anything_is_sent(tmp_path: Path, wire: Wire, text: str) -> None:
    with pytest.raises(InvalidPipeline):
        run(pipeline(tmp_path, text))
    assert wire.sent == []
    assert not (tmp_path / "outputs").exists()


# Plan


def test_a_plan_sends_nothing_reads_no_key_and_writes_nothing(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    before = sorted(tmp_path.rglob("*"))
    found = api.plan(path, environment=NO_KEY)
    assert [planned.to_send for planned in found.cells.values()] == [1, 1]
    assert wire.sent == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_picture_stops_what_needs_it_and_nothing_else(tmp_path: Path, wire: Wire) -> None:
    made = run(pipeline(tmp_path, f"steps:\n{paid('a')}"), simulate=False, environment=LIVE)
    (image,) = made.results["a"].candidates
    assert image is not None
    path = made.opened.project.workspace.objects().path(image.sha256)
    path.chmod(0o600)
    path.write_bytes(b"half of it")
    resized = "  b: {model: image/resize, with: {image: $a, width: 32}}\n"
    text = f"steps:\n{paid('a')}{resized}{paid('c')}"
    found = run(pipeline(tmp_path, text), simulate=False, environment=LIVE)
    assert statuses(found) == {"a": "reused", "b": "pending", "c": "done"}
    assert "does not hold what its name says" in found.results["b"].reason
    assert (found.exit_code, len(wire.sent)) == (3, 2)


def paid(name: str) -> str:
    return f"  {name}: {{model: blackforestlabs/flux-2-pro, with: {{prompt: {name}}}}}\n"


# Money


def test_without_a_key_nothing_is_sent(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    with pytest.raises(RunRefused, match="AIMLAPI_API_KEY is not set"):
        run(path, simulate=False)
    assert wire.sent == []
    assert run(path, simulate=False, environment=LIVE).exit_code == 0
    assert {headers["authorization"] for headers in wire.headers} == {"Bearer sk-1"}


def test_no_key_is_asked_for_where_nothing_is_paid(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, "steps: {a: {model: image/resize, with: {image: photo.png, width: 40}}}")
    assert run(path, simulate=False).exit_code == 0
    path = pipeline(tmp_path, CHAIN)
    run(path, simulate=False, environment=LIVE)
    assert statuses(run(path, simulate=False)) == {"a": "reused", "b": "reused"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_usd": 10**6}, "limit of this run"),
        ({"max_calls": 1}, "--max-calls is 1"),
        ({"frozen": True}, "are not in"),
    ],
)
def test_a_run_over_a_limit_is_refused_before_anything_is_sent(
    tmp_path: Path, wire: Wire, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunRefused, match=words):
        run(pipeline(tmp_path, CHAIN), **options)
    assert wire.sent == []


def test_the_budget_of_a_pipeline_counts_its_live_runs(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, f"budget: {{total_usd: 0.10}}\n{CHAIN}")
    for _ in range(3):
        run(path, force=("a", "b"))
    assert run(path, simulate=False, environment=LIVE).exit_code == 0
    with pytest.raises(RunRefused, match="total_usd"):
        run(path, simulate=False, environment=LIVE, force=("a", "b"))


def test_a_plan_may_be_declined(tmp_path: Path, wire: Wire) -> None:
    with pytest.raises(RunRefused, match="declined"):
        run(pipeline(tmp_path, CHAIN), confirm=lambda plan: len(plan.cells) != 2)
    assert wire.sent == []


def test_what_is_frozen_cannot_be_forced(tmp_path: Path, wire: Wire) -> None:
    with pytest.raises(UsageError, match="never pays"):
        run(pipeline(tmp_path, CHAIN), frozen=True, force=("a",))


# Some cells


def test_only_the_named_cells_and_what_they_need_run(tmp_path: Path, wire: Wire) -> None:
    more = "  c: {model: blackforestlabs/flux-2-pro, with: {prompt: c}}\n"
    path = pipeline(tmp_path, CHAIN.replace("outputs", f"{more}outputs"))
    assert statuses(run(path, only=("b",))) == {"a": "done", "b": "done"}
    assert statuses(run(path)) == {"a": "reused", "b": "reused", "c": "done"}


def test_force_pays_anew_for_the_named_cells_only(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    wire.sent.clear()
    assert statuses(run(path, force=("b",))) == {"a": "reused", "b": "done"}
    assert wire.prompts == ["two"]
    assert statuses(run(path, force=("a",), only=("a",))) == {"a": "done"}
    assert wire.prompts == ["two", "one"]


# Where things lie


def test_a_simulated_run_has_a_lock_and_pictures_of_its_own(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    assert (tmp_path / ".flowrunner/simulated/show.lock.yaml").exists()
    assert not (tmp_path / "show.lock.yaml").exists()
    run(path, simulate=False, environment=LIVE)
    assert (tmp_path / "show.lock.yaml").exists()
    assert (tmp_path / "outputs/show/best.png").exists()
    assert len(wire.sent) == 4


def test_results_may_go_to_another_folder(tmp_path: Path, wire: Wire) -> None:
    run(pipeline(tmp_path / "project", CHAIN), output=tmp_path / "elsewhere")
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["a.png", "b.png", "best.png"]


def test_an_inputs_file_has_a_lock_and_outputs_of_its_own(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS.replace(", pick: human", ""), {"shows/lamp.yaml": "mood: bright\n"})
    result = run(path, inputs_file=tmp_path / "shows/lamp.yaml")
    assert result.opened.edition == Edition(inputs="lamp", simulated=True)
    assert (tmp_path / ".flowrunner/simulated/show@lamp.lock.yaml").exists()
    assert (tmp_path / "outputs/simulated/show@lamp/b.png").exists()
    assert lock_of(result).inputs == {"mood": "bright"}


# Inputs and trials


def picked(path: Path, **options: Any) -> None:
    picking.record(api.load(path, environment=NO_KEY, simulate=True, **options), [picking.wish("a", "2")])


def test_a_first_value_is_kept_in_the_lock_and_is_meant_from_then_on(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS.replace("{default: calm}", "").replace(", pick: human", ""))
    assert lock_of(run(path, inputs={"mood": "wild"})).inputs == {"mood": "wild"}
    assert statuses(run(path)) == {"a": "reused", "b": "reused"}


def test_a_value_that_differs_makes_a_trial_and_leaves_the_lock_alone(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS.replace(", pick: human", ""))
    lock = lock_of(run(path))
    wire.sent.clear()
    trial = run(path, inputs={"mood": "wild"})
    assert wire.prompts == ["wild"]
    assert trial.opened.edition.trial
    assert any("a trial" in note for note in trial.notes)
    assert (tmp_path / "outputs/simulated/show@trial/b.png").exists()
    assert lock_of(run(path)) == lock


def test_a_trial_knows_the_picks_and_results_that_its_inputs_do_not_touch(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS)
    run(path)
    picked(path)
    run(path)
    shutil.rmtree(tmp_path / ".flowrunner" / "objects")
    (tmp_path / ".flowrunner" / "ledger.db").unlink()
    found = api.plan(path, environment=NO_KEY, simulate=True, frozen=True, inputs={"mood": "wild"})
    assert [planned.decision for planned in found.cells.values()] == [Decision.REUSE, Decision.RUN]


def test_a_trial_may_be_kept(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS.replace(", pick: human", ""))
    run(path)
    assert lock_of(run(path, inputs={"mood": "wild"}, lock=True)).inputs == {"mood": "wild"}
    wire.sent.clear()
    run(path)
    assert wire.sent == []


def test_an_image_from_elsewhere_is_kept_with_the_project(tmp_path: Path, wire: Wire) -> None:
    text = """
    inputs: {photo: {type: image}}
    steps: {a: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_urls: [$inputs.photo], image_size: square}}}
    """
    path = pipeline(tmp_path / "project", text)
    outside = picture(tmp_path / "outside.png", colour="#102030")
    first = run(path, inputs={"photo": str(outside)})
    outside.unlink()
    assert first.exit_code == 0
    assert statuses(run(path)) == {"a": "reused"}
    assert statuses(run(path, force=("a",))) == {"a": "done"}
    shutil.rmtree(tmp_path / "project/.flowrunner/objects")
    assert statuses(run(path)) == {"a": "reused"}
    assert statuses(run(path, force=("a",))) == {"a": "pending"}


# Missing bytes


def fresh_clone(path: Path, *, ledger: bool = False) -> None:
    shutil.rmtree(path.parent / ".flowrunner" / "objects")
    if not ledger:
        (path.parent / ".flowrunner" / "ledger.db").unlink()


def test_a_locked_result_whose_bytes_are_not_here_is_missing_and_is_not_made_anew(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    fresh_clone(path)
    shutil.rmtree(tmp_path / "outputs")
    wire.sent.clear()
    result = run(path)
    assert (statuses(result), result.exit_code) == ({"a": "reused", "b": "missing"}, 3)
    assert wire.sent == []
    assert any("locked but not here" in note for note in result.notes)
    assert statuses(run(path, force=("a", "b"))) == {"a": "done", "b": "done"}


def test_all_others_go_on(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    fresh_clone(path)
    more = "  c: {model: blackforestlabs/flux-2-pro, with: {prompt: c}}\n"
    pipeline(tmp_path, CHAIN.replace("prompt: two", "prompt: new").replace("outputs", f"{more}outputs"))
    result = run(path)
    assert statuses(result) == {"a": "missing", "b": "missing", "c": "done"}
    assert result.exit_code == 3


def test_a_missing_local_result_is_made_again(tmp_path: Path, wire: Wire) -> None:
    text = "steps: {a: {model: image/resize, with: {image: photo.png, width: 40}}}\noutputs: {o: $a}\n"
    path = pipeline(tmp_path, text)
    lock = lock_of(run(path))
    fresh_clone(path)
    shutil.rmtree(tmp_path / "outputs")
    result = run(path, frozen=True)
    assert (statuses(result), result.exit_code) == ({"a": "done"}, 0)
    assert lock_of(result) == lock
    assert (tmp_path / "outputs/simulated/show/o.png").exists()


def test_a_local_result_that_comes_out_otherwise_fails(tmp_path: Path, wire: Wire) -> None:
    text = "steps: {a: {model: image/resize, with: {image: photo.png, width: 40}}}\noutputs: {o: $a}\n"
    path = pipeline(tmp_path, text)
    result = run(path)
    lock = result.opened.lock_file.path
    pixels = lock_of(result).cells["a"].samples[0].images[0].pixels
    assert pixels
    lock.write_text(lock.read_text().replace(pixels, "ab" * 32))
    fresh_clone(path)
    again = run(path)
    assert (statuses(again), again.exit_code) == ({"a": "failed"}, 1)


def test_frozen_names_what_is_missing_and_a_plan_of_it_needs_no_bytes(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    fresh_clone(path)
    found = api.plan(path, environment=NO_KEY, simulate=True, frozen=True)
    assert {planned.decision for planned in found.cells.values()} == {Decision.REUSE}
    with pytest.raises(RunRefused, match="not here"):
        run(path, frozen=True)


# Ends


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [
        ([error(400)], {"a": "failed", "b": "skipped"}, 1),
        ([error(401)], {"a": "failed", "b": "skipped"}, 1),
        ([error(500)], {"a": "unknown", "b": "skipped"}, 1),
        ([reply([], usd=None), error(400)], {"a": "unknown", "b": "skipped"}, 1),
        ([reply([png(8, 8)]), error(400)], {"a": "done", "b": "failed"}, 1),
    ],
)
def test_a_failure_ends_with_its_exit_code(
    tmp_path: Path, wire: Wire, answers: list[httpx.Response], status: dict[str, str], code: int
) -> None:
    wire.coming.extend(answers)
    result = run(pipeline(tmp_path, CHAIN))
    assert (statuses(result), result.exit_code) == (status, code)


def test_a_run_that_waits_for_a_pick_ends_with_four_and_goes_on_after_it(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, MOODS)
    result = run(path)
    assert (statuses(result), result.exit_code) == ({"a": "waiting", "b": "waiting"}, 4)
    picked(path)
    result = run(path)
    assert (statuses(result), result.exit_code) == ({"a": "reused", "b": "done"}, 0)
    assert result.results["a"].picked == 2


def test_a_budget_that_is_used_up_leaves_the_rest_pending(tmp_path: Path, wire: Wire) -> None:
    wire.answer = lambda body: reply([png(8, 8, body["prompt"])], usd="3")
    result = run(pipeline(tmp_path, CHAIN), max_usd=10**9)
    assert (statuses(result), result.exit_code) == ({"a": "done", "b": "pending"}, 3)
    assert len(wire.sent) == 1


def test_the_timeout_of_a_call_is_the_steps_else_the_defaults_else_the_settings(tmp_path: Path, wire: Wire) -> None:
    text = """
    defaults: {timeout: 50}
    steps:
      a: {model: blackforestlabs/flux-2-pro, timeout: 20, with: {prompt: a}}
      b: {model: blackforestlabs/flux-2-pro, with: {prompt: b}}
    """
    assert timeouts(pipeline(tmp_path / "one", text)) == {"a": 20.0, "b": 50.0}
    path = pipeline(tmp_path / "two", text.replace("defaults: {timeout: 50}", ""))
    project(path.parent, {"flowrunner.toml": "[providers.aimlapi]\ntimeout = 70\n"})
    assert timeouts(path) == {"a": 20.0, "b": 70.0}


def timeouts(path: Path) -> dict[str, float]:
    from flowrunner.perform import Performer

    seen: dict[str, float] = {}
    plain = Performer.perform

    async def noted(self: Performer, job: Any) -> Any:
        seen[job.cell] = job.timeout
        return await plain(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Performer, "perform", noted)
        run(path)
    return seen


def test_what_a_run_did_is_in_the_history(tmp_path: Path, wire: Wire) -> None:
    result = run(pipeline(tmp_path, CHAIN))
    with result.opened.project.workspace.ledger(create=False) as ledger:
        record = ledger.run(result.run)
    assert record is not None
    assert (record.calls, record.paid, record.simulated, len(record.attempts)) == (2, 63_000_000, True, 2)
    assert json.loads(json.dumps(dict(record.document or {})))["paid_usd"] == "0.063"
