"""Serves the published contracts of the providers on this machine: offline, free, for any HTTP client.

It listens on the loopback address only, and says what it is in every reply and on every picture.
"""

import argparse
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from flowrunner import escape
from flowrunner.commands.parsing import seconds, whole
from flowrunner.errors import UsageError

if TYPE_CHECKING:
    from flowrunner.simulator.server import Served


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="N", type=whole(0, 65535), default=0, help="the port (default: a free one)")
    shown = "seconds that each call takes at least (default: 0)"
    parser.add_argument("--latency", metavar="S", type=seconds, default=0.0, help=shown)


def run(arguments: argparse.Namespace) -> int:
    import signal
    from pathlib import Path

    from flowrunner.project import catalog_of
    from flowrunner.simulator.server import serve
    from flowrunner.store.workspace import find_root

    catalog = catalog_of(find_root(Path.cwd()))
    ended = threading.Event()
    previous = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serve(catalog, port=arguments.port, latency=arguments.latency, on_request=_told) as origin:
            _greet(origin)
            ended.wait()
    except OSError as fault:
        raise UsageError(f"port {arguments.port} cannot be used: {fault.strerror}", "give another --port") from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _greet(origin: str) -> None:
    from flowrunner.providers.registry import PROVIDERS

    names = [name.upper().replace("-", "_") for name in PROVIDERS]
    lines = [f"serving {origin}", *(f"export {name}_BASE_URL={origin}" for name in names)]
    print("\n".join([*lines, "then: flowrunner run PATH --simulate", ""]), flush=True)


def _told(served: "Served") -> None:
    shown = f"{served.method:<4} {served.status}  {served.seconds:6.2f} s  {escape.line(served.path, 200)}"
    with suppress(OSError):  # whoever read the log has gone; the clients are still served
        sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()
