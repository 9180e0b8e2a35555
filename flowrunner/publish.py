"""Publishing: results under readable names, below `outputs/`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.digest import sha256
from flowrunner.errors import FlowError
from flowrunner.graph import FromCell, Graph
from flowrunner.loading.cells import Cell
from flowrunner.loading.params import template_problem
from flowrunner.pipeline import OutputSpec, Selector, Template
from flowrunner.problems import Problem, error
from flowrunner.store.durable import make_folder, replace
from flowrunner.store.objects import Absent, Damaged, Objects
from flowrunner.templates import TemplateProblem, UsesUnknown

if TYPE_CHECKING:
    from flowrunner.scheduler import CellResult

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
class Publisher:
    """Writes into one folder. `manifest` names what was written before, so that what is no longer made goes away."""

    root: Path
    folder: Path
    objects: Objects
    manifest: Path

    def publish(self, graph: Graph, results: "Mapping[str, CellResult]", *, whole: bool) -> Published:
        """All candidates, contact sheets for open choices, and the outputs. `whole`: results of every cell are there,
        so files of earlier runs that nothing made this time are removed, unless somebody changed them."""
        done = Published()
        written: dict[str, str] = {}
        for result in results.values():
            self._cell(result, done, written)
        for spec in graph.pipeline.outputs.values():
            done.outputs[spec.name] = self._output(spec, graph, results, done, written)
        self._tidy(written, whole=whole)
        return done

    def _cell(self, result: "CellResult", done: Published, written: dict[str, str]) -> None:
        found = [artifact for artifact in result.candidates if artifact is not None]
        if not found:
            return
        paths = []
        several = len(result.candidates) > 1
        for number, artifact in enumerate(result.candidates, 1):
            if artifact is None:
                paths.append("")
                continue
            picked = number == result.picked
            place = f"{result.cell.id}.{artifact.suffix}"
            path = ""
            if picked:
                path = self._copy(artifact, place, done, written)
                done.picked[result.cell.id] = path
            if several:
                path = self._copy(artifact, f"{result.cell.id}.{number}.{artifact.suffix}", done, written)
            elif not picked:
                path = self._copy(artifact, place, done, written)
            paths.append(path)
        done.candidates[result.cell.id] = paths
        if result.planned is not None and result.planned.pick is not None and result.planned.pick.is_open:
            self._sheet(result, done, written)

    def _sheet(self, result: "CellResult", done: Published, written: dict[str, str]) -> None:
        from flowrunner.providers import image

        pictures = []
        for number, artifact in enumerate(result.candidates, 1):
            if artifact is not None and self.objects.has(artifact.sha256):
                pictures.append((str(number), self.objects.read(artifact.sha256)))
        if pictures:
            data = image.sheet(pictures, f"{result.cell.id}: choose one of {len(result.candidates)}")
            done.sheets[result.cell.id] = self._write(f"{result.cell.id}/candidates.png", data, written)

    def _output(
        self,
        spec: OutputSpec,
        graph: Graph,
        results: "Mapping[str, CellResult]",
        done: Published,
        written: dict[str, str],
    ) -> list[str]:
        paths = []
        for place, artifact in _files(spec, graph, results):
            try:
                fitting = _fitting(place, artifact)
                paths.append(self._write(fitting, self.objects.read(artifact.sha256), written))
            except (Absent, Damaged, NotPublished) as fault:
                done.failures.append(f"output {spec.name}: {fault.message}")
        return paths

    def _copy(self, artifact: Artifact, place: str, done: Published, written: dict[str, str]) -> str:
        try:
            return self._write(place, self.objects.read(artifact.sha256), written)
        except (Absent, Damaged):
            done.left_out += 1
            return ""

    def _write(self, place: str, data: bytes, written: dict[str, str]) -> str:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _holds(path, data):
            replace(path, data)
        shown = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        written[place] = sha256(data)
        return shown

    def _tidy(self, written: Mapping[str, str], *, whole: bool) -> None:
        before = _manifest(self.manifest)
        kept = dict(written) if whole else {**before, **written}
        for place, digest in before.items() if whole else ():
            path = self.folder / place
            if place not in written and path.is_file() and sha256(path.read_bytes()) == digest:
                path.unlink()
        if kept != before:
            make_folder(self.manifest.parent)
            replace(self.manifest, json.dumps(kept, indent=1, sort_keys=True).encode())


def _manifest(path: Path) -> dict[str, str]:
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    safe = {str(place): str(digest) for place, digest in found.items()}
    return {place: digest for place, digest in safe.items() if ".." not in PurePosixPath(place).parts}


def _holds(path: Path, data: bytes) -> bool:
    try:
        return not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _files(spec: OutputSpec, graph: Graph, results: "Mapping[str, CellResult]") -> Iterator[tuple[str, Artifact]]:
    for target, cell in graph.output(spec):
        if not isinstance(target, FromCell) or target.cell not in results:
            continue
        artifacts = _meant(target, results[target.cell])
        several = target.selector is Selector.IMAGES and len(artifacts) > 1
        for number, artifact in enumerate(artifacts, 1):
            if artifact is not None:
                yield name_of(spec, graph, cell, number if several else 0, artifact.suffix), artifact


def _meant(target: FromCell, result: "CellResult") -> Sequence[Artifact | None]:
    if target.selector is Selector.IMAGES:
        return result.candidates
    number = target.number if target.selector is Selector.CANDIDATE else result.picked
    return result.candidates[number - 1 : number] if number else ()


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
    """Names that leave their folder, are not usable, or stand for two files."""
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for spec in graph.pipeline.outputs.values():
        span = spec.name_as.span if spec.name_as is not None else spec.span
        for _, cell in graph.output(spec):
            try:
                name = name_of(spec, graph, cell, 0, "")
            except UsesUnknown:
                continue
            except TemplateProblem as fault:
                assert isinstance(spec.name_as, Template)
                problems.append(template_problem(fault, spec.name_as.scalar))
                continue
            fault_message = _unusable(name, spec)
            if fault_message:
                problems.append(error("output", fault_message, span, "write a relative path such as de/lamp.png"))
            elif name.lower() in taken:
                message = f"{name} would be written by {taken[name.lower()]} and by {cell.id}"
                problems.append(error("output", message, span, "name what tells them apart in as"))
            taken.setdefault(name.lower(), cell.id)
    return problems


def _unusable(name: str, spec: OutputSpec) -> str:
    inner = name.removeprefix(f"{spec.name}/") if spec.name_as is not None else name
    parts = PurePosixPath(inner).parts
    if not inner.strip() or inner.startswith(("/", "~")) or ".." in parts:
        return f"{inner!r} leaves the folder of output {spec.name}"
    if any(not character.isprintable() or character in '\\:*?"<>|' for character in inner):
        return f"{inner!r} cannot be a file name everywhere"
    if any(len(part.encode()) > 200 for part in parts):
        return f"a part of {inner[:40]!r}… is longer than 200 bytes"
    return ""
