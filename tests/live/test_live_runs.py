"""Live runs against a server on loopback that follows AIML API's published contract."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowrunner import api
from flowrunner.ended import Status
from flowrunner.errors import RunRefused
from flowrunner.events import Event, Noted
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps, Intent, RunRecord, RunStatus

sys.path.insert(0, str(Path(__file__).parent))
from provider_server import KEY, Answer, Seen, provider

CHAIN = """\
flowrunner: 1
provider: aimlapi
steps:
  portrait:
    model: blackforestlabs/flux-2-pro
    with: {prompt: A T-Rex, image_size: {width: 1024, height: 768}, seed: 7}
  dressed:
    model: blackforestlabs/flux-2-pro-edit
    with: {prompt: A suit, image_urls: [$portrait], image_size: {size_of: $portrait}}
"""
# The request bodies of the two models as AIML API's OpenAPI documents say them.
SIZE = {
    "anyOf": [
        {
            "type": "object",
            "properties": {side: {"type": "integer", "minimum": 512, "maximum": 2048} for side in ("width", "height")},
        },
        {"enum": ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"]},
    ]
}
COMMON = {
    "prompt": {"type": "string", "maxLength": 4000},
    "image_size": SIZE,
    "seed": {"type": "integer", "minimum": 1},
}
URLS = {
    "type": "array",
    "items": {"type": "string", "pattern": "^(https?://|data:image/)"},
    "minItems": 1,
    "maxItems": 3,
}
BODIES: dict[str, dict[str, Any]] = {
    "blackforestlabs/flux-2-pro": {"required": ["model", "prompt"], "properties": COMMON},
    "blackforestlabs/flux-2-pro-edit": {
        "required": ["model", "prompt", "image_urls"],
        "properties": {**COMMON, "image_urls": URLS},
    },
}


def written(folder: Path, text: str = CHAIN) -> Path:
    (folder / "flowrunner.toml").touch()
    path = folder / "chain.yaml"
    path.write_text(text)
    return path


def ran(path: Path, seen: Seen, **options: Any) -> api.RunResult:
    environment = {"AIMLAPI_API_KEY": KEY, "AIMLAPI_BASE_URL": seen.origin, "HOME": str(path.parent)}
    return api.run(path, environment=environment, **options)


def failing(status: int, message: str) -> Any:
    def answer(_: Seen, __: dict[str, Any]) -> Answer:
        return status, {}, json.dumps({"message": message, "statusCode": status}).encode()

    return answer


def test_each_request_is_valid_by_the_published_documents(tmp_path: Path) -> None:
    with provider() as seen:
        ran(written(tmp_path), seen)
    assert [post["path"] for post in seen.posts] == ["/v1/images/generations"] * 2
    for post in seen.posts:
        jsonschema.validate(post, {"type": "object", **BODIES[post["model"]]})


def test_the_key_goes_to_the_provider_and_never_to_the_download(tmp_path: Path) -> None:
    with provider() as seen:
        ran(written(tmp_path), seen)
    assert {headers["authorization"] for headers in seen.headers} == {f"Bearer {KEY}"}
    assert not any(KEY in str(headers) for headers in seen.get_headers)


def test_a_url_that_is_still_good_is_passed_on(tmp_path: Path) -> None:
    with provider() as seen:
        ran(written(tmp_path), seen)
    assert seen.posts[1]["image_urls"] == [f"{seen.origin}/cdn/1-0.png"]


def test_bytes_of_the_project_go_as_a_data_uri(tmp_path: Path) -> None:
    from provider_server import picture

    (tmp_path / "a.png").write_bytes(picture(64, 64))
    step = "{model: blackforestlabs/flux-2-edit, with: {prompt: x, image_urls: [a.png]}}"
    text = f"flowrunner: 1\nsteps:\n  a: {step}\n"
    with provider() as seen:
        ran(written(tmp_path, text), seen)
    assert seen.posts[0]["image_urls"][0].startswith("data:image/png;base64,iVBOR")


def test_what_the_reply_says_was_charged_is_what_was_paid(tmp_path: Path) -> None:
    with provider() as seen:
        result = ran(written(tmp_path), seen)
    assert (result.calls, result.paid) == (2, 63_000_000)


def test_a_second_run_sends_nothing_and_leaves_the_lock_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    with provider() as seen:
        ran(path, seen)
        lock = (tmp_path / "chain.lock.yaml").read_bytes()
        again = ran(path, seen)
    assert len(seen.posts) == 2
    assert (again.calls, again.lock_written) == (0, False)
    assert (tmp_path / "chain.lock.yaml").read_bytes() == lock


def test_the_lock_names_no_host_no_key_and_no_signed_url(tmp_path: Path) -> None:
    with provider() as seen:
        ran(written(tmp_path), seen)
    text = (tmp_path / "chain.lock.yaml").read_text()
    assert seen.origin not in text
    assert KEY not in text


def test_without_a_key_nothing_is_sent(tmp_path: Path) -> None:
    with provider() as seen, pytest.raises(RunRefused) as refused:
        api.run(written(tmp_path), environment={"AIMLAPI_BASE_URL": seen.origin, "HOME": str(tmp_path)})
    assert "AIMLAPI_API_KEY" in refused.value.message
    assert "--simulate" in refused.value.hint
    assert seen.posts == []


def test_a_refused_request_fails_its_cell_and_skips_what_follows(tmp_path: Path) -> None:
    with provider(failing(400, "Body validation error!")) as seen:
        result = ran(written(tmp_path), seen)
    assert result.exit_code == 1
    assert {name: found.status for name, found in result.results.items()} == {
        "portrait": Status.FAILED,
        "dressed": Status.SKIPPED,
    }
    assert len(seen.posts) == 1


def test_out_of_credits_stops_the_whole_run(tmp_path: Path) -> None:
    text = CHAIN + CHAIN[CHAIN.index("  portrait:") : CHAIN.index("  dressed:")].replace("portrait", "other")
    with provider(failing(403, "You've run out of credits. Please top up your balance")) as seen:
        result = ran(written(tmp_path, text), seen, concurrency=1)
    assert len(seen.posts) == 1
    assert result.status is not RunStatus.DONE


def test_a_call_whose_fate_is_unknown_is_not_sent_again_without_a_word(tmp_path: Path) -> None:
    path = written(tmp_path)
    with provider(failing(504, "Generation timeout")) as seen:
        first = ran(path, seen)
        again = ran(path, seen)
        assert len(seen.posts) == 1
        ran(path, seen, resend=True)
    assert first.maybe_billed == again.maybe_billed == ["portrait"]
    assert len(seen.posts) == 2


def test_a_run_that_was_cut_off_under_a_forced_call_is_named_though_the_older_picture_stands(tmp_path: Path) -> None:
    path = written(tmp_path)
    with provider() as seen:
        ran(path, seen)
        with Ledger.open(tmp_path / ".flowrunner") as ledger:
            (first,) = ledger.runs()
            again = ledger.begin(pipeline=first.pipeline, name=first.name, simulated=False)
            ledger.reserve(intent(ledger.run(first.id), again), Caps())
        told: list[Event] = []
        assert ran(path, seen, emit=told.append).calls == 0
    assert f"{again} was cut off, with 1 call that may have been billed: flowrunner runs show {again}" in [
        event.text for event in told if isinstance(event, Noted)
    ]


def intent(record: RunRecord | None, run: str) -> Intent:
    """The record's first call, once more."""
    assert record is not None
    names = ("cell", "key", "provider", "model", "client_request_id")
    return Intent(run=run, attempt=1, estimate=1, **{name: getattr(record.attempts[0], name) for name in names})


def test_a_live_run_does_not_take_a_simulated_picture(tmp_path: Path) -> None:
    from flowrunner.catalog.load import load
    from flowrunner.simulator.server import serve

    with serve(load(), port=0) as origin:
        result = ran(written(tmp_path), Seen(origin=origin))
    assert result.results["portrait"].status is Status.FAILED
    assert "simulator" in result.results["portrait"].failures[0].error


def test_a_simulated_run_talks_to_a_simulator_on_loopback_where_the_environment_names_one(tmp_path: Path) -> None:
    from flowrunner.catalog.load import load
    from flowrunner.simulator.server import serve

    with serve(load(), port=0) as origin:
        result = ran(written(tmp_path), Seen(origin=origin), simulate=True)
    assert result.status is RunStatus.DONE
    assert not (tmp_path / "chain.lock.yaml").exists()


@pytest.mark.parametrize(("status", "message"), [(400, "no"), (500, "Internal server error"), (401, "key")])
def test_the_key_appears_in_no_file_whatever_the_reply(tmp_path: Path, status: int, message: str) -> None:
    with provider(failing(status, f"{message} {KEY}")) as seen:
        result = ran(written(tmp_path), seen)
    assert result.exit_code == 1
    assert all(KEY not in failure.error for found in result.results.values() for failure in found.failures)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.startswith("ledger.db") for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_simulated_run_reaches_nobody_but_a_simulator_on_loopback(tmp_path: Path) -> None:
    """One provider is served on loopback, the other is not: its calls are answered in process, never by the network."""
    text = """\
flowrunner: 1
steps:
  a: {model: blackforestlabs/flux-2, with: {prompt: x}}
  b: {model: black-forest-labs/flux-2-pro/edit, with: {prompt: x, imageUrl: $a}}
"""
    from flowrunner.catalog.load import load
    from flowrunner.simulator.server import Served, serve

    heard: list[Served] = []
    with serve(load(), port=0, on_request=heard.append) as origin:
        result = ran(written(tmp_path, text), Seen(origin=origin), simulate=True)
    assert result.status is RunStatus.DONE
    assert [one.path for one in heard if one.method == "POST"] == ["/v1/images/generations"]
