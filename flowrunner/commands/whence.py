"""Tells which recipe, cell, commit and parents made a picture, who picked it, and what it cost."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, money, problems
from flowrunner.commands.arguments import add_format
from flowrunner.commands.output import paint, print_json
from flowrunner.commands.parsing import takes_files
from flowrunner.errors import FlowError
from flowrunner.paint import Tone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowrunner.lineage import Answer, Lineage, Making, Parent

_UNKNOWN = 1
_UNREAD = "What cannot be read of a lock is not known here."
_PROMPT = 300
"""Characters of a prompt that are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = "a picture: as it was published, or renamed, or with its metadata stripped"
    takes_files(parser.add_argument("files", metavar="FILE", nargs="+", help=shown))
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.lineage import Lineage
    from flowrunner.project import open_project

    project = open_project(Path.cwd())
    code, documents = 0, []
    with project.workspace.ledger(create=False) as ledger:
        lineage = Lineage(project, ledger)
        for name in arguments.files:
            found = _looked_up(lineage, name)
            code = max(code, _UNKNOWN if isinstance(found, FlowError) or found.how is None else 0)
            documents.append(_document(name, found))
            if arguments.format == "text":
                print("\n".join(_shown(name, found)))
    if arguments.format == "json":
        print_json({"files": documents, "problems": problems.as_json(lineage.problems)})
    elif lineage.problems:
        sys.stdout.flush()
        print(f"{problems.as_text(lineage.problems)}\n{_UNREAD}", file=sys.stderr)
    return code


def _looked_up(lineage: "Lineage", name: str) -> "Answer | FlowError":
    from flowrunner.files import IMAGE_LIMIT

    try:
        with Path(name).open("rb") as file:
            return lineage.of(file.read(IMAGE_LIMIT + 1))
    except OSError as fault:
        return FlowError(f"it cannot be read: {fault.strerror}")
    except FlowError as fault:
        return fault


def _shown(name: str, found: "Answer | FlowError") -> list[str]:
    from flowrunner.report.columns import columns

    tone, shown = paint(), escape.line(name, 200)
    if isinstance(found, FlowError):
        return [f"{tone(shown, Tone.STRONG)}  {escape.line(found.message, 400)}"]
    if found.how is None:
        hint = (
            "     = a clone needs the history (git fetch --unshallow) or the store (flowrunner store pull) to know more"
        )
        return [f"{tone(shown, Tone.STRONG)}  nothing that is known here made it", hint]
    lines = [tone(shown, Tone.STRONG)]
    for making in found.makings:
        lines += [f"  {line}" for line in columns([*_rows(making), ("known by", _known_by(found))])]
    return lines


def _known_by(found: "Answer") -> str:
    from flowrunner.lineage import How

    said = {
        How.BYTES: "its bytes",
        How.PIXELS: "its pixels, every one of them the same",
        How.METADATA: "what it says of itself; the picture that was made is not here to compare it with",
        How.CHANGED: "what it says of itself; its pixels were changed since it was made",
    }
    return said[found.how] if found.how else ""


def _rows(making: "Making") -> "Iterator[tuple[str, str]]":
    number = f", candidate {making.candidate} of {making.of}" if making.of > 1 else ""
    inputs = f" with the inputs {escape.line(making.inputs, 100)}" if making.inputs else ""
    play = "  SIMULATED: drawn offline, no model's work" if making.simulated else ""
    yield "cell", f"{escape.line(making.cell, 200)}{number}{play}"
    yield "recipe", f"{escape.line(making.pipeline, 200)}{inputs}"
    yield "model", escape.line(making.model, 100)
    if isinstance(prompt := making.with_.get("prompt"), str):
        yield "prompt", escape.line(prompt, _PROMPT)
    for at, parent in enumerate(making.parents):
        yield "" if at else "from", _parent(parent)
    if making.pick:
        yield "picked", _picked(making)
    yield "paid", _paid(making)
    yield "commit", _commit(making)
    yield "key", making.key


def _parent(parent: "Parent") -> str:
    if parent.cell:
        return f"{escape.line(parent.cell, 200)} #{parent.candidate}"
    digest = parent.text.removeprefix("sha256:")
    if digest == parent.text:
        return escape.line(parent.text, 200)
    return f"{escape.line(parent.path, 200)}  {digest[:6]}" if parent.path else f"a file that is not here  {digest[:6]}"


def _picked(making: "Making") -> str:
    pick = making.pick
    assert pick is not None
    who = f" by {escape.line(pick.by, 100)}" if pick.by else ""
    why = f": {escape.line(pick.why, 300)}" if pick.why else ""
    if pick.image is None:
        return f"none of the candidates{who}{why}"
    same = pick.digest in ("", making.artifact.sha256) and pick.image == making.candidate
    return f"{'this one' if same else f'not this one but {pick.image}'}{who}{why}"


def _paid(making: "Making") -> str:
    if making.model.startswith("image/"):
        return "nothing: a local operation"
    if making.paid is None:
        return "the provider did not say"
    word = "simulated " if making.simulated else ""
    return f"{word}{money.exact(making.paid)}" + (f" for {making.shared} pictures" if making.shared > 1 else "")


def _commit(making: "Making") -> str:
    commit = making.commit
    if commit:
        return f"{commit.id[:10]}  {commit.date}  {escape.line(commit.author, 60)}  {escape.line(commit.subject, 100)}"
    if making.run:
        return f"in no lock; made by {making.run}, see flowrunner runs show {making.run}"
    return "not committed: its lock is not in git" if making.simulated else "not committed yet"


def _document(name: str, found: "Answer | FlowError") -> dict[str, Any]:
    if isinstance(found, FlowError):
        error = {"message": problems.bounded(found.message), "hint": problems.bounded(found.hint)}
        return {"file": name, "sha256": None, "known_by": None, "made": [], "error": error}
    known = found.how.value if found.how else None
    return {"file": name, "sha256": found.digest, "known_by": known, "made": [_making(one) for one in found.makings]}


def _making(making: "Making") -> dict[str, Any]:
    commit, pick = making.commit, making.pick
    return {
        "pipeline": making.pipeline,
        "inputs": making.inputs or None,
        "lock": making.lock or None,
        "run": making.run or None,
        "cell": making.cell,
        "candidate": making.candidate,
        "of": making.of,
        "sha256": making.artifact.sha256,
        "model": making.model,
        "key": making.key,
        "with": dict(making.with_),
        "parents": [_parent_document(parent) for parent in making.parents],
        "pick": {"image": pick.image or "none", "by": pick.by or None, "why": pick.why or None} if pick else None,
        "paid_usd": None if making.paid is None else money.text(making.paid),
        "simulated": making.simulated,
        "commit": {"id": commit.id, "date": commit.date, "author": commit.author, "subject": commit.subject}
        if commit
        else None,
    }


def _parent_document(parent: "Parent") -> dict[str, Any]:
    return {
        "image": parent.text,
        "cell": parent.cell or None,
        "candidate": parent.candidate or None,
        "path": parent.path or None,
    }
