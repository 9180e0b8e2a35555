"""Writes one page to review pictures by: recipe, gallery, choices, prompts, what was paid and what would be.

Several PATHs, or a folder, become one page. It holds all that it shows, and loads nothing.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, unchanged
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import add_binding, add_format, add_paths, command, options_of
from flowrunner.commands.output import print_json
from flowrunner.commands.parsing import takes_files
from flowrunner.errors import FlowError
from flowrunner.suggested import placed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowrunner.artifact import Artifact
    from flowrunner.project import Opened
    from flowrunner.report.page import Supply
    from flowrunner.report.page.kept import Stamp
    from flowrunner.report.page.shelf import Read
    from flowrunner.review import Review

_NAME = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    shown = f"the page's file (default: {_NAME} beside the pictures in outputs/)"
    takes_files(parser.add_argument("-o", dest="file", metavar="FILE", help=shown))
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    add_format(parser)
    add_binding(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.api import PipelineFile, review
    from flowrunner.project import open_pipeline, open_project
    from flowrunner.report.page import Part, page

    options = options_of(arguments)
    paths, several = pipelines.found(arguments.paths)
    codes, documents = [], []
    parts: list[Part] = []
    first: list[Opened] = []
    for path in paths:
        try:
            opened = open_pipeline(open_project(path), path, options)
            found = review(PipelineFile(opened))
        except FlowError as fault:
            codes.append(ending.told(fault, spent=ending.NOTHING))
            documents.append(ending.document(fault, pipelines.name(path)))
            continue
        first.append(opened)
        parts.append(Part(review=found, supply=_supply(opened), command=command(arguments, path, "pick", "--from -")))
        documents.append(_document(found))
    if parts:
        place = _place(arguments, first, several=several)
        text = page(parts)
        _write(place, text)
        _tell(arguments, place, len(text.encode()), documents, several=several)
    elif arguments.format == "json":
        print_json({"pipelines": documents} if several else documents[0])
    return ending.combined(codes or [0])


def _place(arguments: argparse.Namespace, opened: "Sequence[Opened]", *, several: bool) -> Path:
    """Where the page goes: as asked, else beside the pictures, and that of several recipes above them."""
    if arguments.file:
        return Path(arguments.file)
    first = opened[0]
    if several:
        outputs = first.project.root / "outputs"
        return (outputs / "simulated" if first.edition.simulated else outputs) / _NAME
    return first.project.workspace.outputs_dir(first.pipeline.file, first.edition) / _NAME


def _write(place: Path, text: str) -> None:
    from flowrunner.store.durable import Explained, replace

    with Explained("written", place, elsewhere="name another file with -o"):
        place.parent.mkdir(parents=True, exist_ok=True)
        replace(place, text.encode())


def _supply(opened: "Opened") -> "Supply":
    from flowrunner.report.page import Kept, Supply

    root = opened.project.root
    previews = _previews(opened)
    return Supply(
        picture=_reader(opened),
        preview=lambda artifact: previews().get(artifact.sha256),
        heat=lambda path: _bytes(root / path),
        stamp=_stamper(opened),
        kept=Kept(opened.project.workspace, opened.lock_name),
    )


def _reader(opened: "Opened") -> "Read":
    """The bytes of a picture where they are on this machine, hashed anew."""
    objects = opened.project.workspace.objects()

    def bytes_of(artifact: "Artifact") -> bytes | None:
        from flowrunner.images import read

        try:
            return read(artifact, opened.binder.images, objects, live=False)
        except FlowError:
            return None

    return bytes_of


def _stamper(opened: "Opened") -> "Callable[[Artifact], Stamp]":
    """The stamp of the file that a picture is read from."""
    objects, images, root = opened.project.workspace.objects(), opened.binder.images, opened.project.root

    def stamp_of(artifact: "Artifact") -> "Stamp":
        path = images.paths.get(artifact.sha256)
        return unchanged.stamp_of(str(objects.path(artifact.sha256) if path is None else root / path))

    return stamp_of


def _previews(opened: "Opened") -> "Callable[[], dict[str, bytes]]":
    """The previews beside the lock, by the digest of the picture that each says it was made of; read when first asked
    for."""
    from functools import cache

    from flowrunner.previews import folder_of, made_of

    @cache
    def found() -> dict[str, bytes]:
        paths = sorted(folder_of(opened.lock_file.path).rglob("*.webp"))
        return {made_of(data): data for path in paths if (data := _bytes(path))}

    return found


def _bytes(path: Path) -> bytes | None:
    """A plain file's bytes; None for anything else, a link too."""
    from flowrunner.store.objects import plain_bytes

    try:
        return plain_bytes(path)
    except OSError:
        return None


def _tell(arguments: argparse.Namespace, place: Path, size: int, documents: list[Any], *, several: bool) -> None:
    if arguments.format == "json":
        told = {"report": str(place), "bytes": size}
        print_json({**told, "pipelines": documents} if several else {**documents[0], **told})
    else:
        from flowrunner.report.page import weight

        print(f"report  {escape.visible(placed(place.parent.resolve(), place.name))}  {weight(size)}")
    if arguments.open:
        import webbrowser

        if not webbrowser.open(place.resolve().as_uri()):
            print("no browser was found: open the file yourself", file=sys.stderr)


def _document(found: "Review") -> dict[str, Any]:
    from flowrunner.documents import review_document

    return review_document(found)
