"""What goes over the wire, and its floors: `python -m bench.wires NAME COUNT SLOTS`, with a provider that is served."""

import asyncio
import base64
import hashlib
import http.client
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

BODY = b'{"prompt":"p","image_urls":["data:image/png;base64,', b'"]}'
PATH = "/v1/images/generations"


def origin() -> str:
    return os.environ["AIMLAPI_BASE_URL"]


def own(count: int, slots: int) -> None:
    """Downloads as a run makes them, hashed and written, each into a draft of its own."""
    asyncio.run(_own(count, slots))


async def _own(count: int, slots: int) -> None:
    from flowrunner.downloads import Downloads, FetchFailed
    from flowrunner.exchange import Connections
    from flowrunner.network import judge
    from flowrunner.store.objects import Objects

    objects = Objects(Path("store"))
    async with Connections() as connections:
        downloads = Downloads(
            transport=connections.downloads,
            judge=partial(judge, allowed_origins=(origin(),)),
            clock=time.monotonic,
            sleep=asyncio.sleep,
            random=random.random,
            slots=asyncio.Semaphore(slots),
        )

        async def one(number: int) -> None:
            found = await downloads.save(f"{origin()}/pictures/{number}.png", objects.writer)
            assert not isinstance(found, FetchFailed), found.reason
            assert found.sha256
            found.discard()

        await asyncio.gather(*(one(number) for number in range(count)))


def pool(count: int, slots: int) -> None:
    """Downloads with one httpx client whose pool has so many connections, hashed and written."""
    asyncio.run(_client(count, slots, count))


def client(count: int, slots: int) -> None:
    """The same, with no more requests at a time than connections."""
    asyncio.run(_client(count, slots, slots))


async def _client(count: int, slots: int, most: int) -> None:
    import httpx

    free = asyncio.Semaphore(most)

    async def one(number: int) -> None:
        async with free, asked.stream("GET", f"{origin()}/pictures/{number}.png") as answer:
            digest = hashlib.sha256()
            with _file(number).open("wb") as file:
                async for piece in answer.aiter_bytes():
                    digest.update(piece)
                    file.write(piece)

    limits = httpx.Limits(max_connections=slots)
    async with httpx.AsyncClient(timeout=None, limits=limits) as asked:  # the last one waits for all others
        await asyncio.gather(*(one(number) for number in range(count)))


def threads(count: int, slots: int) -> None:
    """Downloads with threads of http.client, hashed and written."""
    own = threading.local()

    def one(number: int) -> None:
        connection = _connection(own)
        connection.request("GET", f"/pictures/{number}.png")
        answer = connection.getresponse()
        digest = hashlib.sha256()
        with _file(number).open("wb") as file:
            while piece := answer.read(1 << 18):
                digest.update(piece)
                file.write(piece)

    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(one, range(count)))


def uploads(count: int, slots: int) -> None:
    """Pictures of this folder, hashed and sent as data URIs, with threads of http.client."""
    own = threading.local()

    def one(number: int) -> None:
        data = Path(f"p{number}.png").read_bytes()
        hashlib.sha256(data).digest()
        body = base64.b64encode(data).join(BODY)
        connection = _connection(own)
        connection.request("POST", PATH, body, {"content-type": "application/json"})
        connection.getresponse().read()

    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(one, range(count)))


def sent(count: int, slots: int) -> float:
    """The same requests as a run sends them, without what it writes down."""
    return asyncio.run(_sent(count, slots)) / (0.1 * count / slots)


async def _sent(count: int, slots: int) -> float:
    from flowrunner.exchange import Connections, send
    from flowrunner.providers.base import Request, Response

    free = asyncio.Semaphore(slots)
    async with Connections() as connections:
        endpoint = connections.endpoint(origin())

        async def one() -> None:
            async with free:
                assert isinstance(await send(endpoint, Request(path=PATH, json={"prompt": "p"})), Response)

        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - begin


def calls(count: int, slots: int) -> float:
    """Small requests of a tenth of a second with one httpx client, times the shortest possible."""
    return asyncio.run(_calls(count, slots)) / (0.1 * count / slots)


async def _calls(count: int, slots: int) -> float:
    import httpx

    free = asyncio.Semaphore(slots)

    async def one() -> None:
        async with free:
            await asked.post(f"{origin()}{PATH}", json={"prompt": "p"})

    limits = httpx.Limits(max_connections=slots)
    async with httpx.AsyncClient(timeout=60, limits=limits) as asked:
        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - begin


def _connection(own: threading.local) -> http.client.HTTPConnection:
    if not hasattr(own, "connection"):
        own.connection = http.client.HTTPConnection(urlsplit(origin()).netloc)
    found: http.client.HTTPConnection = own.connection
    return found


def _file(number: int) -> Path:
    folder = Path("floor")
    folder.mkdir(exist_ok=True)
    return folder / f"{number}.png"


MEASURES: dict[str, Callable[[int, int], float | None]] = {
    "own": own,
    "pool": pool,
    "client": client,
    "threads": threads,
    "uploads": uploads,
    "sent": sent,
    "calls": calls,
}

if __name__ == "__main__":
    found = MEASURES[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    if found is not None:
        print(found)
