"""Publishing: results under readable names, below `outputs/`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.checks.verdict import Result, Verdicts, of
from flowrunner.errors import FlowError
from flowrunner.graph import FromCell, FromOutside, Graph, Target
from flowrunner.loading.cells import Cell
from flowrunner.loading.params import template_problem
from flowrunner.outputs import NotPublished, Outputs
from flowrunner.pipeline import OutputSpec, Selector, Template
from flowrunner.problems import Problem, error
from flowrunner.slotted import dataclass, field
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
    elsewhere: bool = False
    """Whether another folder would take what could not be written."""

    def failed(self, fault: FlowError, whose: str = "") -> None:
        self.failures.append(f"{whose}{_told(fault)}")
        self.elsewhere |= isinstance(fault, NotPublished) and fault.elsewhere


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
    foreign: bool = False
    """Whether a person named the folder: of the files in it only those that were written before are replaced."""
    sources: Iterable[Path] = ()
    """The images that the pipeline reads: none of them is replaced or removed."""

    def publish(self, graph: Graph, results: "Mapping[str, CellResult]", *, whole: bool) -> Published:
        """All candidates, contact sheets for open choices, and the outputs. `whole`: results of every cell are there,
        so files of earlier runs that nothing made this time are removed, unless somebody changed them, or something
        could not be made. Whoever calls holds a lock over the folder."""
        from flowrunner.provenance import origins

        outputs = Outputs(
            root=self.root, folder=self.folder, manifest=self.manifest, foreign=self.foreign, sources=self.sources
        )
        made = origins(results) if graph.pipeline.outputs else {}
        done = _Work(self, outputs, made).walked(graph, results)
        if not outputs.is_whole:
            outputs.make()
            done = _Work(self, outputs, made).walked(graph, results)
        done.failures += map(_told, outputs.tidy(whole=whole))
        return done


class _Work:
    """One walk over all results: which files they are, and what became of them."""

    def __init__(self, publisher: Publisher, outputs: Outputs, made: "Mapping[str, Origin]") -> None:
        self.publisher = publisher
        self.outputs = outputs
        self.made = made
        self.done = Published()

    def walked(self, graph: Graph, results: "Mapping[str, CellResult]") -> Published:
        for result in results.values():
            self.cell(result)
        for spec in graph.pipeline.outputs.values():
            self.done.outputs[spec.name] = self.output(spec, graph, results)
        return self.done

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
            size = sum(map(_memory, result.candidates))
            self.done.sheets[result.cell.id] = self.outputs.file(place, f"sheet {SHEET} {made_of}", drawn, size)

    def output(self, spec: OutputSpec, graph: Graph, results: "Mapping[str, CellResult]") -> list[str]:
        paths = []
        for place, artifact in self._files(spec, graph, results):
            try:
                paths.append(self._handed_out(artifact, _fitting(place, artifact)))
            except FlowError as fault:
                self.done.failed(fault, f"output {spec.name}: ")
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
            return self.outputs.file(place, artifact.sha256, partial(self.publisher.read, artifact), artifact.bytes)
        from flowrunner.xmp import carrying

        made_of = f"{artifact.sha256} {origin.key} {origin.source}"
        return self.outputs.file(
            place, made_of, lambda: carrying(self.publisher.read(artifact), origin), 3 * artifact.bytes
        )

    def _copy(self, artifact: Artifact, place: str) -> str:
        try:
            return self.outputs.file(place, artifact.sha256, partial(self.publisher.read, artifact), artifact.bytes)
        except NotPublished as fault:
            self.done.failed(fault)
            return ""
        except FlowError:
            self.done.left_out += 1
            return ""


def _told(fault: FlowError) -> str:
    return f"{fault.message}; {fault.hint}" if fault.hint else fault.message


SHEET = 1
"""Rises when candidates are laid out in another way."""


def _memory(artifact: Artifact | None) -> int:
    """Bytes that a picture takes as a file and decoded, about."""
    return artifact.bytes + 4 * artifact.width * artifact.height if artifact else 0


def _caption(verdicts: Verdicts) -> str:
    """What the checks say of a candidate, below it: `fails size`, `warns: colors`, `passes its checks`."""
    lines = []
    for word, result in (("fails", Result.FAIL), ("warns", Result.WARN), ("not judged", Result.MISSING)):
        names = [verdict.check for verdict in of(verdicts, result)]
        lines += [f"{word}: {', '.join(dict.fromkeys(names))}"] if names else []
    return "; ".join(lines) or "passes its checks"


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
