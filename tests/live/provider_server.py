"""A provider on loopback that is not our simulator: it follows the published contract of AIML API by itself."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

KEY = "sk-live-0123456789abcdef"


@dataclass
class Seen:
    """What the server was asked."""

    origin: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    get_headers: list[dict[str, str]] = field(default_factory=list)


Answer = tuple[int, dict[str, str], bytes]


def picture(width: int = 1024, height: int = 768, colour: str = "#4477aa", form: str = "png") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, form)
    return stream.getvalue()


def published(seen: Seen, body: dict[str, Any]) -> Answer:
    """The documented reply: one URL per image, usage in credits."""
    count = int(body.get("num_images", 1))
    data = [{"url": f"{seen.origin}/cdn/{len(seen.posts)}-{n}.png", "b64_json": None} for n in range(count)]
    reply = {"data": data, "meta": {"usage": {"credits_used": 63000}}}
    headers = {"x-inference-id": f"inf-{len(seen.posts)}", "x-aimlapi-usd-spent": "0.0315"}
    return 200, headers, json.dumps(reply).encode()


@contextmanager
def provider(answer: Callable[[Seen, dict[str, Any]], Answer] = published) -> Iterator[Seen]:
    """A server that answers every POST by `answer` and every GET with a picture."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.posts.append({"path": self.path, **body})
            seen.headers.append({name.lower(): value for name, value in self.headers.items()})
            self._reply(*answer(seen, body))

        def do_GET(self) -> None:
            seen.gets.append(self.path)
            seen.get_headers.append({name.lower(): value for name, value in self.headers.items()})
            self._reply(200, {"Content-Type": "image/png"}, picture(colour=f"#{hash(self.path) & 0xFFFFFF:06x}"))

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
