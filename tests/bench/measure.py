"""One figure: a command run again and again in turn with its floor, so that a machine that drifts hits both."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TIMEOUT = 120
"""Seconds of one command, unless its row says otherwise."""


class Unmeasured(Exception):
    """A command that did not come to its end, or not to the expected one; the text stands in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one command took. `curve` is its resident memory in MB at equal distances in time, `stolen` the share of the
    processors that a virtual machine's host kept from it."""

    seconds: float
    cpu: float
    peak_mb: float
    code: int
    said: str
    stolen: float = 0.0
    curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The values of the repetitions, the peak memory of each in MB, and how much of the processors was kept from it."""

    values: tuple[float, ...]
    peaks: tuple[float, ...]
    stolen: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def peak_mb(self) -> float:
        return median(self.peaks)


Part = tuple[Callable[[], Took], Callable[[Took], float]]
"""What brings everything into the state before and runs a command, and what of it counts."""


def launch(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: int = TIMEOUT, samples: int = 0
) -> Took:
    """Runs a command to its end, with nothing on its stdin."""
    launcher = str(Path(__file__).with_name("launch.py"))
    with tempfile.TemporaryDirectory() as folder:
        report, said = Path(folder, "took.json"), Path(folder, "said.txt")
        line = [sys.executable, "-I", "-S", launcher, str(report), str(timeout), str(samples), *words]
        with said.open("wb") as output:
            subprocess.run(
                line, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        text = said.read_text(encoding="utf-8", errors="replace")
        if not report.exists():
            raise Unmeasured(_last(text) or f"{words[0]} cannot be started")
        took = json.loads(report.read_text(encoding="utf-8"))
    return Took(**{**took, "curve": tuple(took["curve"])}, said=text)


def checked(took: Took, *, codes: Sequence[int] = (0,), timeout: int = TIMEOUT) -> Took:
    """The same, if it ended as expected."""
    if took.code == -9 and took.seconds >= timeout:
        raise Unmeasured(f"more than {timeout} s")
    if took.code not in codes:
        raise Unmeasured(f"exit {took.code}: {_last(took.said)}")
    return took


def printed(took: Took) -> float:
    """The number on the last line that a command printed."""
    try:
        return float(_last(took.said))
    except ValueError:
        raise Unmeasured(f"no figure, but: {_last(took.said)}") from None


def in_turn(parts: Sequence[Part], repeat: int) -> list[Figure | Unmeasured]:
    """A figure for each part, or why there is none; every round runs each of them once."""
    takes: list[list[tuple[float, Took]] | Unmeasured] = [[] for _ in parts]
    for _ in range(repeat):
        for number, (once, value) in enumerate(parts):
            found = takes[number]
            if isinstance(found, list):
                try:
                    took = once()
                    found.append((value(took), took))
                except Unmeasured as reason:
                    takes[number] = reason
    return [found if isinstance(found, Unmeasured) else _figure(found) for found in takes]


def _figure(takes: list[tuple[float, Took]]) -> Figure:
    return Figure(
        values=tuple(value for value, _ in takes),
        peaks=tuple(took.peak_mb for _, took in takes),
        stolen=tuple(took.stolen for _, took in takes),
        curve=takes[-1][1].curve,
    )


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:120] if lines else ""
