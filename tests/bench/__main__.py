"""`python -m tests.bench [--peers] [--select TEXT]… [--repeat N] [--cpu] [--output FILE]`: all figures, as tables."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from . import contest
from .clean import ROOT, flowrunner
from .places import Places
from .probes import Row
from .rows import rows
from .running import Bench
from .servers import Servers
from .table import markdown


def main() -> None:
    arguments = _arguments()
    chosen = [one for one in rows() if _is_meant(one, arguments)]
    with tempfile.TemporaryDirectory(prefix="flowrunner-bench-", ignore_cleanup_errors=True) as name:
        _say("making a clean environment")
        folder = Path(name)
        environment = flowrunner(folder / "environment")
        places = Places(folder / "projects", environment)
        with Servers(environment) as servers:
            bench = Bench(places=places, servers=servers, repeat=arguments.repeat, cpu=arguments.cpu, say=_say)
            text = f"{_title()}\n{markdown(bench.lines(chosen))}"
            if arguments.peers:
                text += f"\n{contest.table(bench, arguments.cache, folder / 'peers')}"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    shown = "only rows whose group or name has this text; may come again"
    parser.add_argument("--select", metavar="TEXT", action="append", default=[], help=shown)
    parser.add_argument("--repeat", metavar="N", type=int, help="how often each command is run")
    shown = "seconds of the processor, not of the clock: on a machine that others use, too"
    parser.add_argument("--cpu", action="store_true", help=shown)
    shown = "run the same graphs with peers from the package registry; without --select, nothing else"
    parser.add_argument("--peers", action="store_true", help=shown)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner-bench"
    shown = "where the environments of the peers are kept (default: %(default)s)"
    parser.add_argument("--cache", metavar="DIR", type=Path, default=cache, help=shown)
    parser.add_argument("--output", metavar="FILE", type=Path, help="where the table goes, by default to stdout")
    return parser.parse_args()


def _is_meant(row: Row, arguments: argparse.Namespace) -> bool:
    if not arguments.select:
        return not arguments.peers
    return any(text in f"{row.group}: {row.name}" for text in arguments.select)


def _title() -> str:
    words = ["git", "describe", "--always", "--dirty"]
    revision = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()}"
    legend = (
        "Stolen: how much of the processors a virtual machine's host kept, of all repetitions the least and the most."
    )
    return f"# flowrunner {revision}, {datetime.now(UTC).date()}, {machine}\n\n{legend}\n"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
