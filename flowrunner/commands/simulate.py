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
    shown = "what goes wrong, as below; may come again, and the first that applies counts"
    parser.add_argument("--fault", metavar="RULE", action="append", default=[], help=shown)
    parser.epilog = _rules()


def _rules() -> str:
    """The language of --fault, for --help."""
    from flowrunner.simulator.faults import listing

    return f"""\
a RULE is a fault, and KEY=VALUE for what is to be said of it:
  --fault 429                                every paid call is turned away
  --fault '429 retry-after=5 times=2'        the first two, with the advice to wait
  --fault 'drop at=3'                        the third is done, and its reply is lost
  --fault '503 rate=20%' --fault 'cut-gzip on=download rate=10%'
  --fault 'moderated match=vase'             those whose prompt has this word

{listing()}"""


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
        with serve(
            catalog, port=arguments.port, latency=arguments.latency, faults=arguments.fault, on_request=_told
        ) as origin:
            _greet(origin, arguments.fault)
            ended.wait()
    except OSError as fault:
        raise UsageError(f"port {arguments.port} cannot be used: {fault.strerror}", "give another --port") from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _greet(origin: str, faults: list[str]) -> None:
    from flowrunner.providers.registry import PROVIDERS

    names = [name.upper().replace("-", "_") for name in PROVIDERS]
    lines = [f"serving {origin}", *(f"export {name}_BASE_URL={origin}" for name in names)]
    rules = [f"fault {escape.line(rule)}" for rule in faults]
    print("\n".join([*lines, "then: flowrunner run PATH --simulate", *rules, ""]), flush=True)


def _told(served: "Served") -> None:
    fault = f"  fault: {escape.line(served.fault)}" if served.fault else ""
    status = served.status or "---"
    shown = f"{served.method:<4} {status}  {served.seconds:6.2f} s  {escape.line(served.path, 200)}{fault}"
    with suppress(OSError):  # whoever read the log has gone; the clients are still served
        sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()
