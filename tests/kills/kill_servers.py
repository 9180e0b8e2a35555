"""Two servers on loopback that count what they are asked: the simulator, and a provider that leaves no mark."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from wire import png

from flowrunner.catalog.load import load
from flowrunner.digest import sha256
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.drawing import draw
from flowrunner.simulator.server import serve
from flowrunner.simulator.wire import Reply

IDENTITY = "x-client-request-id"
OnCall = Callable[[str], object]


def _silent(_: str) -> None:
    """Nobody listens."""


@dataclass
class Counted:
    """Where a server is, and how often each call was POSTed to it, by the id that its client gave it."""

    origin: str = ""
    posts: Counter[str] = field(default_factory=Counter)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def post(self, headers: Mapping[str, str]) -> None:
        names = {name.lower(): value for name, value in headers.items()}
        with self.turn:
            self.posts[names.get(IDENTITY, "")] += 1


@contextmanager
def simulator(*, latency: float = 0.0) -> Iterator[Counted]:
    """The simulator as `flowrunner simulate` serves it. The same picture is drawn once, for a test repeats itself."""
    counted = Counted()
    real = Simulator.handle

    def handle(self: Simulator, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if method == "POST":
            counted.post(headers)
        return real(self, method, path, headers, body)

    drawn = lru_cache(maxsize=None)(draw)
    with (
        patch.object(Simulator, "handle", handle),
        patch("flowrunner.simulator.studio.draw", drawn),
        serve(load(), latency=latency) as origin,
    ):
        counted.origin = origin
        yield counted


class _Provider(BaseHTTPRequestHandler):
    """The published answers of AIML API, as short as they can be."""

    protocol_version = "HTTP/1.1"
    counted: Counted
    made: dict[str, tuple[str, bytes]]
    on_post: Callable[[str], object]
    on_get: Callable[[str], object]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.headers[IDENTITY]
        self.counted.post(dict(self.headers))
        self.on_post(call)
        size = body["image_size"]
        name = sha256(json.dumps([body["prompt"], body["model"]]).encode())
        self.made[f"/{name}.png"] = call, png(size["width"], size["height"], name)
        data = [{"url": f"{self.counted.origin}/{name}.png", "b64_json": None}]
        self._reply(json.dumps({"data": data}).encode(), {"x-aimlapi-usd-spent": "0.0126"})

    def do_GET(self) -> None:
        call, data = self.made[self.path]
        self.on_get(call)
        self._reply(data, {"Content-Type": "image/png"})

    def _reply(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients die here."""


@contextmanager
def provider(*, on_post: OnCall = _silent, on_get: OnCall = _silent) -> Iterator[Counted]:
    """A provider whose pictures carry no mark of a simulator. `on_post` and `on_get` are told of each call, before it
    is answered and before its picture is given."""
    counted = Counted()
    hooks = {"on_post": staticmethod(on_post), "on_get": staticmethod(on_get)}
    handler = type("Handler", (_Provider,), {"counted": counted, "made": {}, **hooks})
    server = _Server(("127.0.0.1", 0), handler)
    counted.origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
