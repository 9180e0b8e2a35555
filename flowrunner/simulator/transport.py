"""The simulator in process: an httpx transport that opens no socket.

Imported only where a run is simulated, since it needs httpx from the first line.
"""

import asyncio
from ipaddress import ip_address

import httpx

from flowrunner.catalog import Catalog
from flowrunner.simulator.contract import Simulator


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Answers every request itself, whatever its host. `requests` are the method and path of each, in order."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.requests: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.raw_path.decode("ascii")
        self.requests.append((method, path))
        body = await request.aread()
        # Drawing takes a tenth of a second; a thread keeps the event loop free for the other calls.
        reply = await asyncio.to_thread(self._simulator.handle, method, path, dict(request.headers), body)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body, request=request)


class Mixed(httpx.AsyncBaseTransport):
    """Requests to loopback go over a socket, to a simulator that is served there; all others are answered in process:
    a simulated run reaches nobody else."""

    def __init__(self, simulated: SimulatedTransport) -> None:
        self._simulated = simulated
        self._sockets = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

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


def transport(catalog: Catalog) -> SimulatedTransport:
    """A transport with a simulator of its own, which keeps its pictures as long as the transport lives."""
    return SimulatedTransport(Simulator(catalog))
