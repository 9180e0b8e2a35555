"""Bodies of replies: received in pieces, decoded, bounded, and kept in memory or handed on as they come."""

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx

BLOCK = 256 * 1024
"""Bytes of a body that are decoded, and handed to a sink, at once."""


class Broken(Exception):
    """A body that is not what its head says, or is larger than allowed (`final`: it will be so again)."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Sink(Protocol):
    """Where a body goes that is not kept in memory."""

    def write(self, chunk: bytes) -> object:
        """Takes the next bytes, in a thread beside the event loop; one call at a time."""

    def discard(self) -> None:
        """Nothing more comes, and what came is not wanted."""


class Body:
    """A body as it arrives, decoded, and never longer than its limit: a small gzip may hold gigabytes. Without a sink
    it is kept in `data`."""

    def __init__(self, limit: int, sink: Sink | None = None) -> None:
        self.data = bytearray()
        self.received = 0
        """Bytes as they came, before decoding."""
        self._limit = limit
        self._size = 0
        self._sink = sink
        self._due: list[bytes] = []
        self._due_size = 0
        self._inflate: Any = None

    async def fill(self, answer: "httpx.Response", watch: Callable[[int], None] | None = None) -> None:
        """Everything; what came so far is in `data` also when it breaks. `watch` sees the count after each piece, and
        may raise Broken."""
        if answer.is_stream_consumed:  # of a transport in this process: complete, and decoded, from the start
            await self._came(answer.content)
            return await self._hand_on()
        if answer.headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}:
            self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, as its head says
        async for piece in answer.aiter_raw():
            self.received += len(piece)
            await self._came(piece)
            if watch:
                watch(self.received)
        await self._hand_on()
        return self._check_whole(declared(answer))

    async def _came(self, piece: bytes) -> None:
        if self._sink is None:
            return self._take(piece)
        self._due.append(piece)
        self._due_size += len(piece)
        if self._due_size >= BLOCK:
            await self._hand_on()
        return None

    async def _hand_on(self) -> None:
        """What is due, to a thread: hashing, inflating and writing take longer than receiving."""
        if self._due:
            pieces, self._due, self._due_size = self._due, [], 0
            await asyncio.to_thread(lambda: self._take(b"".join(pieces)))

    def _take(self, piece: bytes) -> None:
        for part in self._decoded(piece) if self._inflate else (piece,):
            room = self._limit - self._size
            self._size += len(part)
            self._keep(part if len(part) <= room else part[:room])
            if self._size > self._limit:
                raise Broken(f"larger than {self._limit // 1024 // 1024} MiB", final=True)

    def _keep(self, part: bytes) -> None:
        if self._sink is None:
            self.data += part
        else:
            self._sink.write(part)

    def _decoded(self, piece: bytes) -> Iterator[bytes]:
        """In parts: however small a piece is, it may hold gigabytes."""
        part = b""
        while piece or len(part) == BLOCK:
            try:
                part = self._inflate.decompress(piece, BLOCK)
            except zlib.error:
                raise Broken("its compression is broken") from None
            piece = self._inflate.unconsumed_tail
            yield part

    def _check_whole(self, length: int | None) -> None:
        if length not in (None, self.received):
            raise Broken(f"cut after {self.received} of {length} bytes")
        if self._inflate and not self._inflate.eof:
            raise Broken("its compression is cut")


def declared(answer: "httpx.Response") -> int | None:
    """The body's length in bytes as the head of a reply states it, unless chunks say it themselves (RFC 9112, 6.3)."""
    text = "" if "transfer-encoding" in answer.headers else answer.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
