"""A key is sent to its provider, and is in no byte that is written or printed, whatever goes wrong."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import httpx
import pytest
from proxy import forwarding
from rehearsal import Rehearsal, quick
from support import Result, Time, cli

from flowrunner import exchange
from flowrunner.catalog.load import load
from flowrunner.providers import replies
from flowrunner.running import Run
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.faults import FAULTS, On, Word
from flowrunner.simulator.server import serve
from flowrunner.simulator.transport import SimulatedTransport

KEYS = {"plain": "sk-canary-7Qx9+/mZ~0a", "odd": "sk-\"can'ary\\7Qx9%&<~0b>"}
HERE = "http://127.0.0.1:9"
VARIABLES = {"aimlapi": "AIMLAPI", "onemin": "ONEMIN"}
RULES = [
    *(f"{word}" for word in Word),
    *(f"{word} on=download" for word in Word if On.DOWNLOAD in FAULTS[word].where),
    *(f"{status}" for status in (302, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504)),
    *(f"echo status={status}" for status in (401, 403, 429, 500, 503)),
    "429 retry-after=1",
]


def spellings(key: str) -> set[bytes]:
    """A key in eight encodings; base64 at each of the three places where it may begin inside a longer text."""
    raw = key.encode()
    inner = {base64.b64encode(b"\0" * before + raw)[4:-4] for before in range(3)}
    return {
        raw,
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw).rstrip(b"="),
        *inner,
        quote(key, safe="").encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        json.dumps(key)[1:-1].encode(),
        repr(key)[1:-1].encode(),
    }


class Unmarked(httpx.AsyncBaseTransport):
    """The simulator as a live provider: without its mark. It keeps the headers that it was sent."""

    def __init__(self, inner: SimulatedTransport) -> None:
        self.inner = inner
        self.heard: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.heard += request.headers.values()
        reply = await self.inner.handle_async_request(request)
        del reply.headers["x-flowrunner-simulated"]
        return reply


def run(folder: Path, provider: str, key: str, *rules: str, debug: bool = False, form: str = "json") -> Result:
    """A live run against a provider in this process."""
    simulator = Simulator(load(), origin=HERE, faults=rules)
    time = Time()
    wire = Unmarked(SimulatedTransport(simulator, sleep=time.sleep))
    name = VARIABLES[provider]
    env = {f"{name}_API_KEY": key, f"{name}_BASE_URL": HERE} | ({"FLOWRUNNER_DEBUG": "1"} if debug else {})
    with patch.object(Run, "_connections", lambda _: exchange.Connections(transport=wire)), quick(time):
        result = cli("run", f"{provider}.yaml", "--yes", "--format", form, cwd=folder, env=env)
    assert any(key in value for value in wire.heard)
    return result


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()


def nowhere(key: str, folder: Path, *texts: str) -> None:
    found = [*written(folder), *(("printed", text.encode()) for text in texts)]
    assert [name for name, data in found if any(form in data for form in spellings(key))] == []


def held(folder: Path, provider: str, key: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    for debug, form, level in ((False, "json", logging.INFO), (True, "text", logging.DEBUG)):
        below = folder / form
        Rehearsal(below)
        with caplog.at_level(level):
            result = run(below, provider, key, rule, debug=debug, form=form)
        shown = cli("runs", "show", runs(below)[0], "--format", "json", cwd=below)
        nowhere(key, below, result.out, result.err, shown.out, shown.err, caplog.text)


def runs(folder: Path) -> list[str]:
    return [one["run"] for one in cli("runs", "--format", "json", cwd=folder).json["runs"]]


@pytest.mark.parametrize("provider", VARIABLES)
@pytest.mark.parametrize("rule", ["ok", "echo status=500"])
def test_a_key_stays_secret(tmp_path: Path, provider: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    held(tmp_path, provider, KEYS["plain"], rule, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("provider", VARIABLES)
@pytest.mark.parametrize("rule", RULES)
def test_a_key_stays_secret_whatever_goes_wrong(
    tmp_path: Path, provider: str, rule: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    held(tmp_path, provider, key, rule, caplog)


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_that_quotes_a_key_is_told_without_it(
    tmp_path: Path, debug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KEYS["odd"]

    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"{key!r} {key.encode().hex()}")

    monkeypatch.setattr(replies, "refused", broken)
    Rehearsal(tmp_path)
    result = run(tmp_path, "aimlapi", key, "500", debug=bool(debug))
    assert "this is a bug in flowrunner: ValueError: " in result.err
    assert ("Traceback" in result.err) == bool(debug)
    nowhere(key, tmp_path, result.out, result.err)


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("key", ["sk-can\nary-7Qx9mZ", "sk-canary 7Qx9mZ", "sk-canary-é7Qx9mZ", "sk-\0canary7Qx9mZ"])
def test_a_malformed_key_is_refused_without_being_shown(tmp_path: Path, key: str, debug: str) -> None:
    Rehearsal(tmp_path)
    home = tmp_path / ".home/.config/flowrunner/config.toml"
    home.parent.mkdir(parents=True)
    home.touch(mode=0o600)
    home.write_text(f"[providers.aimlapi]\nkey = {json.dumps(key)}\n", encoding="utf-8")
    result = cli("run", "aimlapi.yaml", "--yes", cwd=tmp_path, env={"FLOWRUNNER_DEBUG": debug})
    home.unlink()
    assert (result.exit_code, "holds a character that no key has" in result.err) == (3, True)
    nowhere(key, tmp_path, result.out, result.err)
    assert "7Qx9mZ" not in result.out + result.err


@pytest.mark.parametrize("proxied", [False, True])
def test_the_http_librarys_log_of_a_careless_server_holds_no_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, proxied: bool
) -> None:
    """Over a socket: at DEBUG httpcore, which speaks to proxies, writes down each reply's headers."""
    Rehearsal(tmp_path)
    key = KEYS["plain"]
    with serve(load(), faults=["echo"]) as origin, forwarding() as proxy, caplog.at_level(logging.DEBUG):
        env = {"AIMLAPI_API_KEY": key, "AIMLAPI_BASE_URL": origin, **({"AIMLAPI_PROXY": proxy.url} if proxied else {})}
        result = cli("run", "aimlapi.yaml", "--yes", cwd=tmp_path, env=env)
    assert bool(proxy.targets) is proxied
    assert ("receive_response_headers.complete" in caplog.text) is proxied
    assert ("Bearer ***" in caplog.text) is proxied
    nowhere(key, tmp_path, result.out, result.err, caplog.text)
