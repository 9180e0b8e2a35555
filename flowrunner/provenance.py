"""What made each picture of a run: its model, its request key, and whether a model had a part in it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from flowrunner.artifact import Artifact
from flowrunner.call import Call
from flowrunner.providers import image
from flowrunner.xmp import Origin, SourceType

if TYPE_CHECKING:
    from flowrunner.ended import CellResult


def origins(results: "Mapping[str, CellResult]") -> dict[str, Origin]:
    """The origin of every picture by its digest. The results stand in the order of the graph, so that what a picture
    was made of comes before it."""
    found: dict[str, Origin] = {}
    for result in results.values():
        for artifact, call, key in _made(result):
            source = _source(call, found)
            found[artifact.sha256] = Origin(model=call.model, key=key, source=source, simulated=call.simulated)
    return found


def _made(result: "CellResult") -> Iterator[tuple[Artifact, Call, str]]:
    bound = result.planned.bound if result.planned else None
    for call, outcome in zip(bound.calls if bound else (), result.outcomes, strict=False):
        for artifact in outcome.artifacts if outcome else ():
            yield artifact, call, outcome.key if outcome else call.key


def _source(call: Call, found: Mapping[str, Origin]) -> SourceType | None:
    """IPTC's term. A local operation takes it from its pictures: a frame around a photograph is no model's work."""
    inputs = [found.get(leaf.sha256) for leaf in call.inputs if isinstance(leaf, Artifact)]
    if call.simulated:
        return SourceType.ALGORITHMIC
    if call.provider == image.NAME:
        return SourceType.COMPOSITE if any(one and one.source for one in inputs) else None
    return SourceType.COMPOSITE if call.inputs else SourceType.TRAINED
