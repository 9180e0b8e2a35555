"""What locks and the ledger say of objects, and what it takes to have one of them again."""

import base64
import binascii
import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flowrunner import money
from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.money import Nano
from flowrunner.slotted import dataclass
from flowrunner.store.database import Database
from flowrunner.store.locked import Lock
from flowrunner.store.objects import is_digest
from flowrunner.store.records import State

_MADE = """
    SELECT outcomes.*, calls.cell, calls.run, calls.begun, calls.ended, calls.client_request_id, runs.pipeline
    FROM outcomes LEFT JOIN calls ON calls.id = outcomes.call LEFT JOIN runs ON runs.id = calls.run
    ORDER BY outcomes.call
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Someone says that an object exists. `artifact` is None where only its digest is said; `call` is the attempt
    that made it, None where a lock speaks; `at` is when, in seconds since 1970."""

    digest: str
    where: str
    key: str = ""
    artifact: Artifact | None = None
    simulated: bool = False
    paid: Nano | None = None
    call: int | None = None
    run: str = ""
    pipeline: str = ""
    cell: str = ""
    local: bool = False
    at: float = 0.0


def of_lock(name: str, lock: Lock, *, simulated: bool) -> Iterator[Claim]:
    """The pictures of all cells, and the inputs from outside the project."""
    for cell in lock.cells.values():
        for sample in cell.samples:
            for image in sample.images:
                yield Claim(
                    digest=image.sha256,
                    where=f"{name}: {cell.cell}",
                    key=sample.key,
                    artifact=image,
                    simulated=simulated,
                    paid=sample.paid,
                    cell=cell.cell,
                )
    for input_, value in lock.inputs.items():
        digest = value.removeprefix("sha256:") if isinstance(value, str) else ""
        if digest != value and is_digest(digest):
            yield Claim(digest=digest, where=f"{name}: input {input_}", simulated=simulated)


def of_ledger(database: Database) -> tuple[list[Claim], list[int]]:
    """The pictures of all outcomes, and the calls whose outcome cannot be read."""
    claims, broken = [], []
    for row in database.rows(_MADE):
        try:
            artifacts = [Artifact.from_json(record) for record in json.loads(row["artifacts"])]
            json.loads(row["usage"] or "null")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            artifacts = []
        if not artifacts or not all(is_digest(artifact.sha256) for artifact in artifacts):
            broken.append(row["call"])
            continue
        claims += [
            Claim(
                digest=artifact.sha256,
                where=f"ledger: attempt {row['call']}",
                key=row["key"],
                artifact=artifact,
                simulated=bool(row["simulated"]),
                paid=row["paid"],
                call=row["call"],
                run=row["run"] or "",
                pipeline=row["pipeline"] or "",
                cell=row["cell"] or "",
                local=not row["client_request_id"],
                at=row["ended"] or row["begun"] or 0.0,
            )
            for artifact in artifacts
        ]
    return claims, broken


def remedy(claims: list[Claim], database: Database | None) -> str:
    """How the object that these claims name comes back, and for how much."""
    made = next((claim for claim in reversed(claims) if claim.call is not None), None)
    if made is None:
        paid = next((claim.paid for claim in claims if claim.paid is not None), None)
        cost = f"; another picture cost {money.exact(paid)} then" if paid else ""
        return f"`flowrunner store pull` may bring it back{cost}" if claims else "nothing is known to need it"
    if made.local:
        return "the next run that needs it makes it again, for nothing"
    again = f"flowrunner run {shlex.quote(made.pipeline)} --force {shlex.quote(made.cell)}"
    if made.simulated:
        return f"`{again} --simulate` makes another, for nothing"
    price = f", which cost {money.exact(made.paid)} then" if made.paid is not None else ""
    kept = _kept(made, database) if database else ""
    return f"`flowrunner store pull` may bring it back{kept}; `{again}` pays for another{price}"


def evidence(attempt: int, database: Database | None) -> tuple[str, str]:
    """What an attempt was to give, and what becomes of the evidence that it gave something else."""
    row = None
    with suppress(StoreError):
        row = database.row("SELECT * FROM calls WHERE id = ?", attempt) if database else None
    if row is None:
        return "a picture", f"the ledger knows no attempt {attempt}: keep it with a copy of the ledger"
    of = f"a picture of {row['cell']} (attempt {attempt}, {row['run']})"
    if row["simulated"]:
        return of, "a simulator made it: remove it when you have seen it"
    if row["state"] == State.COMMITTED:
        return of, "the picture came later: remove this when nobody asks for it any more"
    paid = f", which cost {money.exact(row['paid'])}" if row["paid"] else ""
    show = f"`flowrunner runs show {row['run']}` has the ids to ask {row['provider']} with"
    return of, f"keep it as long as you want another picture or the money back{paid}; {show}"


def _kept(made: Claim, database: Database) -> str:
    """What the kept reply can do for it."""
    try:
        row = database.row("SELECT body FROM receipts WHERE call = ? ORDER BY id DESC LIMIT 1", made.call)
        texts = list(_texts(json.loads(row["body"]))) if row else []
    except (StoreError, ValueError, RecursionError):
        return ""
    if any(_is(text, made.digest) for text in texts):
        return f"; the reply of attempt {made.call} in the ledger holds this very picture"
    if any(text.startswith(("https://", "http://")) for text in texts):
        return f"; the reply of attempt {made.call} in the ledger names the URL where it lay"
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _is(text: str, digest: str) -> bool:
    """Whether a text is the base64 of the object."""
    try:
        return sha256(base64.b64decode(text.partition(";base64,")[2] or text, validate=True)) == digest
    except (binascii.Error, ValueError):
        return False
