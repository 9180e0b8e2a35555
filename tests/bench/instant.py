"""A provider in this process that answers at once, or after a while: what a run costs beside its waits.

    provider = Provider(latency=0.1)
    with provider.installed():
        api.run(path, environment=ENVIRONMENT)
    provider.posts, provider.gets, provider.most

It keeps the contract of AIML API as far as a run looks at it: each paid request gets pictures of its own of the size
that it asks for, as URLs that are then downloaded or (`inline`) within the reply.
"""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import httpx

from flowrunner import exchange, running
from flowrunner.digest import sha256

ORIGIN = "https://instant.invalid"
ENVIRONMENT = {"AIMLAPI_API_KEY": "sk-instant", "AIMLAPI_BASE_URL": ORIGIN, "HOME": "/nonexistent", "PATH": ""}
"""For a live run: the origin is the operator's, so that no host is looked up for its pictures."""
USD = 0.0126
"""The listed price of a megapixel, for flux-2 and flux-2-edit. A call that costs more than was reserved for it keeps
its slot until the ledger knows: a provider that charges too much would measure that."""
_SIZE = (512, 512)


@dataclass
class Provider(httpx.AsyncBaseTransport):
    """Stands where the network would. `latency` is seconds of each paid call, or what tells them from its request."""

    latency: float | Callable[[dict[str, Any]], float] = 0.0
    download: float = 0.0
    """Seconds of each download."""
    inline: bool = False
    """The pictures lie in the reply; nothing is downloaded."""
    posts: int = 0
    gets: int = 0
    flying: int = 0
    most: int = 0
    """Paid calls under way now, and at most at once."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """What was asked for, in order."""
    _pictures: dict[str, bytes] = field(default_factory=dict)

    @contextmanager
    def installed(self) -> Iterator["Provider"]:
        """All runs of this process send to it meanwhile."""
        with patch.object(running.Run, "_connections", lambda _: exchange.Connections(transport=self)):
            yield self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await self._given(request)
        await _traced(request, "http11.send_request_headers.started")
        body = json.loads(await request.aread())
        await _traced(request, "http11.send_request_body.complete")
        return await self._answered(request, body)

    async def _given(self, request: httpx.Request) -> httpx.Response:
        self.gets += 1
        if self.download:
            await asyncio.sleep(self.download)
        return _reply(request, self._pictures[request.url.path], "image/png")

    async def _answered(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        self.posts += 1
        call = self.posts
        self.bodies.append(body)
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            seconds = self.latency(body) if callable(self.latency) else self.latency
            if seconds:
                await asyncio.sleep(seconds)
        finally:
            self.flying -= 1
        data = [self._shown(png(*_size(body), f"{call} {number}")) for number in range(body.get("num_images", 1))]
        said = json.dumps({"data": data, "meta": None}).encode()
        return _reply(request, said, "application/json", ("x-aimlapi-usd-spent", _charge(body)))

    def _shown(self, data: bytes) -> dict[str, str | None]:
        if self.inline:
            return {"url": None, "b64_json": base64.b64encode(data).decode()}
        path = f"/pictures/{sha256(data)}.png"
        self._pictures[path] = data
        return {"url": f"{ORIGIN}{path}", "b64_json": None}


def _reply(request: httpx.Request, body: bytes, kind: str, *more: tuple[str, str]) -> httpx.Response:
    """As it comes from a network: with its headers, and its body as a stream."""
    headers = [("content-type", kind), ("content-length", str(len(body))), *more]
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body), request=request)


async def _traced(request: httpx.Request, event: str) -> None:
    trace = request.extensions.get("trace")
    if trace is not None:
        await trace(event, {})


def _size(body: dict[str, Any]) -> tuple[int, int]:
    asked = body.get("image_size")
    return (asked["width"], asked["height"]) if isinstance(asked, dict) else _SIZE


def _charge(body: dict[str, Any]) -> str:
    """Its pictures and those it is given, all of them counted as of one megapixel."""
    return f"{USD * (body.get('num_images', 1) + len(body.get('image_urls', ()))):.4f}"


def png(width: int, height: int, seed: str) -> bytes:
    """A blank picture of one bit a pixel, with the seed in a comment: a few hundred bytes that a viewer takes."""
    head, tail = _frame(width, height)
    return head + _chunk(b"tEXt", b"Comment\0" + seed.encode()) + tail


@lru_cache(maxsize=64)
def _frame(width: int, height: int) -> tuple[bytes, bytes]:
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = (b"\0" + bytes((width + 7) // 8)) * height
    return head, _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
