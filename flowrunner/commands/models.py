"""Lists the models that a pipeline can name, here: those that come with flowrunner and the project's own.

`models show ID` prints a model's file. `models import OPENAPI…` makes model files of what a provider publishes.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, money
from flowrunner.commands.arguments import add_format, add_format_below
from flowrunner.commands.output import print_json
from flowrunner.commands.parsing import takes_files
from flowrunner.errors import InvalidPipeline, UsageError
from flowrunner.problems import Problem

if TYPE_CHECKING:
    from flowrunner.catalog import Catalog, Model, Price


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)
    below = parser.add_subparsers(dest="what", metavar="show|import")
    show = below.add_parser("show", help="the file of one model", description="Prints the file of one model, as JSON.")
    show.add_argument("id", metavar="ID", help="as `flowrunner models` lists it")
    show.add_argument("--provider", metavar="NAME", help="where several providers have it")
    show.add_argument("--format", choices=("json",), default="json", help="json")
    shown = "Makes model files of OpenAPI 3 documents, JSON or YAML, or of pages that hold one."
    imports = below.add_parser("import", help="model files from OpenAPI documents", description=shown)
    takes_files(imports.add_argument("documents", metavar="OPENAPI", nargs="+", help="a file of the provider's"))
    shown = "where the model files go (default: the project's schemas/)"
    takes_files(imports.add_argument("-o", "--output", metavar="DIR", help=shown))
    imports.add_argument("--provider", metavar="NAME", help="where the document's server does not say it")
    add_format_below(imports)


def run(arguments: argparse.Namespace) -> int:
    match arguments.what:
        case "show":
            return _show(arguments)
        case "import":
            return _import(arguments)
        case _:
            return _list(arguments)


def _root() -> Path:
    from flowrunner.store.workspace import find_root

    return find_root(Path.cwd())


def _catalog() -> "Catalog":
    from flowrunner.project import catalog_of

    return catalog_of(_root())


def _list(arguments: argparse.Namespace) -> int:
    from flowrunner.report.columns import columns

    found = _catalog().models
    if arguments.format == "json":
        print_json({"models": [_record(model) for model in found]})
        return 0
    heads = ("model", "provider", "images in", "price")
    print("\n".join(columns([heads, *map(_row, found)])))
    return 0


def _row(model: "Model") -> tuple[str, ...]:
    images = escape.line(", ".join(model.images), 60) or "none"
    return escape.line(model.id, 80), escape.line(model.provider, 40), images, _price(model.price)


def _price(price: "Price | None") -> str:
    """`$0.0315 per megapixel, $0.01575 each further, inferred`."""
    from flowrunner.catalog import Basis

    if price is None:
        return "unknown"
    if price.basis is Basis.FREE:
        return "free"
    further = f", {money.cap(price.next)} each further" if price.next != price.first else ""
    basis = "" if price.basis is Basis.PUBLISHED else f", {price.basis}"
    return f"{money.cap(price.first)} per {price.per}{further}{basis}"


def _record(model: "Model") -> dict[str, Any]:
    price = model.price
    shown = (
        None
        if price is None
        else {
            "per": price.per.value,
            "first": money.text(price.first),
            "next": money.text(price.next),
            "counts": [counted.value for counted in price.counts],
            "basis": price.basis.value,
            "source": price.source,
            "date": price.date,
        }
    )
    return {
        "id": model.id,
        "provider": model.provider,
        "title": model.title,
        "images": list(model.images),
        "price": shown,
    }


def _show(arguments: argparse.Namespace) -> int:
    from flowrunner.catalog import NotFound
    from flowrunner.resources import folder

    model = _catalog().find(arguments.id, provider=arguments.provider)
    if isinstance(model, NotFound):
        raise UsageError(model.message, model.hint)
    home = folder("schemas").parent if model.trusted else _root()
    print_json(json.loads((home / model.file).read_bytes()))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from flowrunner.catalog.openapi import import_document, write

    target = Path(arguments.output) if arguments.output else _root() / "schemas"
    records = []
    for name in arguments.documents:
        records += import_document(_document(Path(name)), Path(name).name, provider=arguments.provider)
    paths = write(records, target)
    if arguments.format == "json":
        print_json({"files": [str(path) for path in paths]})
        return 0
    print("\n".join([*(escape.visible(str(path)) for path in paths), "next  flowrunner schema"]))
    return 0


def _document(path: Path) -> bytes:
    from flowrunner.files import FileProblem, WorkTree

    try:
        return WorkTree(path.absolute().parent).read(path.name)
    except FileProblem as fault:
        raise InvalidPipeline([Problem(code="file", message=fault.message, hint=fault.hint, file=str(path))]) from None
