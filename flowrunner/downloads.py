"""Fetching a file that somebody else's URL names: judged, pinned, bounded in size, time and hops."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import urljoin

from flowrunner.bodies import Body, Broken, Sink, declared, head_of
from flowrunner.exchange import CONNECT_S, HEADERS, Clock, Random, Sleep, jitter, reason
from flowrunner.files import IMAGE_LIMIT
from flowrunner.network import Judged, Refusal, same
from flowrunner.slotted import dataclass, field

if TYPE_CHECKING:
    import httpx

DOWNLOAD_S = 120.0
"""Seconds for one file, all attempts together."""
AT_ONCE = 64
"""Downloads under way: each may hold a few pieces of its body in memory."""
ATTEMPTS = 5
HOPS = 3
SLOWEST = 1024
"""Bytes a second below which a download is given up, once it had `STEADY_S` to get going."""
STEADY_S = 10.0
"""Seconds; also the longest silence."""

_ADDRESSES = 4

Judge: TypeAlias = Callable[[str], Awaitable[Judged | Refusal]]
"""`network.judge` with the run's own origins and resolver bound to it."""


S = TypeVar("S", bound=Sink)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete download. The content type is the server's word and proves nothing; `data` is empty where it went
    elsewhere."""

    data: bytes
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """A download that gave no file. `gone`: the server says that it is not, or no longer, there for us."""

    reason: str
    status: int | None = None
    gone: bool = False
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Gets files, without any credential; `limit_bytes` is of one file, decoded."""

    transport: "httpx.AsyncBaseTransport"
    judge: Judge
    clock: Clock
    sleep: Sleep
    random: Random
    limit_bytes: int = IMAGE_LIMIT
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def get(
        self, url: str, *, deadline_s: float = DOWNLOAD_S, into: Callable[[], Sink] | None = None
    ) -> Fetched | FetchFailed:
        """`once`, up to five times within one deadline: a file that is paid for is worth some patience."""
        async with self.slots:
            return await self._repeated(url, deadline_s, into)

    async def _repeated(self, url: str, deadline_s: float, into: Callable[[], Sink] | None) -> Fetched | FetchFailed:
        end = self.clock() + deadline_s
        attempt = 0
        while True:
            found = await self.once(url, deadline_s=end - self.clock(), into=into)
            if isinstance(found, Fetched) or not found.retryable or attempt + 1 == ATTEMPTS:
                return found
            wait = jitter(attempt, self.random)
            if self.clock() + wait >= end:
                return found
            await self.sleep(wait)
            attempt += 1

    async def save(self, url: str, opened: Callable[[], S], *, deadline_s: float = DOWNLOAD_S) -> S | FetchFailed:
        """`get`, but into a sink: `opened` gives one for each body that begins, and the one of a whole body comes back.
        What a sink raises ends it."""
        sinks: list[S] = []

        def begun() -> S:
            sinks.append(opened())
            return sinks[-1]

        found = await self.get(url, deadline_s=deadline_s, into=begun)
        return sinks[-1] if isinstance(found, Fetched) else found

    async def once(
        self, url: str, *, deadline_s: float = DOWNLOAD_S, into: Callable[[], Sink] | None = None
    ) -> Fetched | FetchFailed:
        """One GET, with at most three redirects. Every hop is judged, and only a judged address is connected to."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._followed(url, into)
        except TimeoutError:
            return FetchFailed(reason=f"not complete within {deadline_s:g} s", retryable=True)

    async def _followed(self, url: str, into: Callable[[], Sink] | None) -> Fetched | FetchFailed:
        for _ in range(HOPS + 1):
            place = await self.judge(url)
            if isinstance(place, Refusal):
                return FetchFailed(reason=place.reason, retryable=place.temporary)
            found = await self._got(place, into)
            if not isinstance(found, str):
                return found
            url = found
        return FetchFailed(reason=f"more than {HOPS} redirects")

    async def _got(self, place: Judged, into: Callable[[], Sink] | None) -> Fetched | FetchFailed | str:
        """A file, or why not, or the URL to go on with. Addresses are tried in turn, as any client would."""
        import httpx

        failed = FetchFailed(reason="the connection could not be made", retryable=True)
        for address in place.addresses[:_ADDRESSES] or (None,):
            try:
                answer = await self.transport.handle_async_request(_pinned(place, address))
                try:
                    return _elsewhere(answer, address) or await self._file(answer, place, into)
                finally:
                    await answer.aclose()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = FetchFailed(reason=reason(error), retryable=True)
            except Broken as error:
                return FetchFailed(reason=error.reason, status=200, retryable=not error.final)
            except (httpx.HTTPError, httpx.StreamError, OSError) as error:
                return FetchFailed(reason=reason(error), retryable=True)
        return failed

    async def _file(
        self, answer: "httpx.Response", place: Judged, into: Callable[[], Sink] | None
    ) -> Fetched | FetchFailed | str:
        head = head_of(answer)
        status, location = answer.status_code, head.get("location")
        if status in {301, 302, 303, 307, 308} and location:
            try:
                return str(urljoin(place.url, location))
            except ValueError:
                return FetchFailed(reason="redirected to what is no URL", status=status)
        if status != 200:
            again = status in {404, 408, 425, 429} or status >= 500
            return FetchFailed(reason=f"HTTP {status}", status=status, gone=status in {403, 404, 410}, retryable=again)
        if (declared(head) or 0) > self.limit_bytes:
            raise Broken(f"larger than {self.limit_bytes // 1024 // 1024} MiB", final=True)
        return await self._body(answer, head, into() if into else None)

    async def _body(self, answer: "httpx.Response", head: Mapping[str, str], sink: Sink | None) -> Fetched:
        body = Body(self.limit_bytes, sink)
        try:
            await body.fill(answer, head, self._pace())
        except BaseException:
            if sink is not None:
                sink.discard()
            raise
        return Fetched(bytes(body.data), head.get("content-type", ""))

    def _pace(self) -> Callable[[int], None]:
        """What raises Broken where a body comes too slowly."""
        start = self.clock()

        def watch(received: int) -> None:
            seconds = self.clock() - start
            if seconds > STEADY_S and received < SLOWEST * seconds:
                raise Broken(f"slower than {SLOWEST} bytes a second")

        return watch


def _elsewhere(answer: "httpx.Response", address: str | None) -> FetchFailed | None:
    """A connection that does not end where it was judged to end. A transport without sockets says nothing."""
    stream = answer.extensions.get("network_stream")
    peer = stream.get_extra_info("server_addr") if stream is not None and address is not None else None
    if peer is None or same(str(peer[0]), str(address)):
        return None
    return FetchFailed(reason=f"the connection led to {peer[0]} in place of {address}")


def _pinned(place: Judged, address: str | None) -> "httpx.Request":
    """The GET to a judged address; the name goes into Host, into the TLS handshake and against the certificate. Made as
    it is sent: to complete a request takes httpx longer than to make it."""
    import httpx

    url = httpx.URL(place.url if address is None else place.at(address))
    host = url.netloc if address is None else place.host.encode("ascii")
    named = {} if address is None else {"sni_hostname": place.host.strip("[]")}
    return httpx.Request(
        "GET",
        url,
        headers=[(b"Host", host), *_HEADERS],
        stream=httpx.ByteStream(b""),
        extensions={"timeout": _LIMITS, **named},
    )


_HEADERS = [(name.encode("ascii"), value.encode("ascii")) for name, value in HEADERS.items()]
_LIMITS = {"connect": CONNECT_S, "read": STEADY_S, "write": STEADY_S, "pool": STEADY_S}
