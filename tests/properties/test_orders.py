"""The same pipeline and the same ledger give the same states and the same lock, whatever ends first."""

import asyncio
import json
import random
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import Shop, open_shop
from wire import Wire


class Shuffled(Wire):
    """A provider whose replies come in an order of chance."""

    chance = random.Random(0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(self.chance.randrange(40)):
            await asyncio.sleep(0)
        return await super().handle_async_request(request)


def made(folder: Path, concurrency: int, chance: random.Random, failing: int) -> tuple[bytes, list[str], bytes, bytes]:
    """A run in which one product's calls fail, if so, and one that makes up for it: lock, states, lock, outputs."""
    wire = Shuffled()
    wire.chance = chance
    with patch("flowrunner.simulator.transport.transport", lambda *_: wire):
        shop = open_shop(folder, wire)
        plain = wire.answer
        product = ("Brass lamp", "Stone vase", "")[failing]

        def answer(body: dict[str, object]) -> httpx.Response:
            refused = product and product in str(body["prompt"])
            return httpx.Response(422, json={"message": "no"}) if refused else plain(body)

        wire.answer = answer
        result = shop.result(concurrency=concurrency)
        states = sorted(f"{name} {found.status} {found.reason}" for name, found in result.results.items())
        first = shop.lock()
        wire.answer = plain
        shop.run(concurrency=concurrency)
        return first, states, shop.lock(), digests(shop)


def digests(shop: Shop) -> bytes:
    from flowrunner.digest import sha256

    found = {name: sha256(data) for name, data in shop.files().items() if name.startswith("outputs/")}
    return json.dumps(found, sort_keys=True).encode()


@pytest.mark.slow
@settings(max_examples=12)
@given(st.sampled_from([1, 2, 8]), st.randoms(use_true_random=False), st.integers(0, 2))
def test_no_order_of_ending_shows(concurrency: int, chance: random.Random, failing: int) -> None:
    with TemporaryDirectory() as folder:
        assert made(Path(folder) / "shop", concurrency, chance, failing) == usual(failing)


@lru_cache
def usual(failing: int) -> tuple[bytes, list[str], bytes, bytes]:
    """One call after the other."""
    with TemporaryDirectory() as folder:
        return made(Path(folder) / "shop", 1, random.Random(0), failing)
