"""Reading model files: those that came with flowrunner, and a project's own `schemas/` folder."""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from flowrunner.catalog import read
from flowrunner.catalog.find import Catalog
from flowrunner.catalog.model import Model
from flowrunner.errors import InvalidPipeline
from flowrunner.files import FileProblem, WorkTree
from flowrunner.problems import Problem
from flowrunner.resources import folder

PIPELINE_SCHEMA = "pipeline.schema.json"
"""The schema of pipelines, which lies among the models but is none."""
LOCAL = "image"
"""The provider of local operations, which only flowrunner itself can have."""
_MOST = 2000


def load(*extra: Path) -> Catalog:
    """The built-in models and those of the folders `extra`, where they exist. InvalidPipeline with every broken file.

    A later folder's model stands in for an earlier one with the same provider and id."""
    own = folder("schemas").resolve()
    places = (place for place in extra if place.is_dir() and place.resolve() != own)
    return extended(document for place in places for document in _documents(place))


def extended(documents: Iterable[tuple[str, bytes]]) -> Catalog:
    """The built-in models and those of a project's model files, given as name and bytes (a git revision's, say)."""
    found: list[Model] = []
    problems: list[Problem] = []
    for name, data in documents:
        try:
            found += [] if name.endswith(PIPELINE_SCHEMA) else _joining(read.model(data, name))
        except InvalidPipeline as error:
            problems += error.problems
    if problems:
        raise InvalidPipeline(problems)
    return Catalog([*_built_in(), *found])


def _joining(model: Model) -> list[Model]:
    """A local operation is the installed flowrunner's: a file that describes one (in flowrunner's own repository, at
    another revision) is passed over, and one that adds to them is refused."""
    if model.provider != LOCAL:
        return [model]
    if any(model.id == known.id for known in _built_in() if known.provider == LOCAL):
        return []
    message = f"{LOCAL} is the provider of flowrunner's own operations: a model file cannot add to it"
    raise InvalidPipeline([Problem(code="model-file", message=message, file=model.file)])


@cache
def _built_in() -> tuple[Model, ...]:
    root = folder("schemas")
    files = (path for path in sorted(root.rglob("*.json")) if path.name != PIPELINE_SCHEMA)
    return tuple(read.model(path.read_bytes(), _name(root, path), trusted=True) for path in files)


def _name(root: Path, path: Path) -> str:
    return f"{root.name}/{path.relative_to(root).as_posix()}"


def _documents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a folder's model files; nothing is followed out of the folder that the folder lies in."""
    tree = WorkTree(place.parent)
    names = sorted(_name(place, path) for path in _paths(place))
    if len(names) > _MOST:
        raise InvalidPipeline([Problem(code="model-file", message=f"more than {_MOST} files", file=place.name)])
    for name in names:
        try:
            yield name, tree.read(name)
        except FileProblem as error:
            problem = Problem(code="model-file", message=error.message, hint=error.hint, file=name)
            raise InvalidPipeline([problem]) from None


def _paths(place: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if name.endswith(".json") and name != PIPELINE_SCHEMA and not name.startswith("."):
                yield Path(root) / name
