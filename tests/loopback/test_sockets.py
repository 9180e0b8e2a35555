"""Exchanges over real sockets on loopback: what a mock cannot say about when a byte has left."""

import asyncio
import gzip
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest

from flowrunner import network
from flowrunner.downloads import Downloads, Fetched, FetchFailed
from flowrunner.exchange import Connections, Lost, NotSent, Stage, send
from flowrunner.network import Judged, Refusal
from flowrunner.providers.base import Request, Response

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = Request(path="/v1/images", json={"prompt": "x" * 2000})


class Server:
    """Plays one script for every connection, and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.received: list[bytes] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read(reader: asyncio.StreamReader) -> bytes:
    """One whole request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def replying(*pieces: bytes, pause: float = 0.0, reset: bool = False) -> Script:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if reset:
            linger(writer)

    return reply


def linger(writer: asyncio.StreamWriter) -> None:
    """Makes closing a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sent(script: Script, **limits: Any) -> Response | NotSent | Lost:
    async def once() -> Response | NotSent | Lost:
        async with Server(script) as server, Connections() as connections:
            return await send(connections.endpoint(server.url), REQUEST, **limits)

    return asyncio.run(once())


def lost(script: Script, **limits: Any) -> Lost:
    found = sent(script, **limits)
    assert isinstance(found, Lost), found
    return found


def fetched(script: Script, path: str = "/a.png", **limits: Any) -> Fetched | FetchFailed:
    async def once() -> Fetched | FetchFailed:
        async with Server(script) as server, Connections() as connections:

            async def judge(url: str) -> Judged | Refusal:
                return await network.judge(url, allowed_origins=[server.url])

            async def sleep(_: float) -> None:
                return

            desk = Downloads(
                transport=connections.downloads, judge=judge, clock=lambda: 0.0, sleep=sleep, random=lambda: 0.0
            )
            return await desk.get(server.url + path, **limits)

    return asyncio.run(once())


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def test_a_reply_is_received() -> None:
    found = sent(replying(http(b"{}", "Content-Length: 2", "X-Inference-Id: i")))
    assert found == Response(200, {"content-length": "2", "x-inference-id": "i"}, b"{}")


def test_a_reply_with_two_lengths_is_read_once_and_nothing_behind_it() -> None:
    both = http(b"5\r\nhello\r\n0\r\n\r\n", "Content-Length: 3", "Transfer-Encoding: chunked")
    behind = http(b"{}", "Content-Length: 2", "X-Inference-Id: another call's")
    found = sent(replying(both + behind))
    assert isinstance(found, Response)
    assert (found.body, found.headers.get("x-inference-id")) == (b"hello", None)


def test_a_head_without_end_is_no_reply_and_its_call_may_have_been_billed() -> None:
    assert lost(replying(http(b"{}", f"X: {'a' * 200_000}"))).after is Stage.NO_REPLY


def test_a_run_that_stops_while_it_connects_sends_not_one_byte() -> None:
    asked: list[str] = []

    def stopped() -> str:
        asked.append("the connection stands")
        return "interrupted"

    async def once() -> tuple[object, bytes]:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await heard.put(await reader.read())

        async with Server(listen) as server, Connections() as connections:
            found = await send(connections.endpoint(server.url), REQUEST, stopped=stopped)
            return found, await heard.get()

    assert asyncio.run(once()) == (NotSent("interrupted"), b"")
    assert asked == ["the connection stands"]


def test_a_refused_connection_is_proof_of_not_sent() -> None:
    async def once() -> Response | NotSent | Lost:
        async with Server(replying()) as server:
            url = server.url
        async with Connections() as connections:
            return await send(connections.endpoint(url), REQUEST)

    assert asyncio.run(once()) == NotSent("the connection was refused")


def test_a_failed_handshake_is_proof_of_not_sent() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(http(b"no TLS here"))

    async def once() -> Response | NotSent | Lost:
        async with Server(plain) as server, Connections() as connections:
            return await send(connections.endpoint(server.url.replace("http:", "https:")), REQUEST)

    assert asyncio.run(once()) == NotSent("the TLS connection failed")


def test_a_close_after_the_request_is_no_reply() -> None:
    found = lost(replying())
    assert (found.after, found.reason) == (Stage.NO_REPLY, "the connection ended early, or what came was not HTTP")


def test_a_reset_after_the_request_is_no_reply() -> None:
    assert lost(replying(reset=True)).after is Stage.NO_REPLY


def test_a_reset_in_the_middle_of_the_request_is_while_sending() -> None:
    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        linger(writer)

    async def once() -> Response | NotSent | Lost:
        async with Server(impatient) as server, Connections() as connections:
            big = Request(path="/v1/images", json={"prompt": "x" * 30_000_000})
            return await send(connections.endpoint(server.url), big)

    found = asyncio.run(once())
    assert isinstance(found, Lost)
    assert found.after is Stage.WHILE_SENDING
    assert re.search(r"of the request's 30,000,013 bytes at most [1-9][0-9,]* had left", found.reason)


def test_an_answer_before_the_whole_request_was_taken_counts() -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.write(http(b"", "Content-Length: 0", "Connection: close", status="413 Too Large"))
        await writer.drain()

    assert isinstance(sent(full), Response)


@pytest.mark.slow
def test_silence_ends_at_the_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await reader.read()

    found = lost(silent, deadline_s=1)
    assert (found.after, found.reason) == (Stage.NO_REPLY, "no complete reply within 1 s")


@pytest.mark.slow
def test_a_drip_ends_at_the_deadline_and_leaves_its_evidence() -> None:
    found = lost(replying(http(b'{"d', "Content-Length: 999"), *[b"x"] * 1000, pause=0.02), deadline_s=1)
    assert found.after is Stage.IN_THE_REPLY
    assert found.partial.startswith(b'{"dx')


@pytest.mark.parametrize(
    "reply",
    [
        http(b'{"data', "Content-Length: 100", "X-Inference-Id: i"),
        http(b'6\r\n{"data\r\n', "Transfer-Encoding: chunked", "X-Inference-Id: i"),
    ],
)
def test_a_cut_body_is_lost_in_the_reply(reply: bytes) -> None:
    found = lost(replying(reply))
    assert (found.partial, found.status, found.headers["x-inference-id"]) == (b'{"data', 200, "i")


@pytest.mark.parametrize("reply", [b"HTTP/1.1 200", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000])
def test_what_is_no_http_is_lost(reply: bytes) -> None:
    assert lost(replying(reply)).after is Stage.NO_REPLY


def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = ("Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    assert "larger than 1 MiB" in lost(replying(http(bomb, *head)), limit_bytes=1024 * 1024).reason


def test_one_connection_carries_one_request() -> None:
    connections: list[asyncio.StreamReader] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(reader)
        await replying(http(b"{}", "Content-Length: 2"))(reader, writer)

    async def twice() -> None:
        async with Server(count) as server, Connections() as made:
            for _ in range(2):
                assert isinstance(await send(made.endpoint(server.url), REQUEST), Response)

    asyncio.run(twice())
    assert len(connections) == 2


def test_an_environment_full_of_proxies_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(sent(replying(http(b"{}", "Content-Length: 2"))), Response)


def test_a_file_is_downloaded() -> None:
    found = fetched(replying(http(b"\x89PNG", "Content-Length: 4", "Content-Type: image/png")))
    assert found == Fetched(b"\x89PNG", "image/png")


def test_a_download_that_breaks_is_tried_again() -> None:
    scripts = [replying(http(b"\x89", "Content-Length: 4")), replying(reset=True), replying(http(b"\x89PNG"))]

    async def in_turn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await scripts.pop(0)(reader, writer)

    assert fetched(in_turn) == Fetched(b"\x89PNG")


def test_a_download_follows_a_redirect_on_its_own_origin_only() -> None:
    async def moved(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        here = request.startswith(b"GET /b.png ")
        location = "/b.png" if request.startswith(b"GET /a.png ") else "http://127.0.0.1:9/"
        writer.write(http(b"ok") if here else http(b"", f"Location: {location}", status="302 Found"))

    assert fetched(moved) == Fetched(b"ok")
    assert fetched(moved, "/elsewhere") == FetchFailed(reason="it is not https")


@pytest.mark.slow
def test_a_download_that_never_ends_is_given_up() -> None:
    found = fetched(replying(http(b""), *[b"x"] * 1000, pause=0.02), deadline_s=0.2)
    assert found == FetchFailed(reason="not complete within 0.2 s", retryable=True)
