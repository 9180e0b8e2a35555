"""Cells bound over a pipeline that lies in memory."""

from collections.abc import Mapping
from typing import Any

from wire import png
from written import CATALOG, HEAD, PHOTO, TALL, Memory

from flowrunner.artifact import Artifact
from flowrunner.binding import Binder, Bound
from flowrunner.graph import FromCell, draw
from flowrunner.imagehead import artifact
from flowrunner.loading import read
from flowrunner.loading.scope import Scope, Value
from flowrunner.problems import Problem

PRO, EDIT, MANY = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit", "blackforestlabs/flux-2"


class Binding:
    """A pipeline with every cell bound in order. `known` holds the images of cells, by id, that are there already."""

    def __init__(
        self,
        text: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        known: Mapping[str, list[Artifact]] | None = None,
        inputs: Mapping[str, Any] | None = None,
        at: str = "show.yaml",
    ) -> None:
        tree = Memory({"photo.png": PHOTO, "tall.png": TALL, at: HEAD + text, **(files or {})})
        pipeline, problems = read(tree, at)
        values = {name: Value(data=s.default.value, node=s.default) for name, s in pipeline.inputs.items() if s.default}
        values |= {name: Value(data=value) for name, value in (inputs or {}).items()}
        graph, more = draw(pipeline, Scope(pipeline, values), CATALOG)
        self._known = known or {}
        self.binder = Binder(graph, CATALOG, tree)
        self.bound: dict[str, Bound] = {}
        for name, cell in graph.cells.items():
            if name not in graph.skipped:
                self.bound[name] = self.binder.bind(cell, self.known)
        instead = [problem for cell in graph.cells.values() for problem in self.binder.instead(cell)]
        told = [problem for bound in self.bound.values() for problem in bound.problems]
        self.problems: list[Problem] = [*problems, *more, *told, *instead]

    def known(self, target: FromCell) -> list[Artifact] | None:
        images = self._known.get(target.cell)
        if images is None:
            return None
        return images[target.number - 1 : target.number] if target.number else images

    def params(self, cell: str) -> dict[str, Any]:
        """The request of a sound cell as the lock shows it."""
        assert not self.problems, self.problems
        bound = self.bound[cell]
        return bound.calls[0].shown if bound.calls else bound.params

    @property
    def fault(self) -> Problem:
        (found,) = self.problems
        return found


def made(seed: str, width: int = 1024, height: int = 768) -> Artifact:
    return artifact(png(width, height, seed))
