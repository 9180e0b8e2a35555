"""`python -m tests.bench [--select TEXT]… [--repeat N] [--cpu] [--output FILE]`: everything measured, as tables."""

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from .clean import ROOT, flowrunner
from .measure import Figure, Took, Unmeasured, checked, in_turn, launch, printed
from .places import Places
from .rows import Probe, Row, rows
from .servers import Servers
from .table import Line, Unit, markdown, row


def main() -> None:
    arguments = _arguments()
    chosen = [one for one in rows() if _is_meant(one, arguments.select)]
    with tempfile.TemporaryDirectory(prefix="flowrunner-bench-", ignore_cleanup_errors=True) as folder:
        _say("making a clean environment")
        environment = flowrunner(Path(folder, "environment"))
        with Servers(environment) as servers:
            places = Places(Path(folder, "projects"), environment)
            bench = Bench(places, servers, arguments.repeat, cpu=arguments.cpu)
            lines = list(bench.lines(chosen))
    text = f"{_title()}\n{markdown(lines)}"
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
    parser.add_argument("--output", metavar="FILE", type=Path, help="where the table goes, by default to stdout")
    return parser.parse_args()


def _is_meant(row: Row, texts: list[str]) -> bool:
    return not texts or any(text in f"{row.group}: {row.name}" for text in texts)


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs rows in one clean environment; `repeat` stands for what they say themselves."""

    places: Places
    servers: Servers
    repeat: int | None = None
    cpu: bool = False

    def lines(self, chosen: Iterable[Row]) -> Iterator[Line]:
        for one in chosen:
            line = self.line(one)
            _say(row(line))
            yield line

    def line(self, one: Row) -> Line:
        try:
            figure, floor = self._figures(one)
        except Unmeasured as reason:
            return Line(group=one.group, name=one.name, target=one.target, note=str(reason))
        return Line(
            group=one.group,
            name=one.name,
            unit=one.unit,
            figure=figure,
            floor=floor,
            cells=one.cells,
            target=one.target,
        )

    def _figures(self, one: Row) -> tuple[Figure, Figure | None]:
        probes = [one.work] if one.floor is None else [one.work, one.floor]
        parts = [(partial(self._once, probe, one.timeout), partial(self._value, one, probe)) for probe in probes]
        if one.work.warm:
            parts[0][0]()
        figure, *floor = in_turn(parts, self.repeat or one.repeat)
        return figure, floor[0] if floor else None

    def _once(self, probe: Probe, timeout: int) -> Took:
        environment = self.places.environment
        cwd = self.places.of(probe.project, probe.state)
        program, *rest = probe.words
        words = [environment.program(program), *rest]
        served = {"AIMLAPI_BASE_URL": self.servers.origin(probe.served)} if probe.served else {}
        took = launch(words, cwd=cwd, env=environment.variables(served), timeout=timeout, samples=probe.samples)
        return checked(took, codes=probe.codes, timeout=timeout)

    def _value(self, one: Row, probe: Probe, took: Took) -> float:
        if probe.printed:
            return printed(took)
        seconds = took.cpu if self.cpu else took.seconds
        return one.megabytes / seconds if one.unit is Unit.RATE else seconds


def _title() -> str:
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    today = datetime.now(UTC).date()
    return f"# flowrunner {revision}, {today}, {platform.platform()}, Python {platform.python_version()}\n"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
