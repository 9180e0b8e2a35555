"""Inputs of calls: links, data URIs, handles, uploads; and nothing is paid where one cannot be had."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tills import EDIT, EDITOR, GENERATOR, Till, job
from wire import error, painted, png

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


def refusing(till: Till, status: int) -> None:
    """From now on the provider takes no picture by a link."""

    def answer(body: dict[str, Any]) -> httpx.Response:
        by_link = [url for url in body.get("image_urls", ()) if not url.startswith("data:")]
        return error(status, f"{by_link[0]} cannot be read") if by_link else painted(body)

    till.wire.answer = answer


def passed_on(till: Till) -> tuple[Artifact, ...]:
    """A picture that the provider has given a link to."""
    till.fetches.pictures["https://cdn/a.png"] = png(64, 48, "made")
    till.wire.coming.append(httpx.Response(200, json={"data": [{"url": "https://cdn/a.png"}]}))
    made: Outcome = till.one(job())
    return made.artifacts


def test_a_link_of_the_provider_that_it_turns_down_is_sent_as_bytes_the_next_time(till: Till) -> None:
    pictures = list(passed_on(till))
    refusing(till, 400)
    found = till.one(job("later", model=EDIT, image_urls=pictures))
    assert (found.billed, found.hint) == (Billed.NO, "if it is about a picture, run again: it is sent anew then")
    assert isinstance(till.one(job("later", model=EDIT, image_urls=pictures)), Outcome)
    assert [body["image_urls"][0][:5] for body in till.wire.sent[1:]] == ["https", "data:"]


def test_later_calls_of_the_run_take_the_bytes_too(till: Till) -> None:
    pictures = list(passed_on(till))
    refusing(till, 404)
    jobs = [job(prompt, model=EDIT, image_urls=pictures) for prompt in ("one", "two")]
    first, second = till.perform(*jobs, concurrency=1)
    assert (type(first), type(second)) == (Failure, Outcome)


@pytest.mark.parametrize(("status", "kept"), [(400, False), (500, False), (401, True), (429, True)])
def test_only_a_reply_that_may_be_about_a_picture_takes_its_link_away(till: Till, status: int, kept: bool) -> None:
    pictures = list(passed_on(till))
    till.wire.coming += [error(status)] * (ATTEMPTS if status == 429 else 1)
    till.perform(job("later", model=EDIT, image_urls=pictures))
    till.one(job("another", model=EDIT, image_urls=pictures))
    assert (till.wire.sent[-1]["image_urls"] == ["https://cdn/a.png"]) is kept


def test_a_call_without_a_link_that_is_turned_down_is_told_as_it_is(till: Till) -> None:
    till.wire.coming.append(error(400))
    assert till.one(job(model=EDIT, image_urls=[Link("https://x.y/z.png"), picture(till)])).hint == ""


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


def test_a_result_that_1min_does_not_take_as_an_input_is_uploaded_the_next_time(till: Till) -> None:
    posts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/assets":
            return httpx.Response(200, json={"asset": {"key": "images/up.png"}})
        asked = json.loads(request.content)["promptObject"]
        posts.append(asked.get("imageUrl", ""))
        if posts[-1] == "images/made.png":
            return httpx.Response(400, json={"message": "Image not found"})
        record = {"status": "SUCCESS", "aiRecordDetail": {"resultObject": ["images/made.png"]}}
        return httpx.Response(
            200, json={"aiRecord": {**record, "temporaryUrl": "https://cdn/a.png?Expires=9999999999"}}
        )

    till.fetches.pictures["https://cdn/a.png?Expires=9999999999"] = png(8, 8, "made")
    till.wire = httpx.MockTransport(answer)  # type: ignore[assignment]
    (made,) = till.one(job(model=GENERATOR)).artifacts
    edits = [till.one(job("edit", model=EDITOR, imageUrl=made)) for _ in range(2)]
    assert [type(found) for found in edits] == [Failure, Outcome]
    assert posts == ["", "images/made.png", "images/up.png"]


def test_an_input_of_many_calls_that_are_turned_down_is_uploaded_anew_once(till: Till) -> None:
    uploads: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/assets":
            uploads.append(f"images/{len(uploads)}.png")
            return httpx.Response(200, json={"asset": {"key": uploads[-1]}})
        return httpx.Response(400, json={"message": "Bad prompt"})

    till.wire = httpx.MockTransport(answer)  # type: ignore[assignment]
    leaf = picture(till)
    till.perform(*[job(f"edit {number}", model=EDITOR, imageUrl=leaf) for number in range(6)], concurrency=1)
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
