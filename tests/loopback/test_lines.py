"""Connections of our own: how they are made, what they hold, and what they make of odd replies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from proxy import Proxy, forwarding
from test_sockets import REQUEST, Script, Server, http, linger, read, replying, sent

from flowrunner import sockets
from flowrunner.exchange import Connections, Lost, Stage, send
from flowrunner.providers.base import Response

OK = http(b"{}", "Content-Length: 2")


def answered(script: Script, **limits: Any) -> Response:
    found = sent(script, **limits)
    assert isinstance(found, Response), found
    return found


def at_once(number: int, proxy: str | None = None) -> tuple[list[object], int]:
    """Replies to requests of which none is answered before all are there, and the number of connections."""
    made = Counter[str]()
    together = asyncio.Barrier(number)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made["connections"] += 1
        await read(reader)
        await together.wait()
        writer.write(OK)

    async def all_of_them() -> list[object]:
        async with Server(script) as server, Connections() as connections:
            endpoint = connections.endpoint(server.url, proxy=proxy)
            return await asyncio.gather(*(send(endpoint, REQUEST, deadline_s=20) for _ in range(number)))

    return asyncio.run(all_of_them()), made["connections"]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Limits]:
    """The pools of httpx that are made from now on, by their limits."""
    pools: list[httpx.Limits] = []
    plain = httpx.AsyncHTTPTransport

    def noted(**options: Any) -> httpx.AsyncHTTPTransport:
        pools.append(options["limits"])
        return plain(**options)

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", noted)
    return pools


@pytest.mark.slow
def test_256_requests_at_once_have_a_connection_each_and_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = counted(monkeypatch)
    found, connections = at_once(256)
    assert (Counter(map(type, found)), connections, pools) == (Counter({Response: 256}), 256, [])


def test_requests_through_a_proxy_have_a_pool_of_one_connection_each(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = counted(monkeypatch)
    with forwarding() as proxy:
        found, _ = at_once(20, proxy.url)
    assert Counter(map(type, found)) == Counter({Response: 20})
    assert [(pool.max_connections, pool.max_keepalive_connections) for pool in pools] == [(1, 0)] * 20
    assert len(proxy.targets) == 20


def test_a_proxy_that_is_not_there_is_proof_of_not_sent() -> None:
    with forwarding() as gone:
        pass
    found, connections = at_once(1, Proxy(gone.url).url)
    assert ([str(one) for one in found], connections) == (["NotSent(reason='the connection was refused')"], 0)


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_a_word_in_between_is_not_the_reply(status: str) -> None:
    between = http(b"", "Link: </a>; rel=preload", status=status)
    assert answered(replying(between, between + OK, pause=0.01)).body == b"{}"


def test_a_change_of_protocol_that_nobody_asked_for_is_no_reply() -> None:
    found = sent(replying(http(b"", "Upgrade: h2c", "Connection: upgrade", status="101 Switching Protocols")))
    assert isinstance(found, Lost)
    assert found.after is Stage.NO_REPLY


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body_has_none(status: str) -> None:
    assert answered(replying(http(b"", status=status))).body == b""


@pytest.mark.parametrize(
    "body",
    [
        (http(b"", "Content-Length: 5"), b"he", b"llo", b"behind"),
        (http(b"", "Content-Length: 5") + b"hello behind",),
        (http(b""), b"he", b"llo"),
        (http(b"", "Transfer-Encoding: chunked"), b"2\r\nhe\r\n3\r", b"\nllo\r\n0\r\nX: y\r\n\r\nbehind"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello",),
    ],
)
def test_a_body_ends_where_its_head_says(body: tuple[bytes, ...]) -> None:
    assert answered(replying(*body, pause=0.01)).body == b"hello"


@pytest.mark.parametrize("head", [("Content-Length: 5", "Content-Length: 6"), ("Transfer-Encoding: gzip",)])
def test_a_head_that_leaves_the_end_of_its_body_open_is_no_reply(head: tuple[str, ...]) -> None:
    found = sent(replying(http(b"hello!", *head)))
    assert isinstance(found, Lost)
    assert found.after is Stage.NO_REPLY


def test_a_name_is_looked_up() -> None:
    async def once() -> object:
        async with Server(replying(OK)) as server, Connections() as connections:
            return await send(connections.endpoint(server.url.replace("127.0.0.1", "localhost")), REQUEST)

    assert isinstance(asyncio.run(once()), Response)


def test_who_is_read_slowly_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is sent, little more than `ROOM` lies here."""
    most = 0
    plain = sockets._Line.data_received

    def noted(self: sockets._Line, data: bytes) -> None:
        nonlocal most
        plain(self, data)
        most = max(most, self._waiting)

    monkeypatch.setattr(sockets._Line, "data_received", noted)

    async def slowly() -> int:
        long = 8 * 1024 * 1024
        script = replying(http(b"", f"Content-Length: {long}"), *[bytes(2**20)] * 8)
        async with Server(script) as server:
            answer = await sockets.Sockets(sockets.secure).handle_async_request(httpx.Request("GET", server.url))
            got = 0
            async for piece in answer.aiter_raw():
                got += len(piece)
                await asyncio.sleep(0.001)
            return got

    assert asyncio.run(slowly()) == 8 * 1024 * 1024
    assert sockets.ROOM <= most < 3 * sockets.ROOM


def test_who_takes_nothing_stops_what_is_sent() -> None:
    """Pieces of a request are made when the other side has taken those before."""
    made = Counter[str]()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1024):
            made["pieces"] += 1
            yield bytes(2**16)

    async def once() -> None:
        over = asyncio.Event()

        async def deaf(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
            await over.wait()

        async with Server(deaf) as server:
            limits = {"timeout": {"write": 0.2}}
            headers = {"content-length": str(2**26)}
            request = httpx.Request("POST", server.url, content=pieces(), headers=headers, extensions=limits)
            with pytest.raises(httpx.WriteTimeout):
                await sockets.Sockets(sockets.secure).handle_async_request(request)
            over.set()

    asyncio.run(once())
    assert 1 < made["pieces"] < 512


def test_a_header_that_is_none_leaves_nothing_on_the_line() -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())

    async def once() -> None:
        async with Server(listen) as server:
            request = httpx.Request("GET", server.url, headers={"x": "a\r\nb: c"})
            with pytest.raises(httpx.LocalProtocolError):
                await sockets.Sockets(sockets.secure).handle_async_request(request)
            await asyncio.sleep(0.05)

    asyncio.run(once())
    assert heard == [b""]


@pytest.mark.parametrize("ends", [True, False])
def test_a_connection_is_closed_when_its_reply_is_read_or_given_up(ends: bool) -> None:
    async def once() -> None:
        closed = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read(reader)
            writer.write(OK if ends else http(b"", "Content-Length: 2"))
            await reader.read()
            closed.set()

        async with Server(script) as server, Connections() as connections:
            await send(connections.endpoint(server.url), REQUEST, deadline_s=30 if ends else 0.2)
            await asyncio.wait_for(closed.wait(), 5)

    asyncio.run(once())


def test_an_answer_before_a_reset_counts() -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(OK)
        await writer.drain()
        linger(writer)

    assert answered(full).body == b"{}"
