"""Lists what ran here and what it cost, the newest first; `runs show ID` shows one run."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, money
from flowrunner.call import Billed
from flowrunner.commands.arguments import add_format, add_format_below
from flowrunner.commands.output import print_json
from flowrunner.errors import UsageError
from flowrunner.store.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from flowrunner.store.ledger import Ledger
    from flowrunner.store.records import Attempt, RunRecord

    Aside: TypeAlias = Mapping[int, Sequence[Path]]
    """What was set aside, by the attempt that it came of."""


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
        heads = ("run", "started", "pipeline", "status", "calls", "paid", "maybe billed")
        print("\n".join(columns([heads, *map(_row, found)], right=(4, 5, 6))))
    return 0


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


def _row(record: "RunRecord") -> tuple[str, ...]:
    return (
        record.id,
        _clock(record.started),
        escape.line(record.pipeline, 80),
        record.status.value,
        str(record.calls),
        _charges(record),
        str(record.maybe_billed or ""),
    )


def _charges(record: "RunRecord") -> str:
    told = f"{'simulated ' if record.simulated else ''}{money.exact(record.paid)}"
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
    return document | {"status": record.status.value, "calls": [_call(attempt, aside) for attempt in record.attempts]}


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


def _call(attempt: "Attempt", aside: "Aside") -> dict[str, Any]:
    return {
        "cell": attempt.cell,
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

    kind = ", simulated" if record.simulated else ""
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
        lines += ["", *columns([_attempt_row(attempt) for attempt in paid_calls])]
    return lines + _doubtful(record, aside)


def _attempt_row(attempt: "Attempt") -> tuple[str, ...]:
    maybe = "answered" if attempt.is_unread else "maybe billed"
    charge = {Billed.NO: "not billed", Billed.MAYBE: maybe}.get(attempt.billed) or _paid(attempt)
    return escape.visible(attempt.cell), escape.line(attempt.model), charge, escape.line(attempt.error, 200)


def _paid(attempt: "Attempt") -> str:
    word = "simulated" if attempt.simulated else "paid"
    return f"{word} {money.exact(attempt.paid)}" if attempt.paid is not None else "charge not stated"


def _doubtful(record: "RunRecord", aside: "Aside") -> list[str]:
    """Calls that were, or may have been, billed for nothing, and by which names their provider knows them."""
    maybe = [attempt for attempt in record.attempts if attempt.maybe_billed]
    lost, kept = (
        [one for one in record.attempts if one.billed is Billed.YES and one.state is state]
        for state in (State.FAILED, State.REPLIED)
    )
    lines = [line for attempt in maybe for line in _named(attempt, _most(attempt))]
    if maybe:
        lines = ["", "may have been billed:", *lines]
        lines.append("Such a call is not sent again unless `run --on-unknown resend` says so.")
    unread = [attempt for attempt in record.attempts if attempt.is_unread]
    if unread:
        lines += ["", "answered, and not read yet; `run` reads the replies and pays nothing for it:"]
        lines += [_named(attempt, _most(attempt))[0] for attempt in unread]
    if lost:
        lines += ["", "charged, and no picture came of it; ask for the money back:"]
        lines += [line for attempt in lost for line in _named(attempt, f", {_paid(attempt)}")]
    if kept:
        lines += ["", "charged, and the picture could not be fetched; `run` tries it again and pays nothing:"]
        lines += [
            line
            for attempt in kept
            for line in (*_named(attempt, f", {_paid(attempt)}"), *_aside(aside.get(attempt.id, ())))
        ]
    return lines


def _aside(paths: "Iterable[Path]") -> list[str]:
    """What came in the place of a picture."""
    return [f"      = what came was set aside as {escape.line(str(path), 1000)}" for path in paths]


def _most(attempt: "Attempt") -> str:
    return f", up to {money.about(attempt.reserved)}" if attempt.reserved is not None else ""


def _named(attempt: "Attempt", amount: str) -> list[str]:
    """What to ask a provider for: when, which model, and the ids of the request."""
    model = escape.line(attempt.model)
    names = [f"X-Client-Request-Id {attempt.client_request_id}"]
    if attempt.request_id not in ("", attempt.client_request_id):
        names.append(f"request {escape.line(attempt.request_id, 100)}")
    return [
        f"  {escape.visible(attempt.cell)}  {attempt.provider} {model}{amount}, sent {_time(attempt.begun)}",
        f"      = look for {' or '.join(names)} in the usage log of {attempt.provider}",
    ]
