"""No limit is passed: of any pipeline, under any faults, with any number of calls at once, and over several runs."""

import asyncio
import base64
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, seed, settings
from hypothesis.strategies import DrawFn, composite, integers, lists, none, one_of, sampled_from
from running_cases import Show
from tills import Till
from wire import Wire, error, png

from flowrunner.known import Known
from flowrunner.money import Nano, text
from flowrunner.providers.registry import PROVIDERS
from flowrunner.scheduler import Scheduler
from flowrunner.store.records import Caps, RunStatus

PRICES = {"flux-2-pro": 31_500_000, "flux-2-edit": 12_600_000, "flux-2-max": 70_000_000}
"""Of the first megapixel; nobody has published that of max."""
UNPRICED = "flux-2-max"
FAULTS = (
    *("ok", "ok", "less", "more", "unstated", "empty", "html", "500", "504", "lost"),
    *("unreached", "400", "429", "503", "402"),
)
PICTURE = base64.b64encode(png(512, 512)).decode()
_numbers = itertools.count()


@dataclass(frozen=True)
class Step:
    model: str
    refs: tuple[int, ...]
    variants: int

    def text(self, name: str, of: int) -> str:
        size = "image_size: {width: 512, height: 512}"
        pictures = f", image_urls: [{', '.join(f'$s{ref}' for ref in self.refs)}]" if self.refs else ""
        fields = f"prompt: '{name} of {of}', {size}{pictures}"
        return f"  {name}: {{model: blackforestlabs/{self.model}, variants: {self.variants}, with: {{{fields}}}}}"


@dataclass(frozen=True)
class Case:
    steps: list[Step]
    caps: Caps
    concurrency: int
    faults: list[str]
    waits: list[int]
    interrupted: int | None
    """After so many requests of a run somebody interrupts it."""


@composite
def cases(draw: DrawFn) -> Case:
    steps: list[Step] = []
    for number in range(draw(integers(1, 7))):
        refs = draw(lists(integers(0, number - 1), unique=True, max_size=3)) if number else []
        model = "flux-2-edit" if refs else draw(sampled_from(("flux-2-pro", "flux-2-pro", UNPRICED)))
        steps.append(Step(model, tuple(refs), draw(sampled_from((1, 1, 2, 3)))))
    cents = one_of(none(), integers(0, 30).map(lambda cent: cent * 10_000_000))
    return Case(
        steps=steps,
        caps=Caps(
            max_usd=draw(cents),
            max_calls=draw(one_of(none(), integers(0, 4))),
            total_usd=draw(cents),
            unpriced=draw(sampled_from((False, True))),
        ),
        concurrency=draw(integers(1, 8)),
        faults=draw(lists(sampled_from(FAULTS), max_size=16)),
        waits=draw(lists(integers(0, 3), min_size=1, max_size=8)),
        interrupted=draw(one_of(none(), none(), integers(1, 8))),
    )


@dataclass
class Bank(Wire):
    """A provider that keeps its own books: what it has charged, whatever its replies say."""

    case: Case = field(kw_only=True)
    watch: Callable[[], None] = field(kw_only=True)
    charged: Nano = 0
    """Since the first run."""
    above: Nano = 0
    """How much of it is above what was estimated; of a call without an estimate, all."""
    told: Nano = 0
    """How much of it a runner can know, or has to count as perhaps charged."""
    executed: int = 0
    """Calls of this run that were charged."""
    done: set[str] = field(default_factory=set)
    """Requests that were charged."""

    def __post_init__(self) -> None:
        self.left = list(self.case.faults)
        self.pace = itertools.cycle(self.case.waits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["x-client-request-id"]
        assert key not in self.done, "a request that was charged is sent again"
        self.sent.append(json.loads(await request.aread()))
        self.watch()
        for _ in range(next(self.pace)):
            await asyncio.sleep(0)
        return self.answered(key, json.loads(request.content))

    def answered(self, key: str, body: dict[str, Any]) -> httpx.Response:
        fault = self.left.pop() if self.left else "ok"
        model = body["model"].partition("/")[2]
        price = PRICES[model] * (1 + len(body.get("image_urls", ())))
        if fault == "unreached":
            raise httpx.ConnectError("refused")
        if fault in ("400", "402", "429", "503"):
            return error(int(fault), "no", **({"Retry-After": "1"} if fault == "503" else {}))
        paid = {"less": price // 2, "more": price * 2}.get(fault, price)
        self.done.add(key)
        self.executed += 1
        self.charged += paid
        stated = fault in ("ok", "less", "more", "empty")
        self.told += paid if stated or model != UNPRICED else 0
        self.above += paid if model == UNPRICED else max(0, paid - price)
        return self.said(fault, paid if stated else None)

    def said(self, fault: str, paid: Nano | None) -> httpx.Response:
        if fault == "lost":
            raise httpx.ReadError("reset")
        if fault in ("500", "504"):
            return error(int(fault))
        if fault == "html":
            return httpx.Response(200, content=b"<html>")
        headers = {} if paid is None else {"x-aimlapi-usd-spent": text(paid)}
        data = [] if fault == "empty" else [{"b64_json": PICTURE}]
        return httpx.Response(200, headers=headers, json={"data": data, "meta": None})


class Spree:
    """Two runs of one pipeline over one ledger; what holds is looked at whenever something is sent."""

    def __init__(self, till: Till, case: Case) -> None:
        number = next(_numbers)
        self.name = f"n{number}"
        self.case = case
        self.till = till
        till.wire = self.bank = Bank(case=case, watch=self.look)
        steps = "\n".join(step.text(f"s{n}", number) for n, step in enumerate(case.steps))
        self.show = Show(f"steps:\n{steps}\n")

    def go(self) -> None:
        with self.till.ledger() as self.ledger:
            for _ in range(2):
                asyncio.run(self.once())

    async def once(self) -> None:
        self.run = self.ledger.begin(pipeline="show.yaml", name=self.name, simulated=False)
        self.before, self.bank.executed, self.requests = (self.bank.charged, self.bank.above), 0, 0
        making = self.show.planner()
        making.history = Known(self.ledger, simulated=False)
        self.till.images = making.binder.images
        self.till.stop = stop = type(self.till.stop)()
        performer = self.till.performer(self.ledger, self.run, self.case.caps)
        scheduler = Scheduler(
            graph=making.graph,
            planner=making,
            performer=performer,
            stop=stop,
            emit=self.till.events.append,
            timeout_of=lambda _: 300.0,
            slots=dict.fromkeys(PROVIDERS, self.case.concurrency),
        )
        await scheduler.run(list(making.graph.cells))
        self.hold()
        self.ledger.finish(self.run, RunStatus.DONE)
        assert self.bank.told <= self.ledger.spent(self.name)

    def look(self) -> None:
        self.requests += 1
        if self.requests == self.case.interrupted:
            self.till.stop.request("interrupted")
        self.hold()

    def hold(self) -> None:
        """Paid, reserved and unknown are within the limits, but for what was charged above an estimate."""
        caps, ledger, bank = self.case.caps, self.ledger, self.bank
        charged, above = bank.charged - self.before[0], bank.above - self.before[1]
        if caps.max_usd is not None:
            assert ledger.spent_run(self.run) - above <= caps.max_usd
            assert charged - above <= caps.max_usd
        if caps.total_usd is not None:
            assert ledger.spent(self.name) - bank.above <= caps.total_usd
            assert bank.charged - bank.above <= caps.total_usd
        if caps.max_calls is not None:
            assert bank.executed <= caps.max_calls
        if not caps.unpriced and not (caps.max_usd is caps.total_usd is None):
            assert all(body["model"] != f"blackforestlabs/{UNPRICED}" for body in bank.sent)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory, where the system has such a place: thousands of durable writes would take minutes."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@settings(max_examples=30)
@given(case=cases())
def test_no_limit_is_passed(folder: Path, case: Case) -> None:
    Spree(Till(folder), case).go()


@pytest.mark.slow
@pytest.mark.parametrize("quarter", range(4))
def test_no_limit_is_passed_by_a_thousand_pipelines(folder: Path, quarter: int) -> None:
    @seed(quarter)
    @settings(max_examples=250)
    @given(case=cases())
    def none_is_passed(case: Case) -> None:
        Spree(Till(folder), case).go()

    none_is_passed()
