import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import network
from flowrunner.bodies import BLOCK
from flowrunner.downloads import AT_ONCE, STEADY_S, Downloads, Fetched, FetchFailed
from flowrunner.errors import StoreError
from flowrunner.exchange import CONNECT_S, Connections
from flowrunner.network import Judged, Refusal

PUBLIC = "93.184.216.34"
URL = "https://cdn.example/a.png?sig=1"
Handler = Callable[[httpx.Request], httpx.Response]


class Desk:
    """A download with every collaborator in hand: names, replies, time."""

    def __init__(self, handler: Handler, names: dict[str, Sequence[str]] | None = None, *, tick: float = 0.0) -> None:
        self.handler = handler
        self.names = names or {"cdn.example": [PUBLIC], "other.example": ["1.1.1.1"]}
        self.tick = tick
        self.now = 0.0
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self.resolved: list[str] = []

    def clock(self) -> float:
        self.now += self.tick
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def resolve(self, host: str) -> Sequence[str]:
        self.resolved.append(host)
        if host not in self.names:
            raise OSError
        return self.names[host]

    async def judge(self, url: str) -> Judged | Refusal:
        return await network.judge(url, allowed_origins=["http://127.0.0.1:8080"], resolve=self.resolve)

    def note(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.handler(request)

    def downloads(self, transport: httpx.AsyncBaseTransport, limit_bytes: int = 1024) -> Downloads:
        return Downloads(
            transport=transport,
            judge=self.judge,
            clock=self.clock,
            sleep=self.sleep,
            random=lambda: 1.0,
            limit_bytes=limit_bytes,
        )

    def get(self, url: str = URL, *, once: bool = False, **limits: Any) -> Fetched | FetchFailed:
        async def got() -> Fetched | FetchFailed:
            async with Connections(transport=httpx.MockTransport(self.note)) as connections:
                desk = self.downloads(connections.downloads, limits.pop("limit_bytes", 1024))
                return await (desk.once(url, **limits) if once else desk.get(url, **limits))

        return asyncio.run(got())


class Stream(httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def replying(*pieces: bytes | Exception, status: int = 200, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=named, stream=Stream(*pieces))


def in_turn(*handlers: Handler) -> Handler:
    rest = list(handlers)

    def next_one(request: httpx.Request) -> httpx.Response:
        return (rest.pop(0) if len(rest) > 1 else rest[0])(request)

    return next_one


def redirect(location: str) -> Handler:
    return replying(status=302, location=location)


def failing(error: Exception) -> Handler:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


def failed(desk: Desk, **limits: Any) -> FetchFailed:
    found = desk.get(**limits)
    assert isinstance(found, FetchFailed), found
    return found


GOOD = replying(b"\x89P", b"NG", content_type="image/png")


def test_a_file_is_fetched_from_the_judged_address_under_its_name() -> None:
    desk = Desk(GOOD)
    assert desk.get() == Fetched(b"\x89PNG", "image/png")
    (request,) = desk.asked
    assert str(request.url) == f"https://{PUBLIC}/a.png?sig=1"
    assert request.headers["host"] == "cdn.example"
    assert request.extensions["sni_hostname"] == "cdn.example"
    assert request.extensions["timeout"] == {
        "connect": CONNECT_S,
        "read": STEADY_S,
        "write": STEADY_S,
        "pool": STEADY_S,
    }
    assert request.headers["accept-encoding"] == "identity"
    assert not {"authorization", "api-key", "cookie"} & set(request.headers)


def test_a_file_of_the_operators_own_origin_is_asked_for_under_its_port() -> None:
    desk = Desk(GOOD)
    assert desk.get("http://127.0.0.1:8080/a.png") == Fetched(b"\x89PNG", "image/png")
    (request,) = desk.asked
    assert (str(request.url), request.headers["host"]) == ("http://127.0.0.1:8080/a.png", "127.0.0.1:8080")
    assert "sni_hostname" not in request.extensions


class Socket:
    """What a transport tells of a connection: whom it led to."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return (self.peer, 443) if name == "server_addr" else None


@pytest.mark.parametrize(("peer", "good"), [(PUBLIC, True), (f"::ffff:{PUBLIC}", False), ("127.0.0.1", False)])
def test_a_connection_that_leads_elsewhere_is_not_read(peer: str, good: bool) -> None:
    def led(request: httpx.Request) -> httpx.Response:
        answer = GOOD(request)
        answer.extensions["network_stream"] = Socket(peer)
        return answer

    assert isinstance(Desk(led).get(), Fetched) is good


def test_a_name_is_resolved_once_so_that_a_second_answer_cannot_matter() -> None:
    desk = Desk(GOOD)
    desk.get()
    assert desk.resolved == ["cdn.example"]


def test_an_ipv6_address_stands_in_brackets() -> None:
    desk = Desk(GOOD, {"cdn.example": ["2606:4700::1111"]})
    desk.get()
    assert str(desk.asked[0].url) == "https://[2606:4700::1111]/a.png?sig=1"


def test_the_operators_own_origin_is_fetched_by_its_name() -> None:
    desk = Desk(GOOD)
    assert isinstance(desk.get("http://127.0.0.1:8080/a.png"), Fetched)
    assert str(desk.asked[0].url) == "http://127.0.0.1:8080/a.png"


def test_the_next_address_is_tried_when_one_cannot_be_reached() -> None:
    desk = Desk(in_turn(failing(httpx.ConnectError("x")), GOOD), {"cdn.example": ["2606:4700::1111", PUBLIC]})
    assert isinstance(desk.get(once=True), Fetched)
    assert [request.url.host for request in desk.asked] == ["2606:4700::1111", PUBLIC]


def test_every_hop_is_judged() -> None:
    desk = Desk(in_turn(redirect("https://other.example/b.png"), redirect("/c.png"), GOOD))
    assert isinstance(desk.get(), Fetched)
    assert desk.resolved == ["cdn.example", "other.example", "other.example"]
    assert [request.headers["host"] for request in desk.asked] == desk.resolved


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "//127.0.0.1/",
        "http://cdn.example/",
        "https://user@cdn.example/",
        "https://cdn.example\\@127.0.0.1/",
        "https://[broken/",
        "https://hidden.example/",
        "file:///etc/passwd",
        "https://cdn.example/" + "a" * 65536,
    ],
)
def test_a_redirect_to_a_forbidden_place_is_not_followed(location: str) -> None:
    desk = Desk(redirect(location), {"cdn.example": [PUBLIC], "hidden.example": ["10.0.0.1"]})
    assert not failed(desk).retryable
    assert len(desk.asked) == 1


def test_three_redirects_are_enough() -> None:
    desk = Desk(redirect(URL))
    assert failed(desk).reason == "more than 3 redirects"
    assert len(desk.asked) == 4


def test_a_refused_url_is_never_asked_for() -> None:
    desk = Desk(GOOD)
    assert desk.get("https://127.0.0.1/") == FetchFailed(reason="127.0.0.1 leads to 127.0.0.1, which is not public")
    assert desk.asked == []


@pytest.mark.parametrize(
    ("status", "gone", "attempts"), [(403, True, 1), (404, True, 5), (410, True, 1), (206, False, 1)]
)
def test_a_file_that_is_gone_is_told_so(status: int, gone: bool, attempts: int) -> None:
    desk = Desk(replying(status=status))
    assert (failed(desk).status, failed(desk).gone) == (status, gone)
    assert len(desk.asked) == 2 * attempts


@pytest.mark.parametrize(
    "trouble",
    [
        replying(status=503),
        replying(status=429),
        replying(b"abc", httpx.ReadError("x")),
        replying(b"abc", content_length="10"),
        replying(gzip.compress(b"abc")[:-3], content_encoding="gzip"),
        failing(httpx.ConnectTimeout("x")),
        failing(httpx.RemoteProtocolError("x")),
    ],
)
def test_a_passing_trouble_is_tried_again(trouble: Handler) -> None:
    desk = Desk(in_turn(trouble, trouble, GOOD))
    assert isinstance(desk.get(), Fetched)
    assert desk.slept == [1, 2]


def test_five_attempts_are_enough() -> None:
    desk = Desk(replying(status=500))
    assert failed(desk).reason == "HTTP 500"
    assert (len(desk.asked), desk.slept) == (5, [1, 2, 4, 8])


def test_a_name_that_cannot_be_resolved_now_is_tried_again() -> None:
    desk = Desk(GOOD, {"other.example": [PUBLIC]})
    assert failed(desk).retryable
    assert len(desk.resolved) == 5


def test_no_attempt_begins_after_the_deadline_of_all_of_them() -> None:
    desk = Desk(replying(status=500))
    assert failed(desk, deadline_s=5).reason == "HTTP 500"
    assert desk.slept == [1, 2]


@pytest.mark.parametrize(
    "handler", [replying(bytes(2000)), replying(b"", content_length="2000"), replying(gzip.compress(bytes(10**6)))]
)
def test_a_file_over_its_limit_is_not_tried_again(handler: Handler) -> None:
    desk = Desk(handler)
    assert "larger than" in failed(desk, limit_bytes=512).reason
    assert len(desk.asked) == 1


def test_a_bomb_is_stopped_after_decoding() -> None:
    desk = Desk(replying(gzip.compress(bytes(10**7)), content_encoding="gzip"))
    assert failed(desk, limit_bytes=1024 * 1024).reason == "larger than 1 MiB"


def test_a_drip_is_slower_than_a_file_may_be() -> None:
    desk = Desk(replying(*[b"x"] * 50), tick=1.0)
    assert failed(desk, once=True).reason == "slower than 1024 bytes a second"


def test_a_slow_start_is_forgiven() -> None:
    assert isinstance(Desk(replying(*[b"x"] * 5), tick=1.0).get(once=True), Fetched)


def test_silence_ends_with_the_deadline() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    desk = Desk(GOOD)
    desk.note = silent  # type: ignore[method-assign,assignment]
    found = desk.get(once=True, deadline_s=0.01)
    assert found == FetchFailed(reason="not complete within 0.01 s", retryable=True)


@given(st.text(max_size=30))
def test_no_path_makes_a_download_stumble(path: str) -> None:
    assert isinstance(Desk(GOOD).get(f"https://cdn.example/{path}", once=True), Fetched | FetchFailed)
    assert isinstance(Desk(redirect(f"/{path}".encode("ascii", "replace").decode())).get(once=True), FetchFailed)


class Basin:
    """Takes a body, and says which thread wrote."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.chunks: list[bytes] = []
        self.threads: set[int] = set()
        self.discarded = False
        self.trouble = trouble

    def write(self, chunk: bytes) -> None:
        self.threads.add(threading.get_ident())
        if self.trouble:
            raise self.trouble
        self.chunks.append(chunk)

    def discard(self) -> None:
        self.discarded = True


def saved(handler: Handler, *basins: Basin, **limits: Any) -> tuple[Basin | FetchFailed, Desk]:
    desk, rest = Desk(handler), list(basins)

    async def once() -> Basin | FetchFailed:
        downloads = desk.downloads(httpx.MockTransport(desk.note), limits.pop("limit_bytes", 2**20))
        return await downloads.save(URL, lambda: rest.pop(0), **limits)

    return asyncio.run(once()), desk


def test_a_body_goes_into_its_sink_in_blocks_and_off_the_event_loop() -> None:
    pieces = [bytes([at]) * 1000 for at in range(200)] * 3
    basin = Basin()
    found, _ = saved(replying(*pieces), basin)
    assert found is basin
    assert b"".join(basin.chunks) == b"".join(pieces)
    assert max(map(len, basin.chunks)) < BLOCK + 1000
    assert len(basin.chunks) == 3
    assert threading.get_ident() not in basin.threads
    assert not basin.discarded


def test_a_compressed_body_is_inflated_on_its_way_block_by_block() -> None:
    basin = Basin()
    found, _ = saved(replying(gzip.compress(bytes(2**20)), content_encoding="gzip"), basin)
    assert (found, sum(map(len, basin.chunks)), max(map(len, basin.chunks))) == (basin, 2**20, BLOCK)


def test_each_body_has_a_sink_of_its_own_and_those_of_broken_ones_are_discarded() -> None:
    basins = [Basin(), Basin(), Basin()]
    cut, short = replying(b"x" * BLOCK, httpx.ReadError("x")), replying(b"abc", content_length="10")
    found, desk = saved(in_turn(replying(status=503), cut, short, GOOD), *basins)
    assert found is basins[2]
    assert [basin.discarded for basin in basins] == [True, True, False]
    assert [b"".join(basin.chunks) for basin in basins] == [b"x" * BLOCK, b"abc", b"\x89PNG"]
    assert len(desk.asked) == 4


@pytest.mark.parametrize(
    "handler", [replying(bytes(600)), replying(gzip.compress(bytes(10**7)), content_encoding="gzip")]
)
def test_no_more_than_the_limit_goes_into_a_sink(handler: Handler) -> None:
    basin = Basin()
    found, desk = saved(handler, basin, limit_bytes=512)
    assert isinstance(found, FetchFailed)
    assert (basin.discarded, sum(map(len, basin.chunks)) <= 512, len(desk.asked)) == (True, True, 1)


def test_a_stated_length_over_the_limit_opens_no_sink() -> None:
    found, _ = saved(replying(b"", content_length="2000"), limit_bytes=512)
    assert isinstance(found, FetchFailed)


def test_a_sink_that_cannot_take_it_ends_the_download() -> None:
    """Another attempt would meet the same disk."""
    basin = Basin(StoreError("the disk is full"))
    with pytest.raises(StoreError):
        saved(GOOD, basin)
    assert basin.discarded


def test_a_download_that_is_cancelled_leaves_no_sink() -> None:
    basin = Basin()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * BLOCK
        await asyncio.Event().wait()

    handler: Handler = lambda _: httpx.Response(200, content=stuck())  # noqa: E731
    found, _ = saved(handler, basin, deadline_s=0.05)
    assert found == FetchFailed(reason="not complete within 0.05 s", retryable=True)
    assert basin.discarded


def test_no_more_than_a_few_are_under_way_and_waiting_for_a_turn_takes_none_of_the_deadline() -> None:
    under_way = most = 0

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return httpx.Response(200, stream=Stream(b"x"))

    async def all_of_them() -> list[Fetched | FetchFailed]:
        desk = Desk(GOOD)
        downloads = desk.downloads(httpx.MockTransport(slow))
        return await asyncio.gather(*(downloads.get(URL, deadline_s=0.5) for _ in range(3 * AT_ONCE)))

    found = asyncio.run(all_of_them())
    assert (set(map(type, found)), most) == ({Fetched}, AT_ONCE)
