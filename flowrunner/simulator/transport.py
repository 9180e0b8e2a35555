"""The simulator in process: an httpx transport that opens no socket.

Imported only where a run is simulated, since it needs httpx from the first line.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from ipaddress import ip_address

import httpx

from flowrunner.catalog import Catalog
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.wire import End, Reply
from flowrunner.sockets import Sockets, secure

_CLOSED = "the simulated connection closed"


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Answers every request itself, whatever its host. `requests` are the method and path of each, in order. A fault of
    the connection raises what httpx would raise."""

    def __init__(self, simulator: Simulator, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._simulator = simulator
        self._sleep = sleep
        self.requests: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.raw_path.decode("ascii")
        self.requests.append((method, path))
        await _trace(request, "http11.send_request_headers.started")
        reply = self._simulator.unread(method, path)
        if reply is None:
            body = await request.aread()
            await _trace(request, "http11.send_request_body.complete")
            # Drawing takes a tenth of a second; a thread keeps the event loop free for the other calls.
            reply = await asyncio.to_thread(self._simulator.handle, method, path, dict(request.headers), body)
        if reply.wait:
            await self._sleep(reply.wait)
        return self._response(reply, request)

    def _response(self, reply: Reply, request: httpx.Request) -> httpx.Response:
        match reply.end:
            case End.UNREAD:
                raise httpx.WriteError(_CLOSED, request=request)
            case End.RESET:
                raise httpx.ReadError(_CLOSED, request=request)
            case End.NOTHING | End.HEAD:
                raise httpx.RemoteProtocolError(_CLOSED, request=request)
        sized = {} if reply.end is End.UNSIZED else {"content-length": str(len(reply.body))}
        stream = _Stream(reply, self._sleep)
        return httpx.Response(reply.status, headers={**reply.headers, **sized}, stream=stream, request=request)


class _Stream(httpx.AsyncByteStream):
    """A body as a socket would give it."""

    def __init__(self, reply: Reply, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._reply = reply
        self._sleep = sleep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reply = self._reply
        cut = reply.end in (End.BODY, End.UNSIZED)
        body = reply.body[: len(reply.body) // 2] if cut else reply.body
        step = 1 if reply.pause else len(body)
        for at in range(0, len(body), step or 1):
            yield body[at : at + step]
            if reply.pause:
                await self._sleep(reply.pause)
        if reply.end is End.BODY:
            raise httpx.RemoteProtocolError(_CLOSED)


async def _trace(request: httpx.Request, event: str) -> None:
    """Tells how far a request has come, as httpcore does."""
    heard = request.extensions.get("trace")
    if heard is not None:
        await heard(event, {})


class Mixed(httpx.AsyncBaseTransport):
    """Requests to loopback go over a socket, to a simulator that is served there; all others are answered in process:
    a simulated run reaches nobody else."""

    def __init__(self, simulated: SimulatedTransport) -> None:
        self._simulated = simulated
        self._sockets = Sockets(secure)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self._sockets if is_loopback(request.url.host) else self._simulated
        return await chosen.handle_async_request(request)

    async def aclose(self) -> None:
        await self._sockets.aclose()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def transport(catalog: Catalog, faults: Iterable[str] = ()) -> SimulatedTransport:
    """A transport with a simulator of its own, which keeps its pictures as long as the transport lives."""
    return SimulatedTransport(Simulator(catalog, faults=faults))
