"""Publishing: results under readable names, below `outputs/`."""

import json
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.checks.verdict import Result, Verdicts, of
from flowrunner.digest import sha256
from flowrunner.errors import FlowError, StoreError
from flowrunner.graph import FromCell, FromOutside, Graph, Target
from flowrunner.loading.cells import Cell
from flowrunner.loading.params import template_problem
from flowrunner.pipeline import OutputSpec, Selector, Template
from flowrunner.problems import Problem, error
from flowrunner.slotted import dataclass, field
from flowrunner.store.durable import explained, make_folder, replace
from flowrunner.templates import TemplateProblem, UsesUnknown

if TYPE_CHECKING:
    from flowrunner.ended import CellResult
    from flowrunner.xmp import Origin

_TYPES = {**{suffix: media for media, suffix in SUFFIXES.items()}, "jpeg": "image/jpeg"}


@dataclass(slots=True, kw_only=True)
class Published:
    """What was written: paths from the project root."""

    candidates: dict[str, list[str]] = field(default_factory=dict)
    """Cell id to the path of each candidate, empty text where there is none."""
    picked: dict[str, str] = field(default_factory=dict)
    sheets: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    """Plain copies that are not written because their bytes are not here."""
    failures: list[str] = field(default_factory=list)


class NotPublished(FlowError):
    """An output that cannot be written under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that was written: its digest, what it was made of, and how the disk saw it then."""

    sha256: str
    made_of: str
    stamp: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Writes into one folder. `manifest` names what was written before: a file that is as it was left is not made
    again, and one that nothing makes any more goes away. `read` gives an artifact's bytes, hashed anew."""

    root: Path
    folder: Path
    read: Callable[[Artifact], bytes]
    given: Callable[[FromOutside, Cell], Artifact | None]
    """The image that an input or an axis value gives to a cell, where its bytes are ours."""
    manifest: Path | None
    """None where nothing may be noted; then nothing is removed either."""

    def publish(self, graph: Graph, results: "Mapping[str, CellResult]", *, whole: bool) -> Published:
        """All candidates, contact sheets for open choices, and the outputs. `whole`: results of every cell are there,
        so files of earlier runs that nothing made this time are removed, unless somebody changed them. Whoever calls
        holds a lock over the folder."""
        from flowrunner.provenance import origins

        work = _Work(self, _manifest(self.manifest) if self.manifest else {}, origins(results))
        for result in results.values():
            work.cell(result)
        for spec in graph.pipeline.outputs.values():
            work.done.outputs[spec.name] = work.output(spec, graph, results)
        work.tidy(whole=whole)
        return work.done


class _Work:
    """One publishing: what was there, what is written, what became of it."""

    def __init__(self, publisher: Publisher, before: dict[str, Entry], made: "Mapping[str, Origin]") -> None:
        self.publisher = publisher
        self.before = before
        self.made = made
        self.written: dict[str, Entry] = {}
        self.done = Published()

    def cell(self, result: "CellResult") -> None:
        """The picked picture as `<cell>.<ext>`; where there are several candidates, each as `<cell>.N.<ext>`."""
        name, several = result.cell.id, len(result.candidates) > 1
        paths = []
        for number, artifact in enumerate(result.candidates, 1):
            path = ""
            if artifact is not None and (number == result.picked or not several):
                path = self._copy(artifact, f"{name}.{artifact.suffix}")
            if artifact is not None and number == result.picked:
                self.done.picked[name] = path
            if artifact is not None and several:
                path = self._copy(artifact, f"{name}.{number}.{artifact.suffix}")
            paths.append(path)
        if any(result.candidates):
            self.done.candidates[name] = paths
            if result.planned is not None and result.planned.pick is not None and result.planned.pick.is_open:
                self._sheet(result)

    def _sheet(self, result: "CellResult") -> None:
        """Numbered candidates to choose from."""
        shown = [(number, artifact) for number, artifact in enumerate(result.candidates, 1) if artifact is not None]

        def drawn() -> bytes:
            from flowrunner.providers import image

            pictures = [(str(number), self.publisher.read(artifact)) for number, artifact in shown]
            return image.sheet(pictures, f"{result.cell.id}: choose one of {len(result.candidates)}", captions)

        found = [result.verdicts[number - 1] for number, _ in shown] if result.verdicts else []
        captions = [_caption(verdicts) for verdicts in found]
        made_of = " ".join([*(f"{number}:{artifact.sha256}" for number, artifact in shown), *captions])
        with suppress(FlowError):
            place = f"{result.cell.id}/candidates.png"
            self.done.sheets[result.cell.id] = self._put(place, f"sheet {SHEET} {made_of}", drawn)

    def output(self, spec: OutputSpec, graph: Graph, results: "Mapping[str, CellResult]") -> list[str]:
        paths = []
        for place, artifact in self._files(spec, graph, results):
            try:
                paths.append(self._handed_out(artifact, _fitting(place, artifact)))
            except FlowError as fault:
                self.done.failures.append(f"output {spec.name}: {fault.message}")
        return paths

    def _files(
        self, spec: OutputSpec, graph: Graph, results: "Mapping[str, CellResult]"
    ) -> Iterator[tuple[str, Artifact]]:
        for target, cell in graph.output(spec):
            artifacts = self._meant(target, cell, results)
            several = isinstance(target, FromCell) and target.selector is Selector.IMAGES and len(artifacts) > 1
            for number, artifact in enumerate(artifacts, 1):
                if artifact is not None:
                    yield name_of(spec, graph, cell, number if several else 0, artifact.suffix), artifact

    def _meant(self, target: Target, cell: Cell, results: "Mapping[str, CellResult]") -> Sequence[Artifact | None]:
        if isinstance(target, FromOutside):
            return (self.publisher.given(target, cell),)
        result = results.get(target.cell)
        if result is None:
            return ()
        if target.selector is Selector.IMAGES:
            return result.candidates
        number = target.number if target.selector is Selector.CANDIDATE else result.picked
        return result.candidates[number - 1 : number] if number else ()

    def _handed_out(self, artifact: Artifact, place: str) -> str:
        """An output leaves the project, so it says what made it; the copy beside its cell stays as the store has it."""
        origin = self.made.get(artifact.sha256)
        if origin is None:
            return self._put(place, artifact.sha256, partial(self.publisher.read, artifact))
        from flowrunner.xmp import carrying

        made_of = f"{artifact.sha256} {origin.key} {origin.source}"
        return self._put(place, made_of, lambda: carrying(self.publisher.read(artifact), origin))

    def _copy(self, artifact: Artifact, place: str) -> str:
        try:
            return self._put(place, artifact.sha256, partial(self.publisher.read, artifact))
        except NotPublished as fault:
            self.done.failures.append(fault.message)
            return ""
        except FlowError:
            self.done.left_out += 1
            return ""

    def _put(self, place: str, made_of: str, make: Callable[[], bytes]) -> str:
        path = self.publisher.folder / place
        known = self.before.get(place)
        if known is None or known.made_of != made_of or known.stamp != _stamp(path):
            data = make()
            if not _holds(path, data):
                self._make_folder(path.parent)
                self._write(path, data)
            known = Entry(sha256=sha256(data), made_of=made_of, stamp=_stamp(path))
        self.written[place] = known
        root = self.publisher.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            with explained("written", path, len(data)):
                replace(path, data)
        except StoreError as fault:
            raise NotPublished(fault.message, fault.hint) from None

    def _make_folder(self, folder: Path) -> None:
        """The folder of a file; a link on the way to it must not lead out of where results are to lie."""
        publisher = self.publisher
        base = publisher.root if publisher.folder.is_relative_to(publisher.root) else publisher.folder
        if not folder.resolve().is_relative_to(base.resolve()):
            raise NotPublished(f"{folder} leads out of {base}", "remove the link")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise NotPublished(f"{folder} cannot be made: {fault.strerror}") from None

    def tidy(self, *, whole: bool) -> None:
        """Removes what nothing makes any more, and writes the manifest where it changed."""
        for place, entry in self.before.items() if whole else ():
            path = self.publisher.folder / place
            if place not in self.written and path.is_file() and sha256(path.read_bytes()) == entry.sha256:
                with explained("removed", path):
                    path.unlink()
                self._prune(path.parent)
        kept = self.written if whole else {**self.before, **self.written}
        note = self.publisher.manifest
        if kept != self.before and note is not None:
            record = {place: [entry.sha256, entry.made_of, *entry.stamp] for place, entry in sorted(kept.items())}
            with explained("written", note):
                make_folder(note.parent)
                replace(note, json.dumps(record, indent=0).encode())

    def _prune(self, folder: Path) -> None:
        """Folders that are empty now."""
        while folder != self.publisher.folder and folder.is_relative_to(self.publisher.folder):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


SHEET = 1
"""Rises when candidates are laid out in another way."""


def _caption(verdicts: Verdicts) -> str:
    """What the checks say of a candidate, below it: `fails size`, `warns: colors`, `passes its checks`."""
    lines = []
    for word, result in (("fails", Result.FAIL), ("warns", Result.WARN), ("not judged", Result.MISSING)):
        names = [verdict.check for verdict in of(verdicts, result)]
        lines += [f"{word}: {', '.join(dict.fromkeys(names))}"] if names else []
    return "; ".join(lines) or "passes its checks"


def _manifest(path: Path) -> dict[str, Entry]:
    """What was written before; nothing where that cannot be read: then everything is looked at."""
    try:
        found: Any = json.loads(path.read_bytes())
        return {place: _entry(entry) for place, entry in found.items() if ".." not in PurePosixPath(place).parts}
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return {}


def _entry(record: Any) -> Entry:
    return Entry(sha256=str(record[0]), made_of=str(record[1]), stamp=tuple(int(part) for part in record[2:]))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.lstat()
    except OSError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ()


def _holds(path: Path, data: bytes) -> bool:
    stamp = _stamp(path)
    return bool(stamp) and stamp[1] == len(data) and path.read_bytes() == data


def name_of(spec: OutputSpec, graph: Graph, cell: Cell, number: int, suffix: str) -> str:
    """The path of one file of an output below the outputs folder. TemplateProblem and UsesUnknown from its `as`."""
    tail = f".{number}" if number else ""
    if spec.name_as is None:
        is_list = spec.ref.selector in (Selector.GATHER, Selector.IMAGES)
        return f"{spec.name}/{cell.id}{tail}.{suffix}" if is_list else f"{spec.name}.{suffix}"
    if isinstance(spec.name_as, Template):
        text = str(spec.name_as.compiled.render(graph.scope.at(cell.at)))
    else:
        text = str(spec.name_as.value)
    path = PurePosixPath(text)
    return f"{spec.name}/{path.with_name(f'{path.stem}{tail}{path.suffix}') if tail else path}"


def _fitting(place: str, artifact: Artifact) -> str:
    ending = PurePosixPath(place).suffix.lstrip(".").lower()
    if not ending:
        return f"{place}.{artifact.suffix}"
    if _TYPES.get(ending) != artifact.media_type:
        raise NotPublished(f"{place} would hold a {artifact.suffix} picture: write .{artifact.suffix} in as")
    return place


def check_outputs(graph: Graph) -> list[Problem]:
    """Names that leave their folder, are not usable, or stand for two files; of each output the first of its kind."""
    taken: dict[str, str] = {}
    return [fault for spec in graph.pipeline.outputs.values() for fault in _faults(spec, graph, taken).values()]


def _faults(spec: OutputSpec, graph: Graph, taken: dict[str, str]) -> dict[str, Problem]:
    found: dict[str, Problem] = {}
    span = spec.name_as.span if spec.name_as is not None else spec.span
    for _, cell in graph.output(spec):
        try:
            name = name_of(spec, graph, cell, 0, "")
        except UsesUnknown:
            continue
        except TemplateProblem as fault:
            assert isinstance(spec.name_as, Template)
            found.setdefault("template", template_problem(fault, spec.name_as.scalar))
            continue
        path = PurePosixPath(name.lower())
        # A file may be no folder of another one either.
        other = next((taken[place] for place in (f"{path}/", *map(str, (path, *path.parents))) if place in taken), "")
        sentence = _unusable(name, spec)
        if sentence:
            found.setdefault("name", error("output", sentence, span, "write a relative path such as de/lamp.png"))
        elif other:
            message = f"{name} would be written by {other} and by {cell.id}"
            found.setdefault("taken", error("output", message, span, "name what tells them apart in as"))
        for place in (str(path), *(f"{folder}/" for folder in path.parents)):
            taken.setdefault(place, cell.id)
    return found


def _unusable(name: str, spec: OutputSpec) -> str:
    inner = name.removeprefix(f"{spec.name}/") if spec.name_as is not None else name
    parts = PurePosixPath(inner).parts
    if not inner.strip(" ./") or inner.startswith(("/", "~")) or ".." in parts:
        return f"{inner!r} leaves the folder of output {spec.name}"
    if any(not character.isprintable() or character in '\\:*?"<>|' for character in inner):
        return f"{inner!r} cannot be a file name everywhere"
    if any(len(part.encode()) > 200 for part in parts):
        return f"a part of {inner[:40]!r}… is longer than 200 bytes"
    return ""
