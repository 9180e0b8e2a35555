"""Runs that break off: what their documents say of every cell."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import pipeline
from wire import Wire

from flowrunner import api, exchange
from flowrunner.events import Done, Event
from flowrunner.running import Run

SHOW = """
steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: one}}
  b: {model: blackforestlabs/flux-2-pro, after: a, with: {prompt: silent}}
  c: {model: blackforestlabs/flux-2-edit, with: {prompt: three, image_urls: [$b]}}
  d: {model: blackforestlabs/flux-2-pro, when: false, with: {prompt: four}}
  e: {model: blackforestlabs/flux-2-pro, variants: 2, after: a, with: {prompt: pair}}
"""
LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}


class Silent(Wire):
    """A provider that answers one call and no other, but for the first of a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if self.prompts.count("pair") == 2 and "silent" in self.prompts:
            self.asked.set()
        if self.prompts[-1] == "silent" or self.prompts.count("pair") == 2:
            await asyncio.Event().wait()
        return answer


async def halted(path: Path, wire: Silent) -> None:
    """Cancelled as soon as only calls without an answer are under way."""
    done = asyncio.Event()

    def emit(event: Event) -> None:
        if isinstance(event, Done) and event.cell == "e":
            done.set()

    work = asyncio.create_task(api.arun(path, environment=LIVE, emit=emit, concurrency=4))
    await asyncio.gather(done.wait(), wire.asked.wait())
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


def document(path: Path) -> dict[str, Any]:
    """Of the newest run."""
    with api.load(path, environment=LIVE).opened.project.workspace.ledger(create=False) as ledger:
        record = ledger.run(ledger.runs()[0].id)
    assert record is not None
    assert record.document is not None
    return dict(record.document)


def test_a_run_that_is_cancelled_says_of_every_cell_what_is_known_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Silent()
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)
    path = pipeline(tmp_path, SHOW)
    asyncio.run(halted(path, wire))
    found = document(path)
    cells = {cell["cell"]: cell for cell in found["cells"]}
    assert {name: cell["status"] for name, cell in cells.items()} == {
        "a": "done",
        "b": "unknown",
        "c": "pending",
        "d": "skipped",
        "e": "unknown",
    }
    assert [image["path"] for image in cells["a"]["images"]] == [None]
    assert [cells[name]["paid_usd"] for name in "abcde"] == ["0.0315", "0.00", "0.00", "0.00", "0.0315"]
    assert cells["b"]["error"] == "the run ended while the call was under way"
    assert (found["status"], found["paid_calls"], found["paid_usd"]) == ("interrupted", 4, "0.063")
    assert found["maybe_billed"] == ["b", "e"]


def test_a_run_that_breaks_off_at_its_end_says_what_came_of_its_cells(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("two and two")

    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)
    monkeypatch.setattr(Run, "_ended", broken)
    path = pipeline(tmp_path, SHOW)
    with pytest.raises(ValueError, match="two"):
        api.run(path, environment=LIVE)
    assert [cell["status"] for cell in document(path)["cells"]] == ["done", "done", "done", "skipped", "done"]
