"""Performers on a store of their own, with a provider, a clock and downloads in this process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import Time
from wire import Wire
from written import CATALOG, PHOTO, Memory

from flowrunner import exchange
from flowrunner.call import Call
from flowrunner.downloads import Fetched, FetchFailed
from flowrunner.images import Images
from flowrunner.jobs import Door, Job, Stop
from flowrunner.money import Nano
from flowrunner.perform import Performer
from flowrunner.providers import aimlapi, onemin
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Objects, Writer
from flowrunner.store.records import Caps, RunStatus

if TYPE_CHECKING:
    from flowrunner.events import Event

PRICE = 31_500_000
MODELS = {model.id: model for model in CATALOG.models}
PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
EDITOR, GENERATOR = "black-forest-labs/flux-2-pro/edit", "black-forest-labs/flux-2-pro/generate"


class Fetches:
    """Downloads that hold these pictures; what is `coming` comes first."""

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self.pictures = pictures
        self.coming: list[bytes] = []
        self.asked: list[str] = []

    async def get(self, url: str) -> Fetched | FetchFailed:
        self.asked.append(url)
        data = self.coming.pop(0) if self.coming else self.pictures.get(url)
        if data is None:
            return FetchFailed(reason="gone", gone=True)
        return Fetched(data=data, content_type="image/png")

    async def save(self, url: str, opened: Callable[[], Writer]) -> Writer | FetchFailed:
        found = await self.get(url)
        if isinstance(found, FetchFailed):
            return found
        draft = opened()
        draft.write(found.data)
        return draft


class Till:
    """A store with its ledger, and performers on it. Every step that matters is written into `trail`."""

    def __init__(self, folder: Path, wire: Wire | None = None) -> None:
        self.folder = folder
        self.wire = wire or Wire()
        self.time = Time()
        self.trail: list[str] = []
        self.events: list[Event] = []
        self.emit: Callable[[Event], None] = self.events.append
        self.stop = Stop()
        self.fetches = Fetches({})
        self.objects = Objects(folder)
        self.files = Memory({"photo.png": PHOTO})
        self.images = Images(self.files)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with Ledger.open(self.folder) as ledger:
            yield ledger

    def perform(self, *jobs: Job, caps: Caps | None = None, concurrency: int = 4, **options: Any) -> list[Any]:
        """One run over these jobs, all at once."""
        self.stop = Stop()
        with self.ledger() as ledger:
            ledger.recover()
            run = ledger.begin(pipeline="show.yaml", name="show", simulated=options.get("simulated", False))
            found = asyncio.run(self._all(ledger, run, jobs, caps or Caps(), concurrency, options))
            self.spent = ledger.spent_run(run)
            ledger.finish(run, RunStatus.DONE)
        return found

    async def _all(
        self, ledger: Ledger, run: str, jobs: tuple[Job, ...], caps: Caps, concurrency: int, options: dict[str, Any]
    ) -> list[Any]:
        performer = self.performer(ledger, run, caps, **options)
        slots = asyncio.Semaphore(concurrency)

        async def performed(job: Job) -> Any:
            async with slots:
                return await performer.perform(job)

        return await asyncio.gather(*map(performed, jobs))

    def performer(self, ledger: Ledger, run: str, caps: Caps, **options: Any) -> Performer:
        doors = {}
        for provider in (aimlapi, onemin):
            endpoint = exchange.Endpoint(transport=self.wire, base_url=provider.base_url, headers={"X-Key": "k"})
            gate = exchange.Gate(None, clock=lambda: self.time.now, sleep=self.time.sleep)
            forgets = options.get("simulated", False)
            doors[provider.name] = Door(provider=provider, endpoint=endpoint, gate=gate, forgets=forgets)
        return Performer(
            run=run,
            ledger=ledger,
            objects=self.objects,
            images=self.images,
            doors=doors,
            caps=caps,
            stop=self.stop,
            emit=self.emit,
            downloads=self.fetches,  # type: ignore[arg-type]
            clock=lambda: self.time.now,
            wall=lambda: 1_000.0 + self.time.now,
            sleep=self.time.sleep,
            random=lambda: 0.5,
            **{"simulated": False, **options},
        )

    def one(self, job: Job, **options: Any) -> Any:
        (found,) = self.perform(job, **options)
        return found


def job(
    prompt: str = "x", *, model: str = PRO, estimate: Nano | None = PRICE, fresh: bool = False, **params: Any
) -> Job:
    known = MODELS[model]
    call = Call(provider=known.provider, model=model, adapter=1, params={"prompt": prompt, **params})
    return Job(cell=prompt, sample=1, call=call, model=known, estimate=estimate, timeout=300.0, fresh=fresh)
