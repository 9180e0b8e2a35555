"""Pipelines of a few lines, read from memory."""

import fnmatch
from collections.abc import Mapping
from typing import Any

from wire import png

from flowrunner.catalog import Catalog
from flowrunner.catalog.load import load as load_catalog
from flowrunner.digest import sha256
from flowrunner.errors import InvalidPipeline
from flowrunner.files import TEXT_LIMIT, NoFile
from flowrunner.graph import Graph, build
from flowrunner.loading import load
from flowrunner.loading.scope import Scope, Value
from flowrunner.pipeline import Pipeline
from flowrunner.problems import Problem

CATALOG: Catalog = load_catalog()
PHOTO = png(800, 600, "photo")
TALL = png(600, 800, "tall")
HEAD = "flowrunner: 1\nprovider: aimlapi\n"
STEP = "steps: {a: {model: blackforestlabs/flux-2-pro, with: {prompt: x}}}\n"


class Memory:
    """Files that are nowhere: a `Files` over a mapping of path to content."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
        self.asked: list[str] = []

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        self.asked.append(path)
        if path not in self.files:
            raise NoFile(f"{path} does not exist")
        return self.files[path][:limit]

    def digest(self, path: str, limit: int = TEXT_LIMIT) -> str:
        return sha256(self.read(path, limit))

    def list(self, pattern: str) -> list[str]:
        folder = pattern.rpartition("/")[0]
        return sorted(
            name for name in self.files if name.rpartition("/")[0] == folder and fnmatch.fnmatchcase(name, pattern)
        )


def read(text: str, files: Mapping[str, str | bytes] | None = None, *, at: str = "show.yaml") -> Pipeline:
    """A sound pipeline without warnings."""
    pipeline, warnings = load(Memory({at: HEAD + text, **(files or {})}), at)
    assert not warnings
    return pipeline


def graph(text: str, files: Mapping[str, str | bytes] | None = None, inputs: Mapping[str, Any] | None = None) -> Graph:
    """The graph of a sound pipeline; inputs without a default that are not given are unknown."""
    pipeline = read(text, files)
    values = {name: Value(data=value) for name, value in (inputs or {}).items()}
    defaults = {
        name: Value(data=spec.default.value, node=spec.default)
        for name, spec in pipeline.inputs.items()
        if spec.default is not None
    }
    return build(pipeline, Scope(pipeline, {**defaults, **values}), CATALOG)[0]


def faults(text: str, files: Mapping[str, str | bytes] | None = None) -> list[Problem]:
    """Everything that is wrong with the text itself."""
    try:
        return load(Memory({"show.yaml": HEAD + text, **(files or {})}), "show.yaml")[1]
    except InvalidPipeline as refusal:
        return refusal.problems


def fault(text: str, files: Mapping[str, str | bytes] | None = None) -> Problem:
    (found,) = faults(text, files)
    return found
