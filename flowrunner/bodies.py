"""Bodies of requests, made of parts that are joined on their way out, and of replies: received in pieces, decoded,
bounded, and kept in memory or handed on as they come.
"""

import asyncio
import binascii
import json
import re
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from flowrunner.providers.base import Inline, Request
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    import httpx

BLOCK = 256 * 1024
"""Bytes of a body that are decoded, and handed to a sink, at once."""


PIECE = 192 * 1024
"""Bytes of a request's body that are handed to the network at once; of a picture, before they are base64."""
SMALL = 64 * 1024
"""Bytes that take the event loop less than to hand them to a thread."""
_LENGTH = re.compile(r"[0-9]{1,18}")
P = ParamSpec("P")
T = TypeVar("T")
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request's body."""

    content_type: str
    parts: tuple[bytes | Inline, ...]

    @property
    def length(self) -> int:
        return sum(_base64_length(part.data) if isinstance(part, Inline) else len(part) for part in self.parts)

    def pieces(self) -> Iterator[bytes]:
        for part in self.parts:
            inline = isinstance(part, Inline)
            data = memoryview(part.data if isinstance(part, Inline) else part)
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                yield binascii.b2a_base64(piece, newline=False) if inline else bytes(piece)


def outgoing(request: Request) -> Outgoing | None:
    """The body of a request; None where it has none."""
    if request.json is not None:
        return Outgoing("application/json", tuple(_json(request.json)))
    if request.file is None:
        return None
    name, media_type, data = request.file
    boundary = secrets.token_hex(16)
    names = f'name="{request.part.translate(_QUOTED)}"; filename="{name.translate(_QUOTED)}"'
    head = f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\nContent-Type: {media_type}\r\n\r\n"
    parts = (head.encode(), data, f"\r\n--{boundary}--\r\n".encode())
    return Outgoing(f"multipart/form-data; boundary={boundary}", parts)


def _json(tree: Any) -> Iterator[bytes | Inline]:
    """JSON whose pictures are parts of their own: to write them as texts takes twenty times as long."""
    found: dict[str, Inline] = {}
    name = ""

    def named(value: Any) -> Any:
        nonlocal name
        if isinstance(value, Inline):
            name = name or secrets.token_hex(16)  # that no text of the tree is equal to
            found[f"{name}{len(found)}."] = value
            return f"{name}{len(found) - 1}."
        if isinstance(value, Mapping):
            return {key: named(item) for key, item in value.items()}
        return [named(item) for item in value] if isinstance(value, list | tuple) else value

    rest = json.dumps(named(tree), allow_nan=False, separators=(",", ":"))
    for key, inline in found.items():
        before, _, rest = rest.partition(f'"{key}"')
        yield f"{before}{json.dumps(str(inline))[:-1]}".encode()
        yield inline
        rest = f'"{rest}'
    yield rest.encode()


def _base64_length(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4


async def apart(size: int, do: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What `do` makes of so many bytes: in a thread where they are many, for the event loop has others to serve."""
    return await asyncio.to_thread(do, *given, **named) if size > SMALL else do(*given, **named)


class Broken(Exception):
    """A body that is not what its head says, or is larger than allowed (`final`: it will be so again)."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Sink(Protocol):
    """Where a body goes that is not kept in memory."""

    def write(self, chunk: bytes) -> object:
        """Takes the next bytes, many of them in a thread beside the event loop; one call at a time."""

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

    async def fill(
        self, answer: "httpx.Response", head: Mapping[str, str], watch: Callable[[int], None] | None = None
    ) -> None:
        """Everything of a reply whose `head` is known; what came so far is in `data` also when it breaks. `watch` sees
        the count after each piece, and may raise Broken."""
        if answer.is_stream_consumed:  # of a transport in this process: complete, and decoded, from the start
            await self._came(answer.content)
            return await self._hand_on()
        if head.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}:
            self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, as its head says
        pieces: Any = answer.stream
        most = self._limit + self._limit // 64 + SMALL  # what cannot be compressed gets a little longer by it
        async for piece in pieces:
            self.received += len(piece)
            await self._came(piece)
            if self.received > most:
                raise self._too_large()
            if watch:
                watch(self.received)
        await self._hand_on()
        return self._check_whole(declared(head))

    async def _came(self, piece: bytes) -> None:
        if self._sink is None:
            return self._take(piece)
        self._due.append(piece)
        self._due_size += len(piece)
        if self._due_size >= BLOCK:
            await self._hand_on()
        return None

    async def _hand_on(self) -> None:
        """What is due, to a thread where it is much: hashing, inflating and writing take longer than receiving."""
        if self._due:
            pieces, self._due, self._due_size = self._due, [], 0
            size = BLOCK if self._inflate else sum(map(len, pieces))  # a few bytes may inflate to many
            await apart(size, lambda: self._take(b"".join(pieces)))

    def _take(self, piece: bytes) -> None:
        for part in self._decoded(piece) if self._inflate else (piece,):
            room = self._limit - self._size
            self._size += len(part)
            self._keep(part if len(part) <= room else part[:room])
            if self._size > self._limit:
                raise self._too_large()

    def _too_large(self) -> Broken:
        return Broken(f"larger than {self._limit // 1024 // 1024} MiB", final=True)

    def _keep(self, part: bytes) -> None:
        if self._sink is None:
            self.data += part
        else:
            self._sink.write(part)

    def _decoded(self, piece: bytes) -> Iterator[bytes]:
        """In parts: however small a piece is, it may hold gigabytes. What follows the end is left, for zlib would keep
        all of it."""
        part = b""
        while not self._inflate.eof and (piece or len(part) == BLOCK):
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


def head_of(answer: "httpx.Response") -> Mapping[str, str]:
    """The headers of a reply, their names in small letters. To ask httpx for one of them takes as long as for all."""
    return dict(answer.headers.items())


def declared(head: Mapping[str, str]) -> int | None:
    """The body's length in bytes as the head of a reply states it, unless chunks say it themselves (RFC 9112, 6.3)."""
    text = "" if "transfer-encoding" in head else head.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else None
