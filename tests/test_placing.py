"""Inputs of calls: links, data URIs, handles, uploads; and nothing is paid where one cannot be had."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tills import EDIT, EDITOR, Till, job
from wire import error, png

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure, Link, Outcome
from flowrunner.perform import ATTEMPTS
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


def body_of(text: str) -> httpx.Response:
    return httpx.Response(200, content=text.encode())


def picture(till: Till, seed: str = "in") -> Artifact:
    data = png(64, 48, seed)
    till.objects.put(data)
    return imagehead.artifact(data)


def test_a_link_is_sent_as_it_is_and_bytes_as_a_data_uri(till: Till) -> None:
    leaf = picture(till)
    till.one(job(model=EDIT, image_urls=[Link("https://x.y/z.png"), leaf]))
    link, data = till.wire.sent[0]["image_urls"]
    assert link == "https://x.y/z.png"
    assert data.startswith("data:image/png;base64,iVBOR")


def test_a_url_of_a_result_is_passed_on_while_it_is_good(till: Till) -> None:
    made = png(64, 48, "made")
    till.fetches.pictures["https://cdn/a.png"] = made
    till.wire.coming.append(httpx.Response(200, json={"data": [{"url": "https://cdn/a.png"}]}))
    first = till.one(job())
    till.one(job("later", model=EDIT, image_urls=list(first.artifacts)))
    assert till.wire.sent[1]["image_urls"] == ["https://cdn/a.png"]
    till.time.now += 3601
    till.one(job("much later", model=EDIT, image_urls=list(first.artifacts)))
    assert till.wire.sent[2]["image_urls"][0].startswith("data:")


def test_a_url_of_this_run_is_passed_on_before_the_ledger_has_it_and_not_longer_than_it_is_good(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "handle", lambda *_: None)
    made = png(64, 48, "made")
    till.fetches.pictures["https://cdn/a.png"] = made
    till.wire.coming.append(httpx.Response(200, json={"data": [{"url": "https://cdn/a.png"}]}))
    later = [job(prompt, model=EDIT, image_urls=[imagehead.artifact(made)]) for prompt in ("later", "too late")]

    async def one_run() -> None:
        with till.ledger() as ledger:
            run = ledger.begin(pipeline="show.yaml", name="show", simulated=False)
            performer = till.performer(ledger, run, Caps())
            for one in (job(), *later):
                assert isinstance(await performer.perform(one), Outcome)
                till.time.now += 1801

    asyncio.run(one_run())
    kept, sent_anew = (body["image_urls"][0] for body in till.wire.sent[1:])
    assert kept == "https://cdn/a.png"
    assert sent_anew.startswith("data:")


def test_an_input_is_uploaded_once_for_its_hour(till: Till) -> None:
    leaf = picture(till)
    uploads = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/assets":
            uploads.append(request.content)
            return httpx.Response(200, json={"asset": {"key": f"k{len(uploads)}"}})
        till.wire.sent.append(json.loads(request.content))
        record = {"status": "SUCCESS", "temporaryUrl": ["https://cdn/a.png"], "aiRecordDetail": {}}
        return httpx.Response(200, json={"aiRecord": record})

    till.fetches.pictures["https://cdn/a.png"] = png(8, 8, "out")
    till.wire = httpx.MockTransport(answer)  # type: ignore[assignment]
    till.wire.sent = []
    for prompt, later in (("one", 0.0), ("two", 10.0), ("three", 3600.0)):
        till.time.now += later
        assert isinstance(till.one(job(prompt, model=EDITOR, imageUrl=leaf)), Outcome)
    assert [body["promptObject"]["imageUrl"] for body in till.wire.sent] == ["k1", "k1", "k2"]
    assert len(uploads) == 2


class Assets:
    """A provider with an asset store: `coming` answers the next uploads before they succeed."""

    def __init__(self, till: Till) -> None:
        self.coming: list[httpx.Response | Exception] = []
        self.uploads: list[bytes] = []
        self.posts: list[dict[str, Any]] = []
        till.fetches.pictures["https://cdn/a.png"] = png(8, 8, "out")
        till.wire = httpx.MockTransport(self.answer)  # type: ignore[assignment]

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/api/assets":
            self.posts.append(json.loads(request.content)["promptObject"])
            record = {"status": "SUCCESS", "temporaryUrl": ["https://cdn/a.png"], "aiRecordDetail": {}}
            return httpx.Response(200, json={"aiRecord": record})
        self.uploads.append(request.content)
        found = self.coming.pop(0) if self.coming else httpx.Response(200, json={"asset": {"key": "k"}})
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("no"), httpx.ReadError("cut"), error(429), error(500), error(503), body_of("<html>")]
)
def test_an_upload_that_fails_in_passing_is_repeated(till: Till, fault: httpx.Response | Exception) -> None:
    assets = Assets(till)
    assets.coming = [fault, fault]
    assert isinstance(till.one(job(model=EDITOR, imageUrl=picture(till))), Outcome)
    assert (len(assets.uploads), len(assets.posts)) == (ATTEMPTS, 1)


def test_an_upload_that_always_fails_ends_the_call_before_anything_is_paid(till: Till) -> None:
    assets = Assets(till)
    assets.coming = [error(500)] * ATTEMPTS
    found = till.one(job(model=EDITOR, imageUrl=picture(till)))
    assert (found.billed, found.hint, assets.posts, till.spent) == (Billed.NO, "nothing was billed", [], 0)


def test_calls_that_share_an_input_upload_it_once(till: Till) -> None:
    assets, leaf = Assets(till), picture(till)
    till.perform(*(job(f"p{n}", model=EDITOR, imageUrl=leaf) for n in range(6)))
    assert (len(assets.uploads), len(assets.posts)) == (1, 6)


def test_a_refused_upload_sends_nothing_that_is_paid(till: Till) -> None:
    till.wire = httpx.MockTransport(lambda _: error(401, "no key"))  # type: ignore[assignment]
    found = till.one(job(model=EDITOR, imageUrl=picture(till)))
    assert isinstance(found, Failure)
    assert (found.billed, found.stops_run, till.stop.requested, till.spent) == (Billed.NO, True, True, 0)


@pytest.mark.parametrize("how", ["absent", "damaged", "changed", "deleted"])
def test_bytes_that_are_not_there_are_never_paid_for(till: Till, how: str) -> None:
    if how in ("absent", "damaged"):
        leaf = picture(till)
        (path,) = (till.folder / "objects").rglob(leaf.sha256[2:])
        path.chmod(0o600)
        path.write_bytes(b"bad") if how == "damaged" else path.unlink()
    else:
        leaf = till.images.at("photo.png")
        till.files.files["photo.png"] = png(1, 1)
        if how == "deleted":
            del till.files.files["photo.png"]
    found = till.one(job(model=EDIT, image_urls=[leaf]))
    assert isinstance(found, Failure)
    assert (found.refused, found.billed, till.wire.sent, till.spent) == (True, Billed.NO, [], 0)


def test_an_asset_of_another_provider_is_never_paid_for(till: Till) -> None:
    found = till.one(job(model=EDIT, image_urls=[Link("asset:x")]))
    assert isinstance(found, Failure)
    assert (found.refused, till.wire.sent, till.spent) == (True, [], 0)
