"""One HTTP exchange, as values: what came back, proof that nothing left, or that nobody can tell. It knows no money.

Times are in seconds and total: httpx itself limits single operations only. Sentences are our own: the texts of httpx
and h11 quote headers, and with them keys.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from flowrunner import network
from flowrunner.bodies import Body, Broken, Outgoing, head_of, outgoing
from flowrunner.errors import RunRefused, UsageError
from flowrunner.providers.base import Credential, Request, Response
from flowrunner.slotted import dataclass, field

if TYPE_CHECKING:
    import ssl

    import httpx

    from flowrunner.credentials import Secret

CALL_S = 300.0
CONNECT_S = 10.0
WRITE_S = 60.0
REPLY_LIMIT = 16 * 1024 * 1024
"""Decoded bytes of a reply that is no image."""
HEADERS: Mapping[str, str] = MappingProxyType(
    {"User-Agent": "flowrunner", "Accept": "*/*", "Accept-Encoding": "identity"}
)
PARTIAL_LIMIT = 64 * 1024
"""Bytes of a broken reply that are kept as evidence."""
_SENTENCES = {
    "PoolTimeout": f"no connection became free within {CONNECT_S:g} s",
    "ConnectTimeout": f"no connection within {CONNECT_S:g} s",
    "ConnectError": "the connection could not be made",
    "ProxyError": "the proxy turned the connection down",
    "WriteTimeout": f"the other side took nothing for {WRITE_S:g} s",
    "WriteError": "the connection broke while sending",
    "ReadTimeout": "the other side fell silent",
    "ReadError": "the connection broke",
    "RemoteProtocolError": "the connection ended early, or what came was not HTTP",
}

Clock: TypeAlias = Callable[[], float]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Random: TypeAlias = Callable[[], float]


class Stage(StrEnum):
    """How far a request had come when it was lost."""

    WHILE_SENDING = "while sending"
    NO_REPLY = "no reply"
    IN_THE_REPLY = "in the reply"


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proof that no byte of the request left."""

    reason: str


class Withdrawn(asyncio.CancelledError):
    """Cancelled, with the proof that no byte of the request had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The request left, at least in part, and no complete reply came. `status` and `headers` where they still came."""

    reason: str
    after: Stage
    partial: bytes = b""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A provider's origin, and what goes there and nowhere else."""

    transport: "httpx.AsyncBaseTransport"
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With the credential in them."""


class Connections:
    """The connections of one run: apart for each provider's origin, and for downloads, which carry no credential.

    They are transports, without httpx's client: so no redirect is followed, no cookie kept, and no proxy, .netrc or
    certificate taken from the environment, which may be a workflow's. A connection carries one request: a kept one may
    die at the moment it is used again, which for a paid request would be "maybe billed"; it would also carry one CDN's
    request on a connection that another one's certificate opened. `transport` puts another transport (a simulator in
    this process) in the place of the network."""

    def __init__(self, *, transport: "httpx.AsyncBaseTransport | None" = None) -> None:
        self._given = transport
        self._made: dict[tuple[str, str | None], httpx.AsyncBaseTransport] = {}
        self._context: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._made.values():
            await transport.aclose()

    def endpoint(
        self, base_url: str, *, headers: Mapping[str, str] = MappingProxyType({}), proxy: str | None = None
    ) -> Endpoint:
        """A provider's origin with connections of its own; `headers` hold the credential, `proxy` is the operator's.
        UsageError for what is no origin."""
        try:
            transport = self._transport(network.origin(base_url), proxy)
        except ValueError as error:
            raise UsageError(str(error), "write an origin as https://host or https://host:port") from None
        return Endpoint(transport=transport, base_url=base_url, headers=headers)

    @property
    def downloads(self) -> "httpx.AsyncBaseTransport":
        return self._transport("", None)

    def _transport(self, origin: str, proxy: str | None) -> "httpx.AsyncBaseTransport":
        if self._given:
            return self._given
        key = (origin, proxy)
        if key not in self._made:
            self._made[key] = self._new(proxy)
        return self._made[key]

    def _new(self, proxy: str | None) -> "httpx.AsyncBaseTransport":
        from flowrunner.sockets import Proxied, Sockets

        return Proxied(self._secure, proxy) if proxy else Sockets(self._secure)

    def _secure(self) -> "ssl.SSLContext":
        """One for all connections: to make it takes longer than a request."""
        from flowrunner.sockets import secure

        self._context = self._context or secure()
        return self._context


class Gate:
    """The pace of one provider: its requests evenly spaced, all of them held while it asks to wait."""

    def __init__(self, requests_per_minute: int | None, *, clock: Clock, sleep: Sleep) -> None:
        self._spacing = 60 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._sleep = sleep
        self._free = clock()

    @property
    def is_open(self) -> bool:
        """Whether a turn comes at once."""
        return self._free <= self._clock()

    async def turn(self) -> None:
        """Comes back when the next request may be sent."""
        while (wait := self._free - self._clock()) > 0:
            await self._sleep(wait)
        self._free = self._clock() + self._spacing

    def pause(self, seconds: float) -> None:
        """Holds every worker of the provider: a 429 to one is meant for all."""
        self._free = max(self._free, self._clock() + seconds)


def jitter(attempt: int, random: Random, *, base: float = 1.0, cap: float = 20.0) -> float:
    """Seconds to wait after a failed attempt (the first is 0): anything up to a bound that doubles, full jitter."""
    bound: float = min(cap, base * 2**attempt)
    return random() * bound


def authorization(credential: Credential, key: "Secret") -> Mapping[str, str]:
    """The header that carries a key."""
    return {credential.header: credential.form.format(key.reveal())}


async def send(
    to: Endpoint,
    request: Request,
    *,
    deadline_s: float = CALL_S,
    limit_bytes: int = REPLY_LIMIT,
    stopped: Callable[[], str] = str,
) -> Response | NotSent | Lost:
    """Makes one request, once: no redirect, no repetition. `stopped` is asked when the connection stands, just before
    the first byte, and a reason that it gives keeps the request here. RunRefused when its path leads away from the
    origin; Withdrawn when it is cancelled before the first byte."""
    import httpx

    trail = _Trail(limit_bytes, stopped)
    prepared = _prepared(to, request, trail)
    try:
        async with asyncio.timeout(deadline_s):
            answer = await to.transport.handle_async_request(prepared)
            try:
                return await _complete(answer, trail)
            finally:
                await answer.aclose()
    except TimeoutError:
        return trail.ended(f"no complete reply within {deadline_s:g} s")
    except asyncio.CancelledError:
        if isinstance(trail.ended(""), NotSent):
            raise Withdrawn from None
        raise
    except _Held as held:
        return NotSent(held.reason)
    except (httpx.PoolTimeout, httpx.ConnectTimeout, httpx.ConnectError, httpx.ProxyError) as error:
        return NotSent(reason(error))  # these are raised before a request's first byte only
    except Broken as error:
        return trail.ended(error.reason)
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        return trail.ended(reason(error))


class _Held(Exception):
    """The request was kept back at the last moment."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Trail:
    """How far one request got, by the events of the transport and by what was read."""

    def __init__(self, limit: int, stopped: Callable[[], str]) -> None:
        self.body = Body(limit)
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self._stopped = stopped
        self.left = 0
        self.total = 0
        """Bytes of the request's body that were handed to the network, and of the whole."""
        self._traced = False
        self._stage: Stage | None = None

    async def note(self, event: str, _: Mapping[str, Any]) -> None:
        """An event of httpcore. The start of the headers counts as the first byte: it cannot be later than that."""
        self._traced = True
        match event.partition(".")[2]:
            case "send_request_headers.started":
                if reason := self._stopped():
                    raise _Held(reason)
                self._stage = Stage.WHILE_SENDING
            case "send_request_body.complete":
                self._stage = Stage.NO_REPLY

    def ended(self, reason: str) -> NotSent | Lost:
        """The value for a request that failed; a transport without events proves nothing."""
        if self._traced and self._stage is None:
            return NotSent(reason)
        after = Stage.IN_THE_REPLY if self.status is not None else self._stage or Stage.NO_REPLY
        if after is Stage.WHILE_SENDING:
            reason = f"{reason}; of the request's {self.total:,} bytes at most {self.left:,} had left"
        partial = bytes(self.body.data[:PARTIAL_LIMIT])
        return Lost(reason=reason, after=after, partial=partial, status=self.status, headers=self.headers)


def _prepared(to: Endpoint, request: Request, trail: _Trail) -> "httpx.Request":
    import httpx

    sent = {**HEADERS, **request.headers, **to.headers}
    body = outgoing(request)
    if body is not None:
        trail.total = body.length
        sent |= {"Content-Type": body.content_type, "Content-Length": str(trail.total)}
    return httpx.Request(
        "GET" if body is None else "POST",
        _below(to.base_url, request.path),
        content=None if body is None else _counted(body, trail),
        headers=sent,
        extensions={"trace": trail.note, "timeout": _LIMITS},
    )


_LIMITS = {"connect": CONNECT_S, "read": None, "write": WRITE_S, "pool": CONNECT_S}
"""Seconds of single operations, by httpx's names."""


async def _counted(body: Outgoing, trail: _Trail) -> AsyncIterator[bytes]:
    """The body in pieces, so that it is known how much of it went before a connection broke."""
    for piece in body.pieces():
        trail.left += len(piece)
        yield piece


@lru_cache(maxsize=64)
def _below(base_url: str, path: str) -> "httpx.URL":
    """Where a request goes. A model's path may come from a file of the project: it must not lead a key to another
    origin. All calls of a model go to one URL, and to take it apart is a tenth of what a request costs."""
    import httpx

    url = base_url.rstrip("/") + path
    try:
        leads = not path.startswith("/") or network.origin(url) != network.origin(base_url)
    except ValueError:
        leads = True
    if leads or re.search(r"/\.{1,2}(/|$|[?#])", path):
        raise RunRefused(f"the path {path!r} leads away from {base_url}", "a model's path begins with one /")
    return httpx.URL(url)


async def _complete(answer: "httpx.Response", trail: _Trail) -> Response:
    trail.status = answer.status_code
    trail.headers = head_of(answer)
    await trail.body.fill(answer, trail.headers)
    return Response(trail.status, trail.headers, bytes(trail.body.data))


def reason(error: BaseException) -> str:
    """One sentence of our own on a failure of the transport."""
    import socket
    import ssl

    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"the certificate is not good: {cause.verify_message}"
            case ssl.SSLError():
                return "the TLS connection failed"
            case socket.gaierror():
                return "the host's name cannot be resolved"
            case ConnectionRefusedError():
                return "the connection was refused"
    return _SENTENCES.get(type(error).__name__, "the connection broke")


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what led to it, through the layers of httpx, httpcore and anyio."""
    found: list[BaseException] = []
    while error and len(found) < 20:
        found.append(error)
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = inner or error.__cause__ or error.__context__
    return found
