"""A run of a pipeline in memory, with a performer that does as it is told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wire import png
from written import CATALOG, HEAD, PHOTO, TALL, Memory

from flowrunner.artifact import Artifact
from flowrunner.binding import Binder
from flowrunner.call import Billed, Call, Failure, Outcome
from flowrunner.ended import CellResult
from flowrunner.graph import build
from flowrunner.imagehead import artifact
from flowrunner.jobs import Job, Stop
from flowrunner.loading import load
from flowrunner.loading.scope import Scope, Value
from flowrunner.locking import locked
from flowrunner.planning import Plan, Planner, plan
from flowrunner.scheduler import Scheduler
from flowrunner.store.locked import Lock

if TYPE_CHECKING:
    from flowrunner.events import Event

Answer = Callable[[Job], Outcome | Failure]


BYTES: dict[str, bytes] = {}
"""Every picture that a performer gave, by its digest."""


def picture(call: Call, number: int = 0) -> Artifact:
    """The picture that a call gives, always the same."""
    size = call.params.get("image_size")
    width, height = (size["width"], size["height"]) if isinstance(size, Mapping) else (64, 48)
    data = png(width, height, f"{call.key}{number}")
    made = artifact(data)
    BYTES[made.sha256] = data
    return made


def gives(job: Job) -> Outcome:
    """As many pictures as are asked for."""
    count = int(job.call.params.get("num_images", 1))
    images = tuple(picture(job.call, number) for number in range(count))
    return Outcome(key=job.call.key, artifacts=images, paid=1000)


def fails(job: Job, billed: Billed = Billed.NO, **more: Any) -> Failure:
    return Failure(key=job.call.key, error="no", billed=billed, **more)


class Memories:
    """What a ledger knows."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}

    def ask(self, keys: Sequence[str]) -> None:
        """It knows them all."""

    def outcome(self, key: str) -> Outcome | None:
        return self.outcomes.get(key)

    def held(self, _: str) -> None:
        """Nothing was ever sent without an end."""


class Player:
    """A performer. `order` decides whose turn it is to end among the calls that are under way; where it `stores`, they
    have another turn, until the ledger knows."""

    def __init__(
        self, answer: Answer, memories: Memories, order: Callable[[Sequence[str]], int] | None, *, stores: bool
    ) -> None:
        self.answer = answer
        self.memories = memories
        self.order = order
        self.stores = stores
        self.jobs: list[Job] = []
        self.under_way: dict[str, asyncio.Future[None]] = {}
        self.most = 0

    async def perform(self, job: Job) -> Outcome | Failure:
        self.jobs.append(job)
        await self._turn(f"{job.cell}#{job.sample}")
        found = self.answer(job)
        if isinstance(found, Outcome):
            if self.stores and job.stored(found):
                await self._turn(f"{job.cell}#{job.sample} stored")
            self.memories.outcomes[job.call.key] = found
        return found

    async def _turn(self, name: str) -> None:
        if self.order is not None:
            self.under_way[name] = asyncio.get_running_loop().create_future()
            self.most = max(self.most, len(self.under_way))
            await self.under_way[name]

    async def conduct(self, order: Callable[[Sequence[str]], int]) -> None:
        """Ends one call after the other; cells that become ready meanwhile join in."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            names = sorted(self.under_way)
            if names:
                self.under_way.pop(names[order(names) % len(names)]).set_result(None)


class Show:
    """A pipeline with its lock and its ledger, run again and again."""

    def __init__(self, text: str, files: Mapping[str, str | bytes] | None = None) -> None:
        self.files = Memory({"photo.png": PHOTO, "tall.png": TALL, **(files or {})})
        self.write(text)
        self.lock = Lock()
        self.memories = Memories()
        self.answer: Answer = gives
        self.sent: list[str] = []
        self.events: list[Event] = []
        self.slots: dict[str, int] = {}
        self.stores = False

    def write(self, text: str) -> None:
        self.files.files["show.yaml"] = (HEAD + text).encode()

    def planner(self, **options: Any) -> Planner:
        pipeline, _ = load(self.files, "show.yaml")
        values = {name: Value(data=s.default.value, node=s.default) for name, s in pipeline.inputs.items() if s.default}
        graph, _ = build(pipeline, Scope(pipeline, values), CATALOG)
        binder = Binder(graph, CATALOG, self.files)
        return Planner(graph=graph, binder=binder, lock=self.lock, history=self.memories, **options)

    def plan(self, **options: Any) -> Plan:
        return plan(self.planner(**options))

    def decisions(self, **options: Any) -> dict[str, str]:
        return {name: planned.decision.value for name, planned in self.plan(**options).cells.items()}

    def run(
        self, order: Callable[[Sequence[str]], int] | None = None, only: Sequence[str] = (), **options: Any
    ) -> dict[str, CellResult]:
        return asyncio.run(self._run(order, only, options))

    def statuses(self, **options: Any) -> dict[str, str]:
        return {name: result.status.value for name, result in self.run(**options).items()}

    async def _run(
        self, order: Callable[[Sequence[str]], int] | None, only: Sequence[str], options: dict[str, Any]
    ) -> dict[str, CellResult]:
        making = self.planner(**options)
        self.stop = Stop()
        player = Player(self.answer, self.memories, order, stores=self.stores)
        scheduler = Scheduler(
            graph=making.graph,
            planner=making,
            performer=player,
            stop=self.stop,
            emit=self.events.append,
            timeout_of=lambda _: 300.0,
            slots=self.slots,
        )
        conductor = asyncio.ensure_future(player.conduct(order)) if order else None
        try:
            await scheduler.run(list(only) or list(making.graph.cells))
        finally:
            if conductor is not None:
                conductor.cancel()
        self.sent = [f"{job.cell}#{job.sample}" for job in player.jobs]
        self.most = player.most
        self.lock = locked(self.lock, making.graph, scheduler.results, self.lock.inputs)
        return scheduler.results
