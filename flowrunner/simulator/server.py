"""The simulator on a port of this machine, for any HTTP client. It listens on the loopback address only."""

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, TypeAlias

from flowrunner.catalog import Catalog
from flowrunner.simulator.contract import LARGEST, Simulator
from flowrunner.simulator.mishaps import read
from flowrunner.simulator.wire import SIMULATED, Clock, End, Reply, answer
from flowrunner.slotted import dataclass

LOOPBACK = "127.0.0.1"
_SILENCE = 60.0
"""Seconds after which a connection that says nothing is closed."""
_LINGER = 10.0
_CHUNK_LINE = 1024
_WORDLESS = (End.NOTHING, End.RESET, End.UNREAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One answered request, for a log: `seconds` from its first line to the reply; `fault` is the rule that it met,
    `status` 0 where that leaves no reply."""

    method: str
    path: str
    status: int
    seconds: float
    fault: str = ""


OnRequest: TypeAlias = Callable[[Served], None]


@contextmanager
def serve(
    catalog: Catalog,
    *,
    port: int = 0,
    latency: float = 0.0,
    faults: Iterable[str] = (),
    on_request: OnRequest | None = None,
    clock: Clock = lambda: datetime.now(UTC),
) -> Iterator[str]:
    """Serves until the block ends; gives the origin, `http://127.0.0.1:PORT`. Port 0 takes a free one. Each POST
    waits `latency` seconds; `faults` are rules of `mishaps.read`. `on_request` is called before each reply, from
    several threads. OSError where the port is taken, UsageError for what is no fault."""
    rules = [read(rule) for rule in faults]
    server = _Server((LOOPBACK, port), _Handler)
    server.simulator = Simulator(catalog, origin=server.origin, clock=clock, faults=rules)
    server.latency, server.on_request = latency, on_request or _silent
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="simulator", daemon=True)
    thread.start()
    try:
        yield server.origin
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _silent(_: Served) -> None:
    pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A kept-alive connection may sit idle: closing does not wait for it.
    block_on_close = False
    simulator: Simulator
    latency: float
    on_request: OnRequest

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.closing = Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def origin(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server_version = "flowrunner-simulator"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE
    server: _Server

    def _answer(self) -> None:
        start = time.monotonic()
        reply = self.server.simulator.unread(self.command, self.path)
        body: bytes | Reply = b"" if reply else self._body()
        refused = isinstance(body, Reply)
        reply = reply or (body if isinstance(body, Reply) else self._reply(body))
        self.server.closing.wait(reply.wait)
        status = 0 if reply.end in _WORDLESS else reply.status
        seconds = time.monotonic() - start
        told = Served(method=self.command, path=self.path, status=status, seconds=seconds, fault=reply.fault)
        self.server.on_request(told)
        if reply.end is not End.WHOLE:
            self._break(reply)
            return
        self._send(reply, last=refused)
        if refused:
            self._linger()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def _reply(self, body: bytes) -> Reply:
        if self.command == "POST":
            self.server.closing.wait(self.server.latency)
        method = "GET" if self.command == "HEAD" else self.command
        return self.server.simulator.handle(method, self.path, dict(self.headers), body)

    def _break(self, reply: Reply) -> None:
        """The connection ends before the reply, or in the middle of it."""
        self.close_connection = True
        match reply.end:
            case End.RESET | End.UNREAD:
                # Closing without lingering throws away what was not read and resets the connection.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case End.HEAD:
                self.wfile.write(f"HTTP/1.1 {reply.status} OK\r\ncontent-type: applica".encode())
            case End.BODY | End.UNSIZED:
                self._head(reply, last=True, sized=reply.end is End.BODY)
                self._write(reply.body[: len(reply.body) // 2], reply.pause)

    def _send(self, reply: Reply, *, last: bool = False) -> None:
        self._head(reply, last=last)
        self._write(b"" if self.command == "HEAD" else reply.body, reply.pause)

    def _write(self, body: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(body)
            return
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            if self.server.closing.wait(pause):
                return

    def _head(self, reply: Reply, *, last: bool, sized: bool = True) -> None:
        # Without the base class's own Date where the reply has one.
        self.send_response_only(reply.status)
        for name, value in {"date": self.date_time_string(), **reply.headers}.items():
            self.send_header(name, value)
        if sized:
            self.send_header("content-length", str(len(reply.body)))
        if last:
            self.send_header("connection", "close")
        self.end_headers()

    def _linger(self) -> None:
        """Reads what a refused client still sends: closing at once would reset the connection, and the refusal with
        it."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        end = time.monotonic() + _LINGER
        while time.monotonic() < end and self.rfile.read1(2**16):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses by itself: a broken request line, an unknown method."""
        self._send(_refused(int(code), message or explain or "the request cannot be read"), last=True)

    def _body(self) -> bytes | Reply:
        """The request's body; else what to answer to one that is too large or that has no end."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return _refused(400, "content-length is no number")
        if len(length) > 12 or int(length) > LARGEST:
            return _refused(413, f"The body has more than {LARGEST} bytes")
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes | Reply:
        """A chunked body (RFC 9112, 7.1); extensions and trailers are read over."""
        body = bytearray()
        while True:
            line = self.rfile.readline(_CHUNK_LINE).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                return _refused(400, "a chunk has no size")
            if not 0 <= size <= LARGEST - len(body):
                return _refused(413, f"The body has more than {LARGEST} bytes")
            if size == 0:
                break
            body += self.rfile.read(size)
            self.rfile.readline(_CHUNK_LINE)
        while self.rfile.readline(_CHUNK_LINE).strip():
            pass
        return bytes(body)

    def log_message(self, *_: Any) -> None:
        """Requests are told to `on_request`; the base class would write to stderr."""


def _refused(status: int, message: str) -> Reply:
    return answer(status, {"message": message, "statusCode": status}, {SIMULATED: "1"})
