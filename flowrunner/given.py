"""Given inputs: values from a command line, an inputs file or the lock, by the declarations of the pipeline."""

import os
from collections.abc import Callable, Mapping
from itertools import dropwhile
from pathlib import Path
from typing import Any

from flowrunner.artifact import Artifact, unseen
from flowrunner.call import Link
from flowrunner.errors import FlowError, UsageError
from flowrunner.files import IMAGE_LIMIT, FileProblem, Files, WorkTree, as_named, join, relative
from flowrunner.imagehead import artifact
from flowrunner.loading.document import decode, parse
from flowrunner.loading.fields import did_you_mean
from flowrunner.loading.inputs import mismatch
from flowrunner.loading.scalars import Inexact, meant
from flowrunner.loading.scope import Value
from flowrunner.nodes import MapNode, Scalar
from flowrunner.pipeline import InputSpec, InputType, Pipeline
from flowrunner.slotted import dataclass
from flowrunner.store.objects import Absent, Objects, is_digest

_TRUE_FALSE = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The inputs of one command. `record` is what the lock keeps of them; `outside` are bytes of images that lie
    outside the project, by digest; `differs` holds those of a command line for which the lock or a
    default says otherwise."""

    values: Mapping[str, Value]
    record: Mapping[str, Any]
    outside: Mapping[str, bytes]
    differs: Mapping[str, Any]
    linked: bool = False
    """Whether the inputs file or an image of the project was named by way of a link, or of a folder that may become
    one."""


def _unheard(_: Path) -> None:
    """Nobody wants to know."""


def given(
    pipeline: Pipeline,
    *,
    root: Path,
    lines: Mapping[str, Any],
    file: Path | None,
    locked: Mapping[str, Any],
    objects: Objects,
    files: Files | None = None,
    looked: Callable[[Path], None] = _unheard,
) -> Given:
    """Every input that has a value: of `lines` (a command line's texts, or an API's values), else of the inputs file,
    else of the lock, else its default. `files` holds an inputs file of the project, where that is not the one on disk;
    `looked` hears of each object before it is read. UsageError for what no input takes."""
    work = _Work(pipeline, root, objects, looked)
    written = _Written(_file(file, root, files) if file is not None else {}, file, locked)
    work.linked = file is not None and _takes_links(file, file.resolve())
    for name in (*lines, *written.filed):
        work.known(name)
    for name, spec in pipeline.inputs.items():
        if name in lines:
            work.take(spec, work.converted(spec, lines[name]), Path.cwd(), kept=True)
        elif name in written.filed and file is not None:
            work.written(spec, written.filed[name], file.resolve())
        elif name in locked:
            work.locked(spec, locked[name])
        elif spec.default is not None:
            work.values[name] = Value(data=spec.default.value, node=spec.default)
    differs = {name: work.record[name] for name in lines if work.differs(pipeline.inputs[name], written)}
    return Given(values=work.values, record=work.record, outside=work.outside, differs=differs, linked=work.linked)


@dataclass(frozen=True, slots=True)
class _Written:
    """What would be given without a command line: by an inputs file, by the lock."""

    filed: Mapping[str, Any]
    file: Path | None
    locked: Mapping[str, Any]


def _file(path: Path, root: Path, files: Files | None) -> dict[str, Any]:
    try:
        place = as_named(path, root)
        if files is not None and place.is_relative_to(root):
            data = files.read(place.relative_to(root).as_posix())
        else:
            data = WorkTree(place.parent).read(place.name)
        nodes = parse(decode(data, str(path)))
    except FileProblem as fault:
        raise UsageError(f"--inputs: {fault.message}", fault.hint) from None
    if not isinstance(nodes, MapNode):
        raise UsageError(f"--inputs: {path} is not a mapping of input to value", "write one line NAME: VALUE each")
    found = {}
    for name, node in nodes.entries.items():
        if not isinstance(node, Scalar):
            raise UsageError(f"--inputs: {name} in {path} is not one value")
        found[name] = node.value
    return found


def _takes_links(path: Path, real: Path, home: Path | None = None) -> bool:
    """Whether a path, written in the folder `home`, takes a link, or turns back from a folder that may become one."""
    named = list(dropwhile(lambda part: part in ("/", ".."), path.parts))
    return ".." in named or os.path.normpath((home or Path.cwd()) / path) != str(real)


def _is_link(text: str) -> bool:
    return text.startswith(("https://", "http://", "asset:"))


def _is_text(value: str) -> bool:
    """Half of a surrogate pair stands in a command line for a byte that is not UTF-8."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


class _Work:
    def __init__(self, pipeline: Pipeline, root: Path, objects: Objects, looked: Callable[[Path], None]) -> None:
        self.pipeline = pipeline
        self.root = root
        self.objects = objects
        self.looked = looked
        self.values: dict[str, Value] = {}
        self.record: dict[str, Any] = {}
        self.outside: dict[str, bytes] = {}
        self.linked = False

    def known(self, name: str) -> None:
        if name not in self.pipeline.inputs:
            hint = did_you_mean(name, list(self.pipeline.inputs), "it declares none")
            raise UsageError(f"{self.pipeline.file} has no input {name}", hint)

    def converted(self, spec: InputSpec, value: Any) -> Any:
        """A command line's text by the input's type."""
        if not isinstance(value, str) or spec.type in (InputType.STRING, InputType.IMAGE):
            return value
        if spec.type is InputType.BOOLEAN:
            return _TRUE_FALSE.get(value, value)
        try:
            return meant(value)
        except Inexact:
            return value

    def take(self, spec: InputSpec, value: Any, home: Path, *, kept: bool) -> None:
        fault = mismatch(spec, value) if value is not None else ""
        if isinstance(value, str) and not _is_text(value):
            fault = f"input {spec.name} holds what is no character"
        if fault:
            raise UsageError(fault, f"it is declared at {spec.span}")
        if spec.type is InputType.IMAGE and isinstance(value, str):
            self.values[spec.name], recorded = self._image(spec, value, home)
        else:
            self.values[spec.name], recorded = Value(data=value), value
        if kept:
            self.record[spec.name] = recorded

    def locked(self, spec: InputSpec, value: Any) -> None:
        if isinstance(value, str) and value.startswith("sha256:") and spec.type is InputType.IMAGE:
            if not is_digest(value.removeprefix("sha256:")):
                raise UsageError(f"input {spec.name}: {value} is no digest", f"give it again: -i {spec.name}=PATH")
            self.values[spec.name] = Value(data=value, image=self._stored(spec, value.removeprefix("sha256:")))
            self.record[spec.name] = value
        else:
            self.written(spec, value, self.root / "lock")

    def written(self, spec: InputSpec, value: Any, file: Path) -> None:
        """A value of a file, whose paths are relative to it. A file of the project came with a change that somebody
        else has made: it names files of the project and no others."""
        home = self._inside(file)
        if home is not None and spec.type is InputType.IMAGE and isinstance(value, str) and not _is_link(value):
            try:
                inside = self._inside(self.root / join(home, value))
            except FileProblem as fault:
                raise UsageError(f"input {spec.name}: {fault.message}", fault.hint) from None
            if inside is None:
                raise UsageError(f"input {spec.name}: {value} lies outside the project", f"give it: -i {spec.name}=…")
        self.take(spec, value, file.parent, kept=True)

    def differs(self, spec: InputSpec, written: _Written) -> bool:
        """Whether a command line's value is another one than without it. A first value differs from nothing."""
        home = self.root / Path(self.pipeline.file).parent
        if spec.name in written.filed and written.file is not None:
            usual = self._recorded(spec, written.filed[spec.name], written.file.resolve().parent)
        elif spec.name in written.locked:
            usual = written.locked[spec.name]
        elif spec.default is not None:
            usual = self._recorded(spec, spec.default.value, home)
        else:
            return False
        return bool(self.record[spec.name] != usual)

    def _recorded(self, spec: InputSpec, value: Any, home: Path) -> Any:
        """What the lock would keep of a value that is written in the folder `home`, if it lies in the project."""
        if spec.type is InputType.IMAGE and isinstance(value, str) and not _is_link(value):
            return self._inside(home / value) or value
        return value

    def _image(self, spec: InputSpec, text: str, home: Path) -> tuple[Value, Any]:
        if _is_link(text):
            return Value(data=text, image=Link(text)), text
        try:
            path = home / Path(text).expanduser()
            real = as_named(path, self.root)
            inside = self._inside(path)
            if inside is not None:
                self.linked |= _takes_links(Path(text).expanduser(), self.root / inside, home)
                # As text it is what one would write in the pipeline itself.
                return Value(data=relative(inside, self.pipeline.file), path=inside), inside
            data = WorkTree(real.parent).read(real.name, IMAGE_LIMIT)
            image = artifact(data)
        except (OSError, ValueError, RuntimeError):  # a home that nobody has, a NUL, a ring of links
            raise UsageError(f"input {spec.name}: {text!r} is not a usable path") from None
        except FlowError as fault:
            raise UsageError(f"input {spec.name}: {text}: {fault.message}", fault.hint) from None
        self.outside[image.sha256] = data
        return Value(data=text, image=image), f"sha256:{image.sha256}"

    def _inside(self, path: Path) -> str | None:
        try:
            real, root = path.resolve(), self.root.resolve()
        except (OSError, ValueError, RuntimeError):
            return None
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else None

    def _stored(self, spec: InputSpec, digest: str) -> Artifact:
        self.looked(self.objects.path(digest))
        try:
            return artifact(self.objects.read(digest))
        except Absent:
            return unseen(digest)  # its digest is all that keys need; its bytes are missed where a call needs them
        except FlowError as fault:
            hint = f"give it again: -i {spec.name}=PATH"
            raise UsageError(f"input {spec.name}, an image from outside the project: {fault.message}", hint) from None
