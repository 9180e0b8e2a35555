"""Lists what ran here and what it cost, the newest first; `runs show ID` shows one run."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, money
from flowrunner.call import Billed
from flowrunner.commands.arguments import add_format, add_format_below
from flowrunner.commands.output import print_json
from flowrunner.errors import UsageError
from flowrunner.paint import is_terminal, width
from flowrunner.store.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from flowrunner.store.ledger import Ledger
    from flowrunner.store.records import Attempt, RunRecord

    Aside: TypeAlias = Mapping[int, Sequence[Path]]
    """What was set aside, by the attempt that it came of."""
    Samples: TypeAlias = Mapping[tuple[str, str], int]
    """The numbers of the calls of cells that have several, by cell and key."""

_NAME, _SHORTEST = 2, 12
"""The column of the pipelines' names, and how much of one is always shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)
    below = parser.add_subparsers(dest="what", metavar="show")
    show = below.add_parser("show", help="one run with its calls", description="One run with its calls.")
    show.add_argument("run", metavar="ID", help="as the list names it: r-7f3a")
    add_format_below(show)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.project import open_project

    workspace = open_project(Path.cwd()).workspace
    with workspace.ledger(create=False) as ledger:
        if arguments.what == "show":
            return _show(arguments, ledger, workspace.store)
        return _list(arguments, ledger.runs())


def _list(arguments: argparse.Namespace, found: list["RunRecord"]) -> int:
    from flowrunner.report.columns import columns

    if arguments.format == "json":
        print_json({"runs": [_summary(record) for record in found]})
    elif not found:
        print("nothing has run here yet")
    else:
        places = money.places(record.paid for record in found)
        maybe = "maybe billed" if any(record.maybe_billed for record in found) else ""
        heads = ("run", "started", "pipeline", "status", "calls", "paid", maybe)
        room = width(sys.stdout, os.environ) if is_terminal(sys.stdout, os.environ) else 0
        rows = [heads, *(_row(record, places) for record in found)]
        print("\n".join(columns(_fitted(rows, room), right=(4, 5, 6))))
    return 0


def _fitted(rows: "Sequence[tuple[str, ...]]", room: int) -> "Sequence[tuple[str, ...]]":
    """The rows with the fronts of long pipelines' names left out, where a line would be longer than the terminal."""
    from flowrunner.report.columns import columns

    over = max(map(escape.width, columns(rows, right=(4, 5, 6)))) - room
    if not room or over <= 0:
        return rows
    most = max(_SHORTEST, max(escape.width(row[_NAME]) for row in rows) - over)
    return [(*row[:_NAME], _end_of(row[_NAME], most), *row[_NAME + 1 :]) for row in rows]


def _end_of(text: str, room: int) -> str:
    """The end of a text, which tells files of long paths apart."""
    at = 0
    while escape.width(text[at:]) + (at > 0) > room:
        at += 1
    return f"…{text[at:]}" if at else text


def _summary(record: "RunRecord") -> dict[str, Any]:
    return {
        "run": record.id,
        "pipeline": record.pipeline,
        "status": record.status.value,
        "simulated": record.simulated,
        "started": _time(record.started, "seconds"),
        "calls": record.calls,
        "paid_usd": money.stated(record.paid, record.unstated),
        "unstated": record.unstated,
        "maybe_billed": record.maybe_billed,
    }


def _row(record: "RunRecord", places: int) -> tuple[str, ...]:
    return (
        record.id,
        _clock(record.started),
        escape.line(record.pipeline, 80),
        record.status.value,
        str(record.calls),
        _charges(record, places),
        str(record.maybe_billed or ""),
    )


def _charges(record: "RunRecord", places: int) -> str:
    told = f"{'simulated ' if record.simulated else ''}{money.exact(record.paid, places)}"
    if not record.unstated:
        return told
    return f"{told} + {record.unstated} not stated" if record.paid else f"{record.unstated} not stated"


def _time(seconds: float, unit: str = "seconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=unit).replace("+00:00", "Z")


def _clock(seconds: float) -> str:
    """For people: the time of their own clock."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _show(arguments: argparse.Namespace, ledger: "Ledger", store: Path) -> int:
    from flowrunner.store.evidence import by_attempt

    record = ledger.run(arguments.run)
    if record is None:
        recent = ", ".join(one.id for one in ledger.runs()[:5])
        raise UsageError(
            f"no run {arguments.run} here", f"the latest are {recent}" if recent else "nothing has run here yet"
        )
    aside = by_attempt(store)
    if arguments.format == "json":
        print_json(_document(record, aside))
    else:
        print("\n".join(_text(record, aside)))
    return 0


def _document(record: "RunRecord", aside: "Aside") -> dict[str, Any]:
    """What the run said at its end; of one that said nothing, what the ledger knows. The calls stand beside it."""
    document = dict(record.document or _unsaid(record))
    samples = _samples(record)
    calls = [_call(attempt, aside, samples) for attempt in record.attempts]
    return document | {"status": record.status.value, "calls": calls}


def _samples(record: "RunRecord") -> "Samples":
    """As far as the run has said them at its end."""
    several = [cell for cell in (record.document or {}).get("cells", ()) if len(cell["keys"]) > 1]
    return {(cell["cell"], key): number for cell in several for number, key in enumerate(cell["keys"], 1)}


def _unsaid(record: "RunRecord") -> dict[str, Any]:
    from flowrunner.documents import spent_document

    return {
        "run": record.id,
        "pipeline": record.pipeline,
        "simulated": record.simulated,
        "cells": [],
        "outputs": {},
        **spent_document(record),
    }


def _call(attempt: "Attempt", aside: "Aside", samples: "Samples") -> dict[str, Any]:
    return {
        "cell": attempt.cell,
        "sample": samples.get((attempt.cell, attempt.key)),
        "key": attempt.key,
        "provider": attempt.provider,
        "model": attempt.model,
        "attempt": attempt.attempt,
        "state": attempt.state.value,
        "billed": attempt.billed.value,
        "paid_usd": None if attempt.paid is None else money.text(attempt.paid),
        "reserved_usd": None if attempt.reserved is None else money.text(attempt.reserved),
        "client_request_id": attempt.client_request_id,
        "request_id": attempt.request_id,
        "error": attempt.error,
        "aside": [str(path) for path in aside.get(attempt.id, ())],
    }


def _text(record: "RunRecord", aside: "Aside") -> list[str]:
    from flowrunner.report.columns import columns
    from flowrunner.report.groups import billed, plural

    kind, samples = ", simulated" if record.simulated else "", _samples(record)
    unstated = f"{plural(record.unstated, 'charge')} not stated"
    paid = f"{'simulated' if record.simulated else 'paid'} {money.exact(record.paid)}"
    if record.unstated:
        paid = f"{paid}, {unstated}" if record.paid else unstated
    lines = [
        f"{record.id}  {escape.line(record.pipeline)}  {record.status.value}{kind}  {_clock(record.started)}",
        billed(record.calls, paid, record.maybe_billed, record.unread),
    ]
    paid_calls = [attempt for attempt in record.attempts if attempt.client_request_id]
    if paid_calls:
        places = money.places(attempt.paid or 0 for attempt in paid_calls)
        lines += ["", *columns([_attempt_row(attempt, samples, places) for attempt in paid_calls])]
    return lines + _doubtful(record, aside, samples)


def _attempt_row(attempt: "Attempt", samples: "Samples", places: int) -> tuple[str, ...]:
    maybe = "answered" if attempt.is_unread else "maybe billed"
    charge = {Billed.NO: "not billed", Billed.MAYBE: maybe}.get(attempt.billed) or _paid(attempt, places)
    return _label(attempt, samples), escape.line(attempt.model), charge, escape.line(attempt.error, 200)


def _label(attempt: "Attempt", samples: "Samples") -> str:
    """`scene/lamp #1`; without the number where there is only one sample."""
    number = samples.get((attempt.cell, attempt.key))
    return escape.visible(f"{attempt.cell} #{number}" if number else attempt.cell)


def _paid(attempt: "Attempt", places: int = 6) -> str:
    word = "simulated" if attempt.simulated else "paid"
    return f"{word} {money.exact(attempt.paid, places)}" if attempt.paid is not None else "charge not stated"


def _doubtful(record: "RunRecord", aside: "Aside", samples: "Samples") -> list[str]:
    """Calls that were, or may have been, billed for nothing, and by which names their provider knows them."""
    maybe = [attempt for attempt in record.attempts if attempt.maybe_billed]
    lost, kept = (
        [one for one in record.attempts if one.billed is Billed.YES and one.state is state]
        for state in (State.FAILED, State.REPLIED)
    )
    lines = [line for attempt in maybe for line in _named(attempt, samples, _most(attempt))]
    if maybe:
        lines = ["", "may have been billed:", *lines]
        lines.append("Such a call is not sent again unless `run --on-unknown resend` says so.")
    unread = [attempt for attempt in record.attempts if attempt.is_unread]
    if unread:
        lines += ["", "answered, and not read yet; `run` reads the replies and pays nothing for it:"]
        lines += [_named(attempt, samples, _most(attempt))[0] for attempt in unread]
    if lost:
        lines += ["", "charged, and no picture came of it; ask for the money back:"]
        lines += [line for attempt in lost for line in _named(attempt, samples, f", {_paid(attempt)}")]
    if kept:
        lines += ["", "charged, and the picture could not be fetched; `run` tries it again and pays nothing:"]
        lines += [
            line
            for attempt in kept
            for line in (*_named(attempt, samples, f", {_paid(attempt)}"), *_aside(aside.get(attempt.id, ())))
        ]
    return lines


def _aside(paths: "Iterable[Path]") -> list[str]:
    """What came in the place of a picture."""
    return [f"      = what came was set aside as {escape.line(str(path), 1000)}" for path in paths]


def _most(attempt: "Attempt") -> str:
    return f", up to {money.about(attempt.reserved)}" if attempt.reserved is not None else ""


def _named(attempt: "Attempt", samples: "Samples", amount: str) -> list[str]:
    """What to ask a provider for: when, which model, and the ids of the request."""
    model = escape.line(attempt.model)
    names = [f"X-Client-Request-Id {attempt.client_request_id}"]
    if attempt.request_id not in ("", attempt.client_request_id):
        names.append(f"request {escape.line(attempt.request_id, 100)}")
    return [
        f"  {_label(attempt, samples)}  {attempt.provider} {model}{amount}, sent {_time(attempt.begun)}",
        f"      = look for {' or '.join(names)} in the usage log of {attempt.provider}",
    ]
