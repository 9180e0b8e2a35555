"""Requests over sockets of their own: one connection for each, of which nothing is kept.

It has httpx's interface in place of httpx's pool, whose cost for each request grows with the number of its connections.
What is HTTP and what is not says h11, as it does for httpx. Errors are httpx's, with what led to them as their cause.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import h11
import httpx

ROOM = 256 * 1024
"""Bytes that wait here to be read; then the other side has to wait."""
LONGEST_HEAD = 100 * 1024
"""Bytes of a reply's head."""
_EYEBALLS_S = 0.25
"""Seconds after which the next address of a name is tried beside the first one (RFC 8305, 5)."""

_Trace: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Sockets(httpx.AsyncBaseTransport):
    """Makes each request over a connection of its own. It reads timeouts, `sni_hostname` and `trace` from a request's
    extensions, and tells its events by httpcore's names. `context` is asked where TLS is spoken."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trace: _Trace = request.extensions.get("trace") or _untold
        limits: Mapping[str, float | None] = request.extensions.get("timeout") or {}
        await trace("connection.connect_tcp.started", {})
        line = await self._connected(request, limits.get("connect"))
        try:
            spoken = _Spoken(line, limits)
            await spoken.send(request, trace)
            return await spoken.reply(request)
        except BaseException:
            line.hang_up()
            raise

    async def _connected(self, request: httpx.Request, limit: float | None) -> "_Line":
        url = request.url
        secure = url.scheme == "https"
        name = request.extensions.get("sni_hostname") or url.host
        options: dict[str, Any] = {"ssl": self._context(), "server_hostname": name} if secure else {}
        if not _is_literal(url.host):
            options["happy_eyeballs_delay"] = _EYEBALLS_S
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit):
                port = url.port or (443 if secure else 80)
                return (await loop.create_connection(lambda: _Line(secure=secure), url.host, port, **options))[1]
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection", request=request) from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("no connection", request=request) from error


class Proxied(httpx.AsyncBaseTransport):
    """The same through an operator's proxy, whose dialects httpx knows: a pool for each request."""

    def __init__(self, context: Callable[[], ssl.SSLContext], proxy: str) -> None:
        self._context = context
        self._proxy = proxy

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        alone = httpx.AsyncHTTPTransport(verify=self._context(), trust_env=False, limits=limits, proxy=self._proxy)
        return await alone.handle_async_request(request)


class _Line(asyncio.Protocol):
    """A connection: what came in waits here, up to `ROOM` bytes."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._came: list[bytes] = []
        self._waiting = 0
        self._ended = False
        self._fault: Exception | None = None
        self._full = asyncio.Event()
        self._full.set()
        self._heard = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._came.append(data)
        self._waiting += len(data)
        if self._waiting >= ROOM:
            self.transport.pause_reading()
        self._heard.set()

    def eof_received(self) -> bool:
        """The other side says no more; it may still listen. TLS knows no such half."""
        self._ended = True
        self._heard.set()
        return not self._secure

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._fault = exc
        self._heard.set()
        self._full.set()

    def pause_writing(self) -> None:
        self._full.clear()

    def resume_writing(self) -> None:
        self._full.set()

    async def write(self, data: bytes, limit: float | None) -> None:
        """Comes back when there is room for more."""
        if not self.transport.is_closing():
            self.transport.write(data)
        if not self._full.is_set():
            try:
                async with asyncio.timeout(limit):
                    await self._full.wait()
            except TimeoutError as error:
                raise httpx.WriteTimeout("nothing was taken") from error
        if self.transport.is_closing():
            raise httpx.WriteError("the connection broke") from self._fault

    async def read(self, limit: float | None) -> list[bytes]:
        """What has come, at least something; nothing at the end."""
        while not self._came:
            if self._fault is not None:
                raise httpx.ReadError("the connection broke") from self._fault
            if self._ended:
                return []
            self._heard.clear()
            try:
                async with asyncio.timeout(limit):
                    await self._heard.wait()
            except TimeoutError as error:
                raise httpx.ReadTimeout("nothing came") from error
        came, self._came, self._waiting = self._came, [], 0
        if not self._ended:
            self.transport.resume_reading()
        return came

    def hang_up(self) -> None:
        self.transport.abort()


class _Spoken:
    """One request and its reply on a line."""

    def __init__(self, line: _Line, limits: Mapping[str, float | None]) -> None:
        self._line = line
        self._read_s = limits.get("read")
        self._write_s = limits.get("write")
        self._grammar = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    async def send(self, request: httpx.Request, trace: _Trace) -> None:
        """The whole request, or as much of it as is taken: an answer may come before its end."""
        try:
            head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError("the request is not HTTP") from error
        await trace("http11.send_request_headers.started", {})
        try:
            await self._say(head)
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for piece in request.stream:
                await self._say(h11.Data(data=piece))
            await self._say(h11.EndOfMessage())
        except httpx.WriteError:
            return
        await trace("http11.send_request_body.complete", {})

    async def _say(self, event: h11.Event) -> None:
        try:
            data = self._grammar.send(event)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError("the request is not HTTP") from error
        if data:
            await self._line.write(data, self._write_s)

    async def reply(self, request: httpx.Request) -> httpx.Response:
        """The head of the reply, and its body as a stream."""
        while isinstance(event := await self._event(), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise httpx.RemoteProtocolError("no reply")
        return httpx.Response(
            event.status_code,
            headers=event.headers.raw_items(),
            stream=_Body(self, event),
            request=request,
            extensions={"network_stream": _Peer(self._line.transport)},
        )

    async def _event(self) -> h11.Event:
        try:
            while (event := self._grammar.next_event()) is h11.NEED_DATA:
                came = await self._line.read(self._read_s)
                if not came and self._grammar.their_state is h11.SEND_RESPONSE:
                    raise httpx.RemoteProtocolError("no reply")
                self._grammar.receive_data(b"".join(came))
        except (h11.LocalProtocolError, h11.RemoteProtocolError) as error:
            raise httpx.RemoteProtocolError("the reply is not HTTP") from error
        if not isinstance(event, h11.Event):
            raise httpx.RemoteProtocolError("what came is of another exchange")
        return event

    async def chunks(self) -> AsyncIterator[bytes]:
        """A body that is told in chunks."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def stretch(self, length: int | None) -> AsyncIterator[bytes]:
        """A body of so many bytes, or up to the end of the connection: as it comes, and not looked into."""
        came = [self._grammar.trailing_data[0]]
        while length is None or length > 0:
            for piece in came:
                shown = piece if length is None else piece[:length]
                length = None if length is None else length - len(shown)
                if shown:
                    yield shown
            if length == 0:
                return
            came = await self._line.read(self._read_s)
            if not came:
                break
        if length:
            raise httpx.RemoteProtocolError("cut")

    def hang_up(self) -> None:
        self._line.hang_up()


class _Body(httpx.AsyncByteStream):
    """The body of a reply; closing it ends the connection."""

    def __init__(self, spoken: _Spoken, head: h11.Response) -> None:
        self._spoken = spoken
        self._status = head.status_code
        self._headers = dict(head.headers)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._status in (204, 304):
            return
        length = self._headers.get(b"content-length")
        if b"transfer-encoding" in self._headers:
            pieces = self._spoken.chunks()
        else:
            pieces = self._spoken.stretch(None if length is None else int(length))
        async for piece in pieces:
            yield piece

    async def aclose(self) -> None:
        self._spoken.hang_up()


class _Peer:
    """Whom a connection leads to, in the words of httpcore's streams."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def get_extra_info(self, name: str) -> Any:
        return self._transport.get_extra_info("peername") if name == "server_addr" else None


def secure() -> ssl.SSLContext:
    """Certificates are checked, and nothing that a workflow may have set changes how."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _untold(_: str, __: Mapping[str, Any]) -> None:
    pass


@lru_cache(maxsize=256)
def _is_literal(host: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(host)
    except ValueError:
        return False
    return True
