import asyncio
import gzip
import json
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from flowrunner import exchange
from flowrunner.credentials import Secret
from flowrunner.errors import RunRefused, UsageError
from flowrunner.exchange import Connections, Endpoint, Gate, Lost, NotSent, Stage
from flowrunner.providers.base import Credential, Request, Response

KEY = "sk-CANARY-7f3a9c51e2d84b06"
REQUEST = Request(path="/v1/images", json={"prompt": "größe"})
Handler = Callable[[httpx.Request], httpx.Response]


class Stream(httpx.AsyncByteStream):
    """A reply that comes in pieces, and may end in an error."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def sent(handler: Handler, request: Request = REQUEST, **limits: Any) -> Response | NotSent | Lost:
    async def once() -> Response | NotSent | Lost:
        async with Connections(transport=httpx.MockTransport(handler)) as connections:
            headers = {"Authorization": f"Bearer {KEY}"}
            endpoint = connections.endpoint("https://api.example/base", headers=headers)
            return await exchange.send(endpoint, request, **limits)

    return asyncio.run(once())


def seen(request: Request) -> httpx.Request:
    """The request as the transport gets it."""
    found: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        found.append(request)
        return httpx.Response(200)

    sent(note, request)
    return found[0]


MIB = 1024 * 1024


def replying(*pieces: bytes | Exception, status: int = 200, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=named, stream=Stream(*pieces))


def failing(error: Exception) -> Handler:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


def answered(handler: Handler, **limits: Any) -> Response:
    found = sent(handler, **limits)
    assert isinstance(found, Response), found
    return found


def lost(handler: Handler, **limits: Any) -> Lost:
    found = sent(handler, **limits)
    assert isinstance(found, Lost), found
    return found


def test_json_is_posted_below_the_base_url_with_the_key() -> None:
    request = seen(REQUEST)
    assert (request.method, str(request.url)) == ("POST", "https://api.example/base/v1/images")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert json.loads(request.content) == {"prompt": "größe"}


def test_a_file_is_posted_as_a_multipart_form() -> None:
    request = seen(Request(path="/assets", part="asset", file=("cat.png", "image/png", b"\x89PNG")))
    body = request.content
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="asset"; filename="cat.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n' in body


def test_a_request_without_a_body_asks() -> None:
    assert seen(Request(path="/poll?id=1")).method == "GET"
    assert seen(Request(path="/poll", headers={"X-Trace": "t"})).headers["x-trace"] == "t"


@pytest.mark.parametrize(
    "path",
    ["@evil.example/x", ".evil.example/x", ":8443/x", "x", "", "/../admin", "/a/./b", "/a/..", "/x\r\nHost: e", "/\\e"],
)
def test_a_path_that_leads_away_from_the_origin_is_refused(path: str) -> None:
    with pytest.raises(RunRefused, match="leads away"):
        sent(replying(), Request(path=path, json={}))


def test_a_reply_comes_back_whole_whatever_its_status() -> None:
    assert answered(replying(b"{", b"}", status=403, X_Inference_Id="i")) == Response(
        403, {"x-inference-id": "i"}, b"{}"
    )
    assert answered(lambda _: httpx.Response(200, json={})).body == b"{}"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    answer = answered(replying(status=307, location="https://evil.example/"))
    assert (answer.status, answer.headers["location"]) == (307, "https://evil.example/")


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress])
def test_a_compressed_reply_is_read_although_none_was_asked_for(squeeze: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if squeeze is gzip.compress else "deflate"
    assert answered(replying(squeeze(b"{}" * 9), content_encoding=encoding)).body == b"{}" * 9


def test_a_reply_may_not_grow_beyond_its_limit_after_decoding() -> None:
    bomb = gzip.compress(bytes(4 * 1024 * 1024))
    answer = lost(replying(bomb, content_encoding="gzip"), limit_bytes=1024 * 1024)
    assert answer.reason == "larger than 1 MiB"
    assert (answer.after, answer.status, len(answer.partial)) == (Stage.IN_THE_REPLY, 200, exchange.PARTIAL_LIMIT)
    assert len(answered(replying(bytes(1024)), limit_bytes=1024).body) == 1024
    assert "larger" in lost(replying(bytes(1025)), limit_bytes=1024).reason
    assert "larger" in lost(lambda _: httpx.Response(200, content=bytes(1025)), limit_bytes=1024).reason


def test_what_follows_the_end_of_a_compressed_reply_is_neither_kept_nor_waited_for() -> None:
    more = [bytes(MIB)] * 64
    assert answered(replying(gzip.compress(b"{}") + b"more", more[0], content_encoding="gzip")).body == b"{}"
    endless = replying(gzip.compress(b"{}"), *more, httpx.ReadError("nobody reads as far"), content_encoding="gzip")
    tracemalloc.start()
    try:
        assert lost(endless, limit_bytes=2 * MIB).reason == "larger than 2 MiB"
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (replying(gzip.compress(b"{}")[:-4], content_encoding="gzip"), "compression is cut"),
        (replying(b"no gzip", content_encoding="gzip"), "compression is broken"),
        (replying(b"abc", content_length="10"), "cut after 3 of 10 bytes"),
    ],
)
def test_a_reply_that_is_not_what_its_head_says_is_lost(handler: Handler, reason: str) -> None:
    assert reason in lost(handler).reason


def test_a_strange_content_length_is_not_believed() -> None:
    assert answered(replying(b"abc", content_length="9" * 5000)).body == b"abc"


def test_what_came_before_the_connection_broke_is_kept() -> None:
    answer = lost(replying(b'{"da', httpx.ReadError("x"), status=201, x_inference_id="i"))
    assert (answer.partial, answer.status, answer.headers["x-inference-id"]) == (b'{"da', 201, "i")
    assert answer.after is Stage.IN_THE_REPLY


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectTimeout(KEY), "no connection within 10 s"),
        (httpx.ConnectError(KEY), "the connection could not be made"),
        (httpx.PoolTimeout(KEY), "no connection became free within 10 s"),
        (httpx.ProxyError(KEY), "the proxy turned the connection down"),
    ],
)
def test_what_fails_before_the_first_byte_is_proof_of_not_sent(error: Exception, reason: str) -> None:
    assert sent(failing(error)) == NotSent(reason)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (socket.gaierror(-2, KEY), "the host's name cannot be resolved"),
        (ConnectionRefusedError(111, KEY), "the connection was refused"),
        (ssl.SSLError(1, KEY), "the TLS connection failed"),
        (ExceptionGroup(KEY, [ConnectionRefusedError(111, KEY)]), "the connection was refused"),
    ],
)
def test_the_cause_of_a_failed_connection_is_told(cause: Exception, reason: str) -> None:
    error = httpx.ConnectError(KEY)
    error.__cause__ = cause
    assert sent(failing(error)) == NotSent(reason)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout(KEY),
        httpx.ReadError(KEY),
        httpx.WriteError(KEY),
        httpx.WriteTimeout(KEY),
        httpx.RemoteProtocolError(KEY),
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"),
        ssl.SSLError(1, KEY),
        ConnectionResetError(104, KEY),
    ],
)
def test_anything_else_is_lost_and_told_without_the_transports_words(error: Exception) -> None:
    answer = lost(failing(error))
    assert answer.after is Stage.NO_REPLY
    assert KEY not in repr(answer)


def test_the_deadline_is_total() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert lost(silent, deadline_s=0.01).reason == "no complete reply within 0.01 s"  # type: ignore[arg-type]


class Traced(httpx.AsyncBaseTransport):
    """A transport that tells how far it got, and breaks there."""

    def __init__(self, *events: str) -> None:
        self.events = events

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for event in self.events:
            await request.extensions["trace"](event, {})
        raise httpx.ReadError(KEY)


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        (["connection.connect_tcp.started"], NotSent("the connection broke")),
        (["connection.start_tls.complete"], NotSent("the connection broke")),
        (
            ["connection.connect_tcp.complete", "http11.send_request_headers.started"],
            Lost(
                reason="the connection broke; of the request's 28 bytes at most 0 had left", after=Stage.WHILE_SENDING
            ),
        ),
        (
            ["http11.send_request_headers.started", "http11.send_request_body.complete"],
            Lost(reason="the connection broke", after=Stage.NO_REPLY),
        ),
        ([], Lost(reason="the connection broke", after=Stage.NO_REPLY)),
    ],
)
def test_only_the_transports_own_events_prove_that_nothing_left(events: list[str], outcome: NotSent | Lost) -> None:
    endpoint = Connections(transport=Traced(*events)).endpoint("https://api.example")
    assert asyncio.run(exchange.send(endpoint, REQUEST)) == outcome


@pytest.mark.parametrize(
    ("event", "raised"),
    [
        ("connection.connect_tcp.started", exchange.Withdrawn),
        ("http11.send_request_headers.started", asyncio.CancelledError),
    ],
)
def test_what_is_cancelled_before_its_first_byte_is_proved_unsent(event: str, raised: type[BaseException]) -> None:
    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"](event, {})
            await asyncio.sleep(60)
            raise AssertionError("it is cancelled before")

    found: list[BaseException] = []

    async def sending() -> None:
        try:
            await exchange.send(Endpoint(transport=Slow(), base_url="https://a.example"), REQUEST)
        except asyncio.CancelledError as fault:
            found.append(fault)

    async def cancelled() -> None:
        task = asyncio.ensure_future(sending())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    asyncio.run(cancelled())
    assert [type(one) for one in found] == [raised]


def test_a_secret_shows_in_no_representation() -> None:
    headers = exchange.authorization(Credential("K", "Authorization", "Bearer {}"), Secret(KEY))
    assert headers == {"Authorization": f"Bearer {KEY}"}
    transport = httpx.MockTransport(replying())
    assert KEY not in repr(Endpoint(transport=transport, base_url="https://api.example", headers=headers))


def test_cookies_of_a_reply_are_never_sent_back() -> None:
    found = []

    def baking(request: httpx.Request) -> httpx.Response:
        found.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"Set-Cookie": "session=1; Path=/"})

    async def twice() -> None:
        async with Connections(transport=httpx.MockTransport(baking)) as connections:
            for _ in range(2):
                await exchange.send(connections.endpoint("https://api.example"), REQUEST)

    asyncio.run(twice())
    assert found == [None, None]


def test_each_origin_has_a_client_of_its_own_and_downloads_have_one_without_a_key() -> None:
    async def made() -> None:
        async with Connections() as connections:
            first, same = connections.endpoint("https://a.example/v1"), connections.endpoint("https://A.example:443")
            assert first.transport is same.transport
            assert first.transport is not connections.endpoint("https://b.example").transport
            proxied = connections.endpoint("https://a.example", proxy="http://127.0.0.1:3128")
            assert first.transport is not proxied.transport
            assert connections.downloads is connections.downloads
            assert connections.downloads is not first.transport

    asyncio.run(made())


def test_an_endpoint_needs_an_origin() -> None:
    with pytest.raises(UsageError, match="not a plain spelling"):
        Connections().endpoint("https://127.1")


class Clock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def turns(gate: Gate, clock: Clock, number: int) -> list[float]:
    times: list[float] = []

    async def worker() -> None:
        await gate.turn()
        times.append(round(clock.now - 100, 6))

    async def all_of_them() -> None:
        await asyncio.gather(*(worker() for _ in range(number)))

    asyncio.run(all_of_them())
    return sorted(times)


def test_requests_keep_the_pace_that_a_provider_allows() -> None:
    clock = Clock()
    times = turns(Gate(60, clock=clock, sleep=clock.sleep), clock, 5)
    assert times[0] == 0
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


def test_without_a_limit_nobody_waits() -> None:
    clock = Clock()
    assert turns(Gate(None, clock=clock, sleep=clock.sleep), clock, 5) == [0] * 5


def test_a_pause_holds_every_worker_and_a_shorter_one_does_not_end_it() -> None:
    clock = Clock()
    gate = Gate(None, clock=clock, sleep=clock.sleep)
    gate.pause(7)
    gate.pause(2)
    assert min(turns(gate, clock, 3)) >= 7


def test_the_wait_after_a_failure_is_anything_up_to_a_doubling_bound() -> None:
    assert [exchange.jitter(attempt, lambda: 1.0) for attempt in range(7)] == [1, 2, 4, 8, 16, 20, 20]
    assert exchange.jitter(3, lambda: 0.0) == 0
    assert exchange.jitter(1, lambda: 0.5, base=0.05) == 0.05
