"""How much memory pictures in flight take: measured in a process that does nothing else."""

import random
import shutil
import socketserver
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

MB = 1_000_000
SIDE = 2580
KEEPING = """
import asyncio, random, re, sys, time
from pathlib import Path
from flowrunner import network
from flowrunner.downloads import Downloads
from flowrunner.exchange import Connections
from flowrunner.jobs import Stop
from flowrunner.keeping import Keeper, NotKept
from flowrunner.providers.base import Delivery
from flowrunner.store.objects import Objects

base, number = sys.argv[2], int(sys.argv[3])

async def judge(url):
    return await network.judge(url, allowed_origins=[base])

async def all_of_them():
    async with Connections() as connections:
        engines = {"clock": time.monotonic, "sleep": asyncio.sleep, "random": random.random}
        downloads = Downloads(transport=connections.downloads, judge=judge, **engines)
        keeper = Keeper(simulated=False, objects=Objects(Path(sys.argv[1])), downloads=downloads, stop=Stop())
        found = await asyncio.gather(*(keeper.keep(Delivery(url=f"{base}/{n}.png"), n + 1) for n in range(number)))
        assert not [one for one in found if isinstance(one, NotKept)], found

asyncio.run(all_of_them())
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def noise() -> tuple[bytes, bytes]:
    """A PNG of 20 MB that cannot be packed, before and after the place of a comment."""
    rows = b"".join(b"\0" + random.Random(row).randbytes(3 * SIDE) for row in range(SIDE))
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    return head, chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


@contextmanager
def serving(head: bytes, tail: bytes) -> Iterator[str]:
    """Gives another picture to each request."""
    numbers = count()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            start = head + chunk(b"tEXt", b"Comment\0%d" % next(numbers))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(start) + len(tail)))
            self.wfile.write(start)
            self.wfile.write(tail)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_64_pictures_of_20_mb_at_once_take_less_than_200_mb(tmp_path: Path) -> None:
    head, tail = noise()
    assert len(head) + len(tail) >= 19.9 * MB
    with serving(head, tail) as base:
        words = [sys.executable, "-c", KEEPING, str(tmp_path / "store"), base, "64"]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=280)
    kept = len(list((tmp_path / "store" / "objects").glob("*/*")))
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    assert done.returncode == 0, done.stderr
    assert kept == 64
    assert int(done.stdout) * 1024 < 200 * MB
