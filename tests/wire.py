"""A provider in this process: it keeps the contract of AIML API, answers at once, and writes down what it is asked."""

import base64
import json
import struct
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import httpx

from flowrunner.digest import sha256

Answer = Callable[[dict[str, Any]], httpx.Response]


@lru_cache(maxsize=256)
def png(width: int, height: int, seed: str = "") -> bytes:
    """A picture of one bit a pixel whose bytes follow from the seed."""
    row = b"\0" + bytes((width + 7) // 8)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + seed.encode()),
        (b"IDAT", zlib.compress(row * height, 1)),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def reply(pictures: list[bytes], usd: str | None = "0.0315") -> httpx.Response:
    """The documented answer with the pictures in it, and what it cost."""
    data = [{"url": None, "b64_json": base64.b64encode(data).decode()} for data in pictures]
    headers = {"x-aimlapi-usd-spent": usd} if usd is not None else {}
    return httpx.Response(200, headers=headers, json={"data": data, "meta": None})


def painted(body: dict[str, Any]) -> httpx.Response:
    """As many pictures as are asked for, of the size that is asked for; the same request gives the same."""
    size = body.get("image_size")
    width, height = (size["width"], size["height"]) if isinstance(size, dict) else (1024, 768)
    seed = sha256(json.dumps(body, sort_keys=True).encode())
    return reply([png(width, height, f"{seed}{n}") for n in range(int(body.get("num_images", 1)))])


def error(status: int, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"message": message, "statusCode": str(status)})


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """`sent` are the bodies of all POSTs, in order; `coming` answers the next ones before `answer` does the others."""

    answer: Answer = painted
    coming: deque[httpx.Response | Exception] = field(default_factory=deque)
    sent: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread())
        self.sent.append(body)
        self.headers.append(dict(request.headers))
        found = self.coming.popleft() if self.coming else self.answer(body)
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content, request=request)

    @property
    def prompts(self) -> list[str]:
        return [body.get("prompt", "") for body in self.sent]
