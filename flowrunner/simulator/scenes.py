"""What a simulated picture shows: six plain scenes of bold shapes, laid out in shares of the sheet.

A scene is drawn from its own `Chance`, so that an edit of a picture can keep the place and change the light.
"""

import math
import re
from collections.abc import Callable, Mapping

from flowrunner.simulator.canvas import Canvas, Point, arc
from flowrunner.simulator.chance import Chance
from flowrunner.simulator.palette import RGB, Inks


def hills(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """Rolling ground in five depths, a low sun, and slim trees on the near ridge."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    horizon = height * chance.between(0.40, 0.52)
    canvas.sky(*inks.sky, until=horizon + 0.1 * height)
    _sun(canvas, inks, (width * chance.between(0.22, 0.78), horizon - unit * 0.06), unit * chance.between(0.15, 0.22))
    for depth, colour in enumerate(inks.layers):
        top = horizon + (height - horizon) * (depth / len(inks.layers)) * 0.95
        ridge = _ridge(canvas, top, (0.05 + 0.012 * depth) * unit, chance)
        canvas.polygon([*ridge, (width, height), (0, height)], colour, ("bottom", 0.75))
        if depth == len(inks.layers) - 2:
            _trees(canvas, inks, ridge, chance)


def peaks(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """Mountains with a lit and a shaded face, nearer and darker towards the foot of the sheet."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    canvas.sky(*inks.sky, until=height * 0.62)
    _sun(canvas, inks, (width * chance.between(0.2, 0.8), height * chance.between(0.20, 0.30)), unit * 0.12)
    for depth in range(3):
        foot = height * (0.70 + 0.13 * depth)
        for _ in range(3 - depth // 2):
            peak = (width * chance.between(0.02, 0.98), height * (chance.between(0.20, 0.38) + 0.17 * depth))
            _mountain(canvas, inks, (peak, foot, height), depth)
        canvas.box((0, foot, width, height), inks.layers[depth + 1], ("bottom", 0.5))
    ridge = _ridge(canvas, height * 0.90, 0.03 * unit, chance)
    canvas.polygon([*ridge, (width, height), (0, height)], inks.layers[4], ("bottom", 0.6))
    _trees(canvas, inks, ridge, chance)


def sea(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """A wide horizon, the sun on it with its track on the water, and a sail."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    horizon = height * chance.between(0.50, 0.60)
    canvas.sky(*inks.sky, until=horizon)
    sun, radius = width * chance.between(0.25, 0.75), unit * chance.between(0.17, 0.25)
    _sun(canvas, inks, (sun, horizon - radius * chance.between(0.05, 0.6)), radius)
    for depth, colour in enumerate(inks.layers):
        top = horizon + (height - horizon) * (depth / len(inks.layers)) ** 1.25
        crest = _ridge(canvas, top, 0.0075 * unit * depth, chance, waves=2.2 + 0.5 * depth)
        canvas.polygon([*crest, (width, height), (0, height)], colour, ("bottom", 0.55))
    for bar in range(9):
        y = horizon + (height - horizon) * ((bar + 0.6) / 9) ** 1.3
        half, thick = radius * chance.between(0.25, 1.05) * (1 - 0.05 * bar), unit * (0.004 + 0.0016 * bar)
        canvas.box((sun - half, y - thick, sun + half, y + thick), inks.light)
    _sail(canvas, inks, (width * chance.choice((0.2, 0.36, 0.66, 0.8)), horizon + unit * 0.07), unit * 0.17)


def city(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """Three rows of blocks, with windows lit in the nearest two."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    canvas.sky(*inks.sky, until=height * 0.7)
    _sun(canvas, inks, (width * chance.between(0.2, 0.8), height * chance.between(0.22, 0.34)), unit * 0.17)
    for depth in range(3):
        left, colour = -0.04 * width, inks.layers[depth * 2]
        for _ in range(40):
            across = unit * chance.between(0.09, 0.20)
            top = height * (chance.between(0.22, 0.50) + 0.16 * depth)
            if left < width:
                canvas.box((left, top, left + across, height), colour, ("bottom", 0.7))
                _windows(canvas, inks.light if depth else inks.layers[1], (left, top, across), chance)
            left += across + unit * chance.choice((0.0, 0.0, 0.015, 0.05))
    canvas.box((0, height * 0.95, width, height), inks.ink)


def arches(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """Portals one within the other, steps up to them, and a ball at rest."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    canvas.sky(inks.layers[0], inks.layers[1], until=height)
    floor, middle = height * 0.80, width * chance.between(0.38, 0.62)
    tones = (inks.layers[1], inks.layers[2], inks.layers[3], inks.sky[0])
    for ring, colour in enumerate(tones):
        radius = unit * (0.40 - 0.075 * ring)
        spring = height * 0.16 + unit * 0.36
        portal = [*arc((middle, spring), radius, 180, 360), (middle + radius, floor), (middle - radius, floor)]
        canvas.polygon(portal, colour, ("left", 0.75))
    _sun(canvas, inks, (middle + unit * chance.between(-0.05, 0.05), height * 0.16 + unit * 0.34), unit * 0.10)
    for step in range(4):
        top, half = floor + (height - floor) * step / 4, unit * (0.30 + 0.14 * step)
        canvas.box((0, top, width, height), inks.layers[3], ("top", 0.25))
        canvas.box((middle - half, top, middle + half, height), _step(inks, step), ("bottom", 0.6))
    side = middle + unit * chance.choice((-0.34, 0.34))
    canvas.disc((side, floor - unit * 0.055), unit * 0.085, inks.accent, ("bottom", 0.95))


def still(canvas: Canvas, inks: Inks, chance: Chance) -> None:
    """Things on a table before a wall with a round window: a vase, a ball, a cone and a block."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    table = height * chance.between(0.64, 0.70)
    canvas.sky(inks.layers[0], inks.layers[1], until=table)
    window = (width * chance.between(0.3, 0.7), height * 0.34)
    canvas.disc(window, unit * 0.29, inks.sky[0], ("left", 0.6))
    _sun(canvas, inks, (window[0] + unit * 0.08, window[1] + unit * 0.06), unit * 0.13)
    canvas.box((0, table, width, height), inks.layers[3], ("bottom", 0.8))
    canvas.box((0, table, width, table + unit * 0.02), inks.layers[2])
    places = chance.choice(((0.24, 0.40, 0.58, 0.77), (0.20, 0.36, 0.62, 0.80), (0.28, 0.44, 0.60, 0.74)))
    start = chance.whole(0, 3)
    things = (_vase, _ball, _cone, _block)
    for slot, share in enumerate(places):
        base = (width * share, table + unit * (0.06 + 0.05 * (slot % 2)))
        _shadow(canvas, inks, base, unit)
        things[(start + slot) % 4](canvas, inks, base, unit * chance.between(0.9, 1.15))


Scene = Callable[[Canvas, Inks, Chance], None]
SCENES: Mapping[str, Scene] = {scene.__name__: scene for scene in (hills, peaks, sea, city, arches, still)}

_WORD = re.compile(r"[a-z]+")
_PLACES = {
    **dict.fromkeys(("hill", "hills", "meadow", "garden", "forest", "field", "tree", "trees", "park"), "hills"),
    **dict.fromkeys(("mountain", "mountains", "snowy", "alps", "ski", "peak", "peaks"), "peaks"),
    **dict.fromkeys(("sea", "beach", "ocean", "boat", "lake", "sunset", "island", "lounger", "harbour"), "sea"),
    **dict.fromkeys(("city", "street", "skyline", "building", "tower", "cyberpunk", "town"), "city"),
    **dict.fromkeys(("room", "interior", "hall", "museum", "palace", "temple", "arch"), "arches"),
    **dict.fromkeys(("desk", "table", "lamp", "vase", "mug", "bottle", "product", "chair", "cup"), "still"),
}


def suited(prompt: str, chance: Chance) -> str:
    """The name of the scene that a prompt's words ask for, else one by lot."""
    named = [_PLACES[word] for word in _WORD.findall(prompt.lower()) if word in _PLACES]
    return named[0] if named else chance.choice(tuple(SCENES))


def balloon(canvas: Canvas, inks: Inks, colour: RGB, chance: Chance) -> None:
    """A hot-air balloon somewhere in the sky: what an edit adds to the scene that it keeps."""
    unit = canvas.unit
    radius = unit * chance.between(0.05, 0.085)
    x = canvas.width * chance.between(0.12, 0.88)
    y = canvas.height * chance.between(0.14, 0.42)
    tip = y + radius * 1.55
    canvas.polygon(
        [*arc((x, y), radius, 150, 390), (x + radius * 0.2, tip), (x - radius * 0.2, tip)], colour, ("right", 0.6)
    )
    gore = radius * 0.36
    canvas.polygon(
        [(x - gore, y - radius * 0.93), (x + gore, y - radius * 0.93), *_belly(x, y, gore, tip)],
        inks.paper,
        ("bottom", 0.4),
    )
    canvas.box((x - radius * 0.2, tip + radius * 0.14, x + radius * 0.2, tip + radius * 0.42), inks.ink)


def _belly(x: float, y: float, gore: float, tip: float) -> list[Point]:
    return [(x + gore * 1.15, y), (x + gore * 0.35, tip), (x - gore * 0.35, tip), (x - gore * 1.15, y)]


def _sun(canvas: Canvas, inks: Inks, centre: Point, radius: float) -> None:
    canvas.disc(centre, radius, inks.light, ("bottom", 0.35 if inks.night else 0.5))
    if inks.night:
        for x, y, size in ((-0.3, -0.25, 0.2), (0.28, 0.1, 0.14), (-0.1, 0.42, 0.11)):
            canvas.disc((centre[0] + x * radius, centre[1] + y * radius), size * radius, inks.sky[1], ("top", 0.3))


def _ridge(canvas: Canvas, top: float, swing: float, chance: Chance, waves: float = 1.4) -> list[Point]:
    """A line of soft waves from the left edge to the right."""
    start, second = chance.between(0, 2 * math.pi), chance.between(0, 2 * math.pi)
    pace = waves * chance.between(0.7, 1.3)
    steps = 64
    return [
        (
            canvas.width * step / steps,
            top
            + swing * math.sin(start + 2 * math.pi * pace * step / steps)
            + swing * 0.45 * math.sin(second + 4.6 * math.pi * pace * step / steps),
        )
        for step in range(steps + 1)
    ]


def _trees(canvas: Canvas, inks: Inks, ridge: list[Point], chance: Chance) -> None:
    for _ in range(7):
        x, y = ridge[chance.whole(3, len(ridge) - 4)]
        tall = canvas.unit * chance.between(0.08, 0.17)
        half = tall * chance.between(0.13, 0.2)
        canvas.box((x - half * 0.12, y - tall * 0.4, x + half * 0.12, y + tall * 0.1), inks.ink)
        leaf = [(x, y - tall), (x + half * 0.8, y - tall * 0.55), (x + half, y - tall * 0.25), (x, y - tall * 0.06)]
        mirrored = [(2 * x - px, py) for px, py in reversed(leaf)]
        canvas.polygon([*leaf, *mirrored], inks.layers[4], ("right", 0.85))


def _mountain(canvas: Canvas, inks: Inks, place: tuple[Point, float, float], depth: int) -> None:
    (x, y), foot, height = place
    half = (foot - y) * 0.95
    canvas.polygon([(x, y), (x + half, height), (x + half, foot), (x - half, foot)], inks.layers[depth + 1])
    canvas.polygon(
        [(x, y), (x + half, foot), (x + half * 0.1, foot), (x - half * 0.12, y + half * 0.5)],
        inks.layers[depth + 2],
        ("bottom", 0.6),
    )
    canvas.polygon([(x, y), (x, foot), (x - half, foot)], inks.layers[depth], ("left", 0.5))
    cap = half * 0.24
    teeth = [
        (x + cap * 0.95, y + cap),
        (x + cap * 0.35, y + cap * 0.72),
        (x, y + cap * 1.2),
        (x - cap * 0.4, y + cap * 0.7),
    ]
    canvas.polygon([(x, y), *teeth, (x - cap * 0.95, y + cap)], inks.paper, ("right", 0.55))


def _sail(canvas: Canvas, inks: Inks, base: Point, tall: float) -> None:
    x, y = base
    canvas.polygon(
        [(x + tall * 0.04, y - tall), (x + tall * 0.52, y - tall * 0.1), (x + tall * 0.04, y - tall * 0.1)],
        inks.accent,
        ("bottom", 0.5),
    )
    canvas.polygon(
        [(x - tall * 0.04, y - tall * 0.85), (x - tall * 0.04, y - tall * 0.1), (x - tall * 0.36, y - tall * 0.1)],
        inks.paper,
        ("left", 0.5),
    )
    canvas.polygon(
        [
            (x - tall * 0.48, y),
            (x + tall * 0.58, y),
            (x + tall * 0.36, y + tall * 0.17),
            (x - tall * 0.3, y + tall * 0.17),
        ],
        inks.ink,
    )


def _windows(canvas: Canvas, colour: RGB, block: tuple[float, float, float], chance: Chance) -> None:
    left, top, across = block
    cell = across / 5
    lit = chance.whole(0, 2**15 - 1)
    for slot in range(15):
        row, column = divmod(slot, 3)
        if lit >> slot & 1:
            x, y = left + cell * (0.75 + 1.25 * column), top + cell * (1 + 1.6 * row)
            canvas.box((x, y, x + cell * 0.8, y + cell * 0.95), colour)


def _step(inks: Inks, step: int) -> RGB:
    return inks.layers[step + 1] if step % 2 else inks.layers[min(4, step + 2)]


def _shadow(canvas: Canvas, inks: Inks, base: Point, unit: float) -> None:
    x, y = base
    canvas.polygon(
        [
            (x - unit * 0.06, y),
            (x + unit * 0.06, y),
            (x + unit * 0.30, y + unit * 0.07),
            (x + unit * 0.16, y + unit * 0.07),
        ],
        inks.layers[4],
    )


def _vase(canvas: Canvas, inks: Inks, base: Point, unit: float) -> None:
    x, y = base
    side = [(0.05, 0.0), (0.09, -0.07), (0.095, -0.14), (0.07, -0.20), (0.032, -0.25), (0.03, -0.30), (0.05, -0.33)]
    right = [(x + dx * unit, y + dy * unit) for dx, dy in side]
    canvas.polygon([*right, *((2 * x - px, py) for px, py in reversed(right))], inks.accent, ("right", 0.9))


def _ball(canvas: Canvas, inks: Inks, base: Point, unit: float) -> None:
    canvas.disc((base[0], base[1] - unit * 0.085), unit * 0.09, inks.light, ("bottom", 0.9))


def _cone(canvas: Canvas, inks: Inks, base: Point, unit: float) -> None:
    x, y = base
    canvas.polygon([(x, y - unit * 0.29), (x + unit * 0.10, y), (x - unit * 0.10, y)], inks.layers[1], ("right", 0.9))


def _block(canvas: Canvas, inks: Inks, base: Point, unit: float) -> None:
    x, y = base
    canvas.box((x - unit * 0.075, y - unit * 0.20, x + unit * 0.045, y), inks.layers[2], ("bottom", 0.5))
    canvas.polygon(
        [
            (x + unit * 0.045, y - unit * 0.20),
            (x + unit * 0.10, y - unit * 0.225),
            (x + unit * 0.10, y - unit * 0.02),
            (x + unit * 0.045, y),
        ],
        inks.layers[4],
    )
    canvas.polygon(
        [
            (x - unit * 0.075, y - unit * 0.20),
            (x + unit * 0.045, y - unit * 0.20),
            (x + unit * 0.10, y - unit * 0.225),
            (x - unit * 0.02, y - unit * 0.225),
        ],
        inks.layers[0],
    )
