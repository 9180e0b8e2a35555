"""What a run of many cells costs, in counts: commits, questions to the ledger, bindings, files; what it waits for."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from bench.instant import ENVIRONMENT, Provider
from statements import Statements, counted
from support import pipeline

from flowrunner import api, scheduler
from flowrunner.binding import binder
from flowrunner.store.records import RunStatus

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-pro-edit"
WIDE = f"""
axes: {{n: [{", ".join(f"n{number}" for number in range(24))}]}}
steps: {{a: {{across: n, model: {PRO}, with: {{prompt: "{{{{ axis.n }}}}"}}}}}}
outputs: {{all: $a.*}}
"""
CHAIN = f"steps:\n  s0: {{model: {PRO}, with: {{prompt: x}}}}\n" + "".join(
    f"  s{number}: {{model: {EDIT}, with: {{prompt: x, image_urls: [$s{number - 1}]}}}}\n" for number in range(1, 8)
)


@contextmanager
def instant(provider: Provider | None = None) -> Iterator[Provider]:
    with (provider or Provider()).installed() as installed:
        yield installed


def ran(path: Path, **options: Any) -> tuple[api.RunResult, Statements]:
    with counted() as told:
        result = api.run(path, environment=ENVIRONMENT, **options)
    assert result.status is RunStatus.DONE
    return result, told


AROUND = 4
"""Commits of a run itself: its tables, its beginning, its end."""


def test_a_chain_makes_two_durable_commits_a_cell(tmp_path: Path) -> None:
    """What came of a cell shares its commit with the intent of the next, and is written before it."""
    with instant() as provider:
        _, told = ran(pipeline(tmp_path, CHAIN))
    assert provider.posts == 8
    assert told.commits <= 2 * 8 + 1 + AROUND
    intent, came = "INSERT INTO calls", "INSERT INTO outcomes"
    assert told.in_order(intent, came) == [intent, came] * 8


def test_cells_in_flight_together_share_their_commits(tmp_path: Path) -> None:
    with instant(Provider(latency=0.02)) as provider:
        _, told = ran(pipeline(tmp_path, WIDE), concurrency=24)
    assert (provider.posts, provider.most) == (24, 24)
    # All intents in one; replies and outcomes in a few, as their pictures come.
    assert told.commits <= 24 + AROUND


def test_a_new_cell_asks_the_ledger_little(tmp_path: Path) -> None:
    """Whether anything is known of its key, and under which name the provider has its picture; the plan asks once for
    all of them."""
    with instant():
        result, told = ran(pipeline(tmp_path, WIDE))
    assert len(result.results) == 24
    assert told.beginning("SELECT") <= 24 * 4 + 30
    assert sum("json_each" in one for one in told) == 1


def test_a_run_with_nothing_to_do_asks_the_ledger_the_same_for_any_number_of_cells(tmp_path: Path) -> None:
    few = WIDE.replace(", ".join(f"n{number}" for number in range(24)), "n0, n1")
    asked = []
    for name, text in (("few", few), ("many", WIDE)):
        path = pipeline(tmp_path / name, text)
        with instant():
            ran(path)
            asked.append(Counter(one.split()[0] for one in ran(path)[1]))
    assert asked[0] == asked[1]


@pytest.mark.parametrize(("text", "cells", "binds"), [(WIDE, 24, 1), (CHAIN, 8, 2)])
def test_a_cell_is_bound_again_only_when_what_it_needs_has_changed(
    tmp_path: Path, text: str, cells: int, binds: int
) -> None:
    path = pipeline(tmp_path, text)
    with instant(), calls(binder, "_bound") as bound:
        ran(path)
        assert cells <= len(bound) <= cells * binds
        bound.clear()
        ran(path)
        assert len(bound) == cells


@contextmanager
def calls(place: Any, name: str) -> Iterator[list[Any]]:
    """What a function was called with."""
    seen: list[Any] = []
    real = getattr(place, name)

    def called(*values: Any, **named: Any) -> Any:
        seen.append(values)
        return real(*values, **named)

    with patch.object(place, name, called):
        yield seen


def test_a_run_with_nothing_to_do_copies_no_planned_cell(tmp_path: Path) -> None:
    path = pipeline(tmp_path, WIDE)
    with instant():
        ran(path)
        with calls(scheduler, "replace") as copied:
            ran(path)
    assert copied == []


FILES = ("open", "fsync", "rename", "link", "mkdir")


def test_a_run_with_nothing_to_do_opens_no_file_for_a_cell(tmp_path: Path) -> None:
    path = pipeline(tmp_path, WIDE)
    with instant():
        ran(path)
        with ExitStack() as patches:
            seen = {name: patches.enter_context(calls(os, name)) for name in FILES}
            ran(path)
    objects = [values for found in seen.values() for values in found if "objects" in str(values[0])]
    outputs = [values for found in seen.values() for values in found if "outputs" in str(values[0])]
    assert (objects, outputs) == ([], [])


class Patient(Provider):
    """Gives pictures only when all calls have come."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.come = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            await asyncio.wait_for(self.come.wait(), 30)
        reply = await super().handle_async_request(request)
        if self.posts == self.calls:
            self.come.set()
        return reply


def test_the_next_call_is_made_while_the_pictures_of_one_are_fetched(tmp_path: Path) -> None:
    two = WIDE.replace(", ".join(f"n{number}" for number in range(24)), "n0, n1")
    with instant(Patient(2)) as provider:
        ran(pipeline(tmp_path, two), concurrency=1)
    assert (provider.posts, provider.most) == (2, 1)
