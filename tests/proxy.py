"""A proxy on loopback, for plain HTTP: it forwards each request to where its first line says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """`targets` are the URLs that were asked for, one for each connection."""

    url: str
    targets: list[str] = field(default_factory=list)

    def forward(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as said, suppress(OSError):
            method, target, version = said.readline().split()
            self.targets.append(target.decode())
            parts = urlsplit(target.decode())
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            head = [b"%b %b %b\r\n" % (method, path.encode(), version)]
            while head[-1].strip():
                head.append(said.readline())
            length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
            with socket.create_connection((parts.hostname, parts.port)) as server:
                server.sendall(b"".join(head) + said.read(length))
                while piece := server.recv(2**16):
                    client.sendall(piece)


@contextmanager
def forwarding() -> Iterator[Proxy]:
    listening = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(f"http://127.0.0.1:{listening.getsockname()[1]}")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=proxy.forward, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
