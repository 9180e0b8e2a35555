"""Single parts of flowrunner beside what they are built upon: `python -m bench.micro NAME` prints microseconds."""

import asyncio
import gc
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .dags import pipeline

STEPS = 10_000
TEMPLATE = "{{ axis.product.name }} on an oak desk, {{ vars.light }}, {{ axis.product.hex | upper }}"
SCOPE = {"axis": {"product": {"name": "A lamp", "hex": "#a0b0c0"}}, "vars": {"light": "soft light"}}
REQUEST = {
    "prompt": "A lamp on an oak desk",
    "image_urls": ["https://files.example/1.png"],
    "image_size": {"width": 1024, "height": 768},
    "seed": 7,
}
RECORDS = 5_000


def each(count: int, do: Callable[[], object]) -> float:
    """Microseconds of one of so many, which `do` does."""
    begin = time.perf_counter()
    do()
    return (time.perf_counter() - begin) / count * 1e6


def repeated(count: int, do: Callable[[], object]) -> float:
    """The same for what is done so many times, after the first one, which may compile something."""
    do()
    return each(count, lambda: [do() for _ in range(count)])


def yaml() -> float:
    from flowrunner.loading.document import decode, parse

    data = pipeline("wide", STEPS).encode()
    return each(STEPS, lambda: parse(decode(data, "show.yaml")))


def yaml_floor() -> float:
    from yaml import CSafeLoader, load

    data = pipeline("wide", STEPS).encode()
    gc.disable()
    return each(STEPS, lambda: load(data, CSafeLoader))


def request() -> float:
    from flowrunner.catalog.check import check

    model = _model()
    return repeated(2_000, lambda: check(model, REQUEST))


def request_floor() -> float:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(_model().request)
    return repeated(2_000, lambda: list(validator.iter_errors(REQUEST)))


def _model() -> Any:
    from flowrunner.catalog.load import load

    return next(model for model in load().models if model.id == "blackforestlabs/flux-2-edit")


def template() -> float:
    from flowrunner.templates import parse

    return repeated(20_000, lambda: parse(TEMPLATE).render(SCOPE))


def template_floor() -> float:
    from jinja2 import Environment

    compiled = Environment(autoescape=False).from_string(TEMPLATE)
    return repeated(20_000, lambda: compiled.render(SCOPE))


def record() -> float:
    """Intents of calls that are in flight together, each durable before its call would be sent."""
    from flowrunner.store.ledger import Ledger
    from flowrunner.store.records import Caps, Intent

    async def write(ledger: Ledger, run: str) -> None:
        async def work(worker: int) -> None:
            for number in range(worker, RECORDS, 50):
                intent = Intent(
                    run=run,
                    cell=f"s{number}",
                    key=f"{number:064}",
                    provider="aimlapi",
                    model="flux-2",
                    attempt=1,
                    estimate=1,
                    client_request_id="",
                )
                await ledger.durably(ledger.reserve, intent, Caps())

        await asyncio.gather(*map(work, range(50)))

    with tempfile.TemporaryDirectory(dir=".") as folder, Ledger.open(Path(folder, "store")) as ledger:
        run = ledger.begin(pipeline="show.yaml", name="show", simulated=False)
        return each(RECORDS, lambda: asyncio.run(write(ledger, run)))


def record_floor() -> float:
    """As many rows, each committed by itself."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rows = sqlite3.connect(Path(folder, "rows.db"), isolation_level=None)
        rows.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE calls (cell, key)")

        def write() -> None:
            for number in range(RECORDS):
                rows.execute("INSERT INTO calls VALUES (?, ?)", (f"s{number}", f"{number:064}"))

        took = each(RECORDS, write)
        rows.close()
        return took


PARTS = {
    "yaml": yaml,
    "yaml-floor": yaml_floor,
    "request": request,
    "request-floor": request_floor,
    "template": template,
    "template-floor": template_floor,
    "record": record,
    "record-floor": record_floor,
}

if __name__ == "__main__":
    print(PARTS[sys.argv[1]]())
