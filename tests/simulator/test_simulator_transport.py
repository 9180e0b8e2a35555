import asyncio
import json
from typing import Any

import httpx
import pytest

from flowrunner import imagehead
from flowrunner.catalog.load import load
from flowrunner.simulator.transport import SimulatedTransport, transport

CATALOG = load()
BODY: dict[str, Any] = {
    "model": "blackforestlabs/flux-2-pro",
    "prompt": "A lamp",
    "image_size": {"width": 512, "height": 512},
}


async def post(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    url = "https://api.aimlapi.com/v1/images/generations"
    return await client.post(url, json=BODY | more, headers={"Authorization": "Bearer any"})


@pytest.fixture
def simulated() -> SimulatedTransport:
    return transport(CATALOG)


def test_a_picture_is_made_and_fetched_without_a_socket(simulated: SimulatedTransport) -> None:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=simulated) as client:
            made = await post(client)
            return await client.get(made.json()["data"][0]["url"])

    fetched = asyncio.run(run())
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.headers["x-flowrunner-simulated"] == "1"
    assert imagehead.simulated(fetched.content)
    assert [method for method, _ in simulated.requests] == ["POST", "GET"]
    assert simulated.requests[0] == ("POST", "/v1/images/generations")


def test_an_upload_by_httpx_is_understood(simulated: SimulatedTransport) -> None:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=simulated) as client:
            files = {"asset": ("ä cat.png", b"\x00\r\n--", "image/png")}
            return await client.post("https://api.1min.ai/api/assets", files=files, headers={"API-KEY": "any"})

    said = asyncio.run(run()).json()
    assert said["asset"]["size"] == 5
    assert said["asset"]["mimetype"] == "image/png"


def test_the_event_loop_is_free_while_pictures_are_drawn(simulated: SimulatedTransport) -> None:
    async def run() -> int:
        async with httpx.AsyncClient(transport=simulated) as client:
            drawing = asyncio.gather(*(post(client, seed=seed) for seed in range(1, 5)))
            turns = 0
            while not drawing.done():
                turns += 1
                await asyncio.sleep(0)
            assert {reply.status_code for reply in await drawing} == {200}
            return turns

    assert asyncio.run(run()) > 20


def test_calls_at_once_and_one_by_one_give_the_same_replies(simulated: SimulatedTransport) -> None:
    async def run(chosen: SimulatedTransport, *, at_once: bool) -> list[bytes]:
        async with httpx.AsyncClient(transport=chosen) as client:
            calls = [post(client, seed=seed) for seed in range(1, 5)]
            replies = await asyncio.gather(*calls) if at_once else [await call for call in calls]
            return [json.dumps(reply.json()).encode() for reply in replies]

    assert asyncio.run(run(simulated, at_once=True)) == asyncio.run(run(transport(CATALOG), at_once=False))
