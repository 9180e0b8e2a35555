"""The graphs that are measured: names and needs, and the same as pipelines of flowrunner."""

from collections.abc import Callable
from itertools import product

Dag = dict[str, tuple[str, ...]]
"""A node to what it needs; each stands behind its needs."""

HEAD = "flowrunner: 1\nprovider: aimlapi\n"


def chain(count: int) -> Dag:
    return {f"s{at}": (f"s{at - 1}",) if at else () for at in range(count)}


def wide(count: int) -> Dag:
    return {f"s{at}": () for at in range(count)}


def uneven(side: int = 6) -> tuple[Dag, dict[str, float]]:
    """A diamond of `side` columns with `side` rows, and the seconds of each node. In each row another column is slow:
    who waits for a whole row waits for the slow one of each."""
    dag: dict[str, tuple[str, ...]] = {"top": ()}
    seconds = {"top": 0.05, "end": 0.05}
    for row, column in product(range(side), range(side)):
        dag[f"r{row}c{column}"] = (f"r{row - 1}c{column}",) if row else ("top",)
        seconds[f"r{row}c{column}"] = 0.5 if row == column else 0.05
    dag["end"] = tuple(f"r{side - 1}c{column}" for column in range(side))
    return dag, seconds


def beside(length: int = 10, others: int = 40) -> tuple[Dag, dict[str, float]]:
    """A chain, and many nodes that need nothing and stand before it in the file: what is longest has to begin first."""
    dag = {**{f"o{at}": () for at in range(others)}, **chain(length)}
    return dag, dict.fromkeys(dag, 0.1)


def longest(dag: Dag, seconds: Callable[[str], float]) -> dict[str, float]:
    """The seconds from the beginning of each node to the end of the longest way that goes on from it."""
    ways: dict[str, float] = dict.fromkeys(dag, 0.0)
    for name in reversed(dag):
        ways[name] += seconds(name)
        for need in dag[name]:
            ways[need] = max(ways[need], ways[name])
    return ways


def steps(dag: Dag) -> str:
    """A pipeline with a step for each node: an edit where it needs others, each prompt the node's own name."""
    return f"{HEAD}steps:\n" + "".join(f"  {name}: {_step(name, needs)}\n" for name, needs in dag.items())


def _step(name: str, needs: tuple[str, ...]) -> str:
    if not needs:
        return f"{{model: blackforestlabs/flux-2, with: {{prompt: {name}}}}}"
    if len(needs) > 3:  # as many pictures as the model takes; the others are waited for
        images, after = needs[:3], f", after: [{', '.join(needs[3:])}]"
    else:
        images, after = needs, ""
    return _edit(name, [f"${need}" for need in images], after)


def _edit(name: str, images: list[str], after: str = "", *, sized: bool = False) -> str:
    size = ", image_size: {width: 1024, height: 1024}" if sized else ""
    wanted = f"prompt: {name}, image_urls: [{', '.join(images)}]{size}"
    return f"{{model: blackforestlabs/flux-2-edit{after}, with: {{{wanted}}}}}"


def matrix(count: int) -> str:
    """One step across two axes."""
    rows = next(side for side in range(int(count**0.5), 0, -1) if count % side == 0)
    axes = ", ".join(f"a{at}" for at in range(rows)), ", ".join(f"b{at}" for at in range(count // rows))
    step = "{model: blackforestlabs/flux-2, across: [a, b], with: {prompt: '{{ axis.a.id }} by {{ axis.b.id }}'}}"
    return f"{HEAD}axes:\n  a: [{axes[0]}]\n  b: [{axes[1]}]\nsteps:\n  s: {step}\n"


def pipeline(shape: str, count: int) -> str:
    """A pipeline of so many cells, by the name of its shape."""
    match shape:
        case "chain":
            return steps(chain(count))
        case "wide":
            return steps(wide(count))
        case "matrix":
            return matrix(count)
        case "edits":
            return (
                HEAD
                + "steps:\n"
                + "".join(f"  {name}: {_edit(name, [f'p{name[1:]}.png'], sized=True)}\n" for name in wide(count))
            )
        case "uneven":
            return steps(uneven(count)[0])
        case "beside":
            return steps(beside(count)[0])
    raise ValueError(shape)
