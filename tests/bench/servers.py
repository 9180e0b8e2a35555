"""The loopback provider, started for the rows that want one, and ended with the table."""

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .clean import Environment


@dataclass(frozen=True, slots=True)
class Served:
    """What the provider gives: pictures of so many bytes, so many seconds after they are asked for; `inline` in the
    reply itself."""

    size: int
    seconds: float = 0.0
    inline: bool = False


class Servers:
    """One process at a time: a server that nobody asks takes nothing, but its pictures take memory."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._running = ExitStack()
        self._origin: tuple[Served, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def origin(self, served: Served) -> str:
        """Where such a provider listens."""
        if self._origin is None or self._origin[0] != served:
            self._running.close()
            self._origin = (served, self._started(served))
        return self._origin[1]

    def _started(self, served: Served) -> str:
        how = "inline" if served.inline else "linked"
        words = ["-m", "bench.served", str(served.size), str(served.seconds), how]
        process = self._running.enter_context(
            subprocess.Popen(
                [self._environment.program("python"), *words],
                cwd=Path(self._environment.folder),
                env=self._environment.variables(),
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        self._running.callback(process.kill)
        assert process.stdout is not None
        return process.stdout.readline().strip()
