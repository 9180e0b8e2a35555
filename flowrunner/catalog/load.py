"""Reading model files: those that came with flowrunner, and a project's own `schemas/` folder."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
"""Files and folders among a project's model files."""
_DEEP = 20
_LIMIT = 512 * 1024
"""Bytes of one model file of a project."""
_ALL = 8 * 1024 * 1024
"""Bytes of all of them."""


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
    raise _refused(f"{LOCAL} is the provider of flowrunner's own operations: a model file cannot add to it", model.file)


@cache
def _built_in() -> tuple[Model, ...]:
    root = folder("schemas")
    files = (path for path in sorted(root.rglob("*.json")) if path.name != PIPELINE_SCHEMA)
    return tuple(read.model(path.read_bytes(), _name(root, path), trusted=True) for path in files)


def _name(root: Path, path: Path) -> str:
    return f"{root.name}/{path.relative_to(root).as_posix()}"


def _documents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a folder's model files; nothing is followed out of the folder that the folder lies in."""
    tree, total = WorkTree(place.parent), 0
    with _told(place.name):
        tree.path(place.name)  # a link may lead anywhere
    for name in sorted(_name(place, path) for path in _paths(place)):
        with _told(name):
            data = tree.read(name, _LIMIT)
        total += len(data)
        if total > _ALL:
            raise _refused(f"the model files are larger than {_ALL // 1024 // 1024} MiB together", place.name)
        yield name, data


def _paths(place: Path) -> Iterator[Path]:
    found = 0
    for root, folders, files in os.walk(place):
        found += len(folders) + len(files)
        if found > _MOST:
            raise _refused(f"more than {_MOST:,} files and folders", place.name, "keep only model files in it")
        if len(Path(root).parts) - len(place.parts) > _DEEP:
            raise _refused(f"folders nest deeper than {_DEEP}", place.name)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if name.endswith(".json") and name != PIPELINE_SCHEMA and not name.startswith("."):
                yield Path(root) / name


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except FileProblem as fault:
        raise _refused(fault.message, name, fault.hint) from None


def _refused(message: str, name: str, hint: str = "") -> InvalidPipeline:
    return InvalidPipeline([Problem(code="model-file", message=message, hint=hint, file=name)])
