"""The same faults over a socket: what a run says that talks to `flowrunner simulate --fault`."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from rehearsal import Rehearsal, following, quick
from support import Result, Time, cli

from flowrunner import exchange, network
from flowrunner.catalog.load import load
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.exchange import Connections, Lost, Stage
from flowrunner.network import Judged, Refusal
from flowrunner.providers.base import Request
from flowrunner.simulator.server import Served, serve

BODY = {"model": "blackforestlabs/flux-2-pro", "prompt": "A vase", "image_size": {"width": 512, "height": 512}}


def ran(folder: Path, *rules: str, pipeline: str = "aimlapi.yaml", port: int = 0) -> tuple[Result, list[Served]]:
    """A simulated run against a server with these faults; what the server heard."""
    Rehearsal(folder)
    heard: list[Served] = []
    with quick(Time()), serve(load(), faults=rules, on_request=heard.append) as origin:
        base = f"http://127.0.0.1:{port}" if port else origin
        env = {"AIMLAPI_BASE_URL": base, "ONEMIN_BASE_URL": base}
        result = cli("run", pipeline, "--simulate", "--format", "json", cwd=folder, env=env)
    return result, heard


@pytest.mark.parametrize(
    ("rule", "posts", "gets", "status", "words"),
    [
        ("drop", 1, 0, "unknown", "sent, and no reply came"),
        pytest.param("reset", 1, 0, "unknown", "sent, and no reply came", marks=pytest.mark.slow),
        ("unread", 1, 0, "unknown", "may have been billed, up to $0.032"),
        pytest.param("cut-head", 1, 0, "unknown", "sent, and no reply came", marks=pytest.mark.slow),
        ("cut", 1, 0, "unknown", "sent, and the reply (HTTP 200) is not whole"),
        pytest.param("cut-gzip", 1, 0, "unknown", "its compression is cut", marks=pytest.mark.slow),
        pytest.param("cut-unsized", 1, 0, "failed", "it is not JSON", marks=pytest.mark.slow),
        pytest.param("504", 1, 0, "unknown", "HTTP 504: Generation timeout", marks=pytest.mark.slow),
        pytest.param(
            "302 to=http://127.0.0.1:1/",
            1,
            0,
            "unknown",
            "redirected to http://127.0.0.1:1; a paid request follows no",
            marks=pytest.mark.slow,
        ),
        pytest.param("429 retry-after=1 at=1", 2, 1, "done", "again in 1 s (1 of 3)", marks=pytest.mark.slow),
        pytest.param("skew seconds=900", 1, 1, "done", "clock of aimlapi is", marks=pytest.mark.slow),
        ("expired", 1, 1, "failed", "paid, and the file is gone: HTTP 403"),
        pytest.param(
            "cut on=download", 1, 5, "failed", "paid, but the picture could not be kept", marks=pytest.mark.slow
        ),
        ("reset on=download at=1", 1, 2, "done", ""),
        pytest.param(
            "cut-unsized on=download", 1, 2, "failed", "fetched again, it is the same", marks=pytest.mark.slow
        ),
        pytest.param(
            "302 on=download to=http://169.254.169.254/", 1, 1, "failed", "it is not https", marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_meets_a_served_fault_as_it_meets_one_in_process(
    tmp_path: Path, rule: str, posts: int, gets: int, status: str, words: str
) -> None:
    result, heard = ran(tmp_path, rule)
    assert [one.method for one in heard] == ["POST"] * posts + ["GET"] * gets
    assert (result.json["cells"][0]["status"], result.exit_code) == (status, 0 if status == "done" else 1)
    assert words in result.err
    assert rule in {one.fault for one in heard}


def test_a_refused_connection_is_tried_three_times_and_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        result, heard = ran(tmp_path, port=closed.getsockname()[1])
    assert (heard, result.json["cells"][0]["status"], result.json["paid_calls"]) == ([], "failed", 0)
    assert "fail  scene  aimlapi  not billed  not sent: the connection was refused; tried 3 times" in result.err
    assert following(result.err) == "run aimlapi.yaml --simulate"


def test_a_second_run_goes_on_from_the_receipt(tmp_path: Path) -> None:
    """The server stays up, with all pictures: nothing is asked for twice."""
    Rehearsal(tmp_path)
    heard: list[Served] = []
    with quick(Time()), serve(load(), faults=["cut on=download times=5"], on_request=heard.append) as origin:
        env = {"AIMLAPI_BASE_URL": origin}
        codes = [cli("run", "aimlapi.yaml", "--simulate", cwd=tmp_path, env=env).exit_code for _ in range(2)]
    assert (codes, sum(one.method == "POST" for one in heard)) == ([1, 0], 1)


async def dripped(origin: str, deadline: float) -> Lost:
    async with Connections() as connections:
        endpoint = connections.endpoint(origin, headers={"Authorization": "Bearer x"})
        request = Request(path="/v1/images/generations", json=BODY)
        found = await exchange.send(endpoint, request, deadline_s=deadline)
    assert isinstance(found, Lost)
    return found


async def trickled(origin: str, deadline: float) -> FetchFailed:
    async def judge(url: str) -> Judged | Refusal:
        return await network.judge(url, allowed_origins=[origin])

    async with Connections() as connections:
        sleep, clock = asyncio.sleep, time.monotonic
        desk = Downloads(transport=connections.downloads, judge=judge, clock=clock, sleep=sleep, random=lambda: 0.0)
        found = await desk.get(f"{origin}/files/any.png", deadline_s=deadline)
    assert isinstance(found, FetchFailed)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.05, 0.4])
def test_a_slow_drip_ends_half_a_second_after_the_deadline_at_the_latest(pause: float) -> None:
    rules = [f"drip pause={pause}", f"drip on=download pause={pause}"]
    with quick(Time()), serve(load(), faults=rules) as origin:
        begun = time.monotonic()
        found = asyncio.run(dripped(origin, 2.0))
        middle = time.monotonic()
        failed = asyncio.run(trickled(origin, 2.0))
        ended = time.monotonic()
    assert (found.after, "no complete reply within 2 s" in found.reason) == (Stage.IN_THE_REPLY, True)
    assert "not complete within" in failed.reason or "HTTP 404" in failed.reason
    assert 2.0 <= middle - begun <= 2.5
    assert ended - middle <= 2.5
