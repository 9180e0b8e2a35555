"""Where the boxes of a drawing stand: in columns by how far they are from the start, few crossings, short ways.

The usual way to draw a directed graph (Sugiyama, Tagawa, Toda 1981): layers by longest path, bends where an arrow
passes a layer, order by the mean place of neighbours, then heights that follow the neighbours as far as there is room.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from flowrunner.report.drawings import Arrow, Drawing
from flowrunner.slotted import dataclass

Spot: TypeAlias = tuple[str, str, int]
"""A box (`step`, "", its layer), or the bend of an arrow (source, target, the layer that it passes)."""

_SWEEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Layers from left to right, each from top to bottom, and the middle of each spot in `heights`. `ways` gives the
    spots of every arrow, its source and target included."""

    layers: Sequence[Sequence[Spot]]
    heights: Mapping[Spot, float]
    ways: Mapping[Arrow, Sequence[Spot]]


def layout(drawn: Drawing, sizes: Mapping[str, float], gap: float) -> Layout:
    """A place for everything. `sizes` are the heights of the boxes; between two spots of a layer there is `gap`."""
    depth = _depths(drawn)
    ways = {arrow: _way(arrow, depth) for arrow in drawn.arrows}
    layers = _layers(drawn, depth, ways)
    before, after = _neighbours(ways)
    for sweep in range(_SWEEPS):
        _arrange(layers, before if sweep % 2 == 0 else after, forward=sweep % 2 == 0)
    tall = {spot: 0.0 if spot[1] else sizes[spot[0]] for layer in layers for spot in layer}
    heights = _stacked(layers, tall, gap)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            _settle(layer, before if forward else after, heights, tall, gap)
    top = min((heights[spot] - tall[spot] / 2 for spot in heights), default=0.0)
    return Layout(layers=layers, heights={spot: height - top for spot, height in heights.items()}, ways=ways)


def _depths(drawn: Drawing) -> dict[str, int]:
    """The layer of each step: one behind the last that it needs. The boxes come in topological order."""
    depth: dict[str, int] = {}
    for box in drawn.boxes:
        needed = [depth[arrow.source] for arrow in drawn.arrows if arrow.target == box.step]
        depth[box.step] = max(needed, default=-1) + 1
    return depth


def _way(arrow: Arrow, depth: Mapping[str, int]) -> list[Spot]:
    first, last = depth[arrow.source], depth[arrow.target]
    bends = [(arrow.source, arrow.target, layer) for layer in range(first + 1, last)]
    return [(arrow.source, "", first), *bends, (arrow.target, "", last)]


def _layers(drawn: Drawing, depth: Mapping[str, int], ways: Mapping[Arrow, Sequence[Spot]]) -> list[list[Spot]]:
    layers: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for box in drawn.boxes:
        layers[depth[box.step]].append((box.step, "", depth[box.step]))
    for way in ways.values():
        for spot in way[1:-1]:
            layers[spot[2]].append(spot)
    return layers


def _neighbours(ways: Mapping[Arrow, Sequence[Spot]]) -> tuple[dict[Spot, list[Spot]], dict[Spot, list[Spot]]]:
    before: dict[Spot, list[Spot]] = {}
    after: dict[Spot, list[Spot]] = {}
    for way in ways.values():
        for one, two in pairwise(way):
            after.setdefault(one, []).append(two)
            before.setdefault(two, []).append(one)
    return before, after


def _arrange(layers: list[list[Spot]], neighbours: Mapping[Spot, Sequence[Spot]], *, forward: bool) -> None:
    """Each layer by the mean place of its neighbours in the layer before; who has none keeps its own."""
    for number in range(len(layers)) if forward else reversed(range(len(layers))):
        places = {spot: place for layer in layers for place, spot in enumerate(layer)}
        layers[number].sort(key=lambda spot: _mean(neighbours.get(spot, ()), places, places[spot]))


def _mean(spots: Sequence[Spot], values: Mapping[Spot, float], default: float) -> float:
    return sum(values[spot] for spot in spots) / len(spots) if spots else default


def _stacked(layers: Iterable[Sequence[Spot]], tall: Mapping[Spot, float], gap: float) -> dict[Spot, float]:
    """Every layer around the same middle, its spots as close as they may be."""
    heights: dict[Spot, float] = {}
    for layer in layers:
        at = -(sum(tall[spot] for spot in layer) + gap * (len(layer) - 1)) / 2
        for spot in layer:
            heights[spot] = at + tall[spot] / 2
            at += tall[spot] + gap
    return heights


def _settle(
    layer: Sequence[Spot],
    neighbours: Mapping[Spot, Sequence[Spot]],
    heights: dict[Spot, float],
    tall: Mapping[Spot, float],
    gap: float,
) -> None:
    """Moves the spots of a layer to the mean height of their neighbours, as near as their order and `gap` allow."""
    wanted = [_mean(neighbours.get(spot, ()), heights, heights[spot]) for spot in layer]
    apart = [(tall[one] + tall[two]) / 2 + gap for one, two in pairwise(layer)]
    down = list(wanted)
    for number, distance in enumerate(apart, 1):
        down[number] = max(wanted[number], down[number - 1] + distance)
    up = list(wanted)
    for number in range(len(apart) - 1, -1, -1):
        up[number] = min(wanted[number], up[number + 1] - apart[number])
    for spot, low, high in zip(layer, up, down, strict=True):
        heights[spot] = (low + high) / 2
