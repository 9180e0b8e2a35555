"""Rows become lines: each command is run in turn with its floor."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from .measure import Figure, Took, Unmeasured, checked, in_turn, launch, printed
from .places import Places, State
from .probes import Probe, Row
from .servers import Servers
from .table import Line, Unit, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Runs rows in one clean environment; `repeat` stands for what they say themselves."""

    places: Places
    servers: Servers
    repeat: int | None = None
    cpu: bool = False
    say: Callable[[str], None] = print
    _warm: set[Probe] = field(default_factory=set)

    def lines(self, chosen: Iterable[Row]) -> Iterator[Line]:
        for one in chosen:
            line = self.line(one)
            self.say(row(line))
            yield line

    def line(self, one: Row) -> Line:
        figure, floor = self._figures(one)
        if isinstance(figure, Unmeasured):
            return Line(group=one.group, name=one.name, target=one.target, note=str(figure))
        return Line(
            group=one.group,
            name=one.name,
            unit=one.unit,
            figure=figure,
            floor=None if isinstance(floor, Unmeasured) else floor,
            cells=one.cells,
            target=one.target,
        )

    def _figures(self, one: Row) -> tuple[Figure | Unmeasured, Figure | Unmeasured | None]:
        probes = [one.work] if one.floor is None else [one.work, one.floor]
        parts = [(partial(self.once, probe, one.timeout), partial(self._value, one, probe)) for probe in probes]
        figure, *floor = in_turn(parts, self.repeat or one.repeat)
        return figure, floor[0] if floor else None

    def once(self, probe: Probe, timeout: int) -> Took:
        environment = self.places.environment
        cwd = self.places.of(probe.project, probe.state)
        program, *rest = probe.words
        words = [environment.program(program), *rest]
        served = {"AIMLAPI_BASE_URL": self.servers.origin(probe.served)} if probe.served else {}
        env = environment.variables(served)
        if probe.state is State.NEW:
            self._warm.difference_update({one for one in self._warm if one.project == probe.project})
        if probe.warm and probe not in self._warm:
            self._warm.add(probe)
            launch(words, cwd=cwd, env=env, timeout=timeout)
        os.sync()  # what others have left to be written is not waited for by whoever makes something durable
        took = launch(words, cwd=cwd, env=env, timeout=timeout, samples=probe.samples)
        return checked(took, codes=probe.codes, timeout=timeout)

    def seconds(self, took: Took) -> float:
        return took.cpu if self.cpu else took.seconds

    def _value(self, one: Row, probe: Probe, took: Took) -> float:
        if probe.printed:
            return printed(took)
        seconds = self.seconds(took)
        return one.megabytes / seconds if one.unit is Unit.RATE else seconds
