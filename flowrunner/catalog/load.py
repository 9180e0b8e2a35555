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
    return extended(document for place in extra if place.is_dir() for document in _documents(place))


def extended(documents: Iterable[tuple[str, bytes]]) -> Catalog:
    """The built-in models and those of a project's model files, given as name and bytes (a git revision's, say)."""
    found: list[Model] = []
    problems: list[Problem] = []
    for name, data in documents:
        try:
            found.append(_own(read.model(data, name)))
        except InvalidPipeline as error:
            problems += error.problems
    if problems:
        raise InvalidPipeline(problems)
    return Catalog([*_built_in(), *found])


@cache
def _built_in() -> tuple[Model, ...]:
    root = folder("schemas")
    files = (path for path in sorted(root.rglob("*.json")) if path.name != PIPELINE_SCHEMA)
    return tuple(read.model(path.read_bytes(), _name(root, path), trusted=True) for path in files)


def _name(root: Path, path: Path) -> str:
    return f"{root.name}/{path.relative_to(root).as_posix()}"


def _own(model: Model) -> Model:
    if model.provider == LOCAL:
        message = f"{LOCAL} is the provider of flowrunner's own operations: a model file cannot add to it"
        raise InvalidPipeline([Problem(code="model-file", message=message, file=model.file)])
    return model


def _documents(place: Path) -> Iterator[tuple[str, bytes]]:
    tree = WorkTree(place)
    paths = sorted(_paths(place))
    if len(paths) > _MOST:
        raise InvalidPipeline([Problem(code="model-file", message=f"more than {_MOST} files", file=place.name)])
    for path in paths:
        name = f"{place.name}/{path}"
        try:
            yield name, tree.read(path)
        except FileProblem as error:
            problem = Problem(code="model-file", message=error.message, hint=error.hint, file=name)
            raise InvalidPipeline([problem]) from None


def _paths(place: Path) -> Iterator[str]:
    for root, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if name.endswith(".json") and name != PIPELINE_SCHEMA and not name.startswith("."):
                yield (Path(root) / name).relative_to(place).as_posix()
