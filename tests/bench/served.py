"""A provider in a process of its own: `python -m bench.served BYTES SECONDS inline|linked` prints its origin.

It keeps the contract of AIML API as far as a run looks at it. Each paid request is read to its end and answered after
so many seconds with a picture of so many bytes, in the reply itself or under a URL. Nothing is parsed twice and no
byte of a picture is made twice, so that little of this machine's time goes here.
"""

import asyncio
import base64
import json
import random
import re
import struct
import sys
import zlib
from itertools import count
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Picture:
    """A picture of noise; each number gives another one, with a comment of its own."""

    def __init__(self, size: int, seed: int = 0) -> None:
        side = max(int((size / 3) ** 0.5), 8)
        draw = random.Random(seed)
        rows = b"".join(b"\0" + draw.randbytes(side * 3) for _ in range(side))
        self._head = _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        self._tail = _chunk(b"IDAT", zlib.compress(rows, 0)) + _chunk(b"IEND", b"")

    def pieces(self, number: int) -> tuple[bytes, bytes]:
        return self._head + _chunk(b"tEXt", b"Comment\0%d" % number), self._tail


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


class Provider(asyncio.Protocol):
    """One connection."""

    origin = ""
    numbers = count(1)

    def __init__(self, picture: Picture, seconds: float, *, inline: bool) -> None:
        self.picture, self.seconds, self.inline = picture, seconds, inline
        self.head = b""
        self.left = 0
        """Bytes of the request's body that are still to come; they are counted, not kept."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self.left:
                taken = min(self.left, len(data))
                self.left -= taken
                data = data[taken:]
                if not self.left:
                    self._answer()
                continue
            self.head, end, data = (self.head + data).partition(b"\r\n\r\n")
            if end:
                stated = _LENGTH.search(self.head)
                self.left = int(stated[1]) if stated else 0
                if not self.left:
                    self._answer()

    def _answer(self) -> None:
        line, self.head = self.head.split(b"\r\n", 1)[0], b""
        if line.startswith(b"GET"):
            number = int(line.split(b"/pictures/")[1].split(b".")[0])
            return self._send(b"image/png", *self.picture.pieces(number))
        asyncio.get_running_loop().call_later(self.seconds, self._paid, next(self.numbers))
        return None

    def _paid(self, number: int) -> None:
        url, inline = f"{self.origin}/pictures/{number}.png", None
        if self.inline:
            url, inline = "", base64.b64encode(b"".join(self.picture.pieces(number))).decode()
        body = json.dumps({"data": [{"url": url or None, "b64_json": inline}], "meta": None}).encode()
        self._send(b"application/json\r\nx-aimlapi-usd-spent: 0.0126", body)

    def _send(self, kind: bytes, *body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, sum(map(len, body)))
            self.transport.writelines([head, *body])


async def main(size: str, seconds: str, how: str) -> None:
    picture = Picture(int(size))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Provider(picture, float(seconds), inline=how == "inline"), "127.0.0.1", backlog=1024
    )
    Provider.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(Provider.origin, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
