"""Where money leaves: what is written down before what is sent, what is sent again and what never."""

import asyncio
import errno
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tills import EDIT, PRICE, PRO, Till, job
from wire import error, painted, png, reply

from flowrunner import imagehead
from flowrunner.call import Billed, Failure, Link, Outcome
from flowrunner.credentials import Operator
from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.events import Event, Noted, Retried
from flowrunner.perform import ATTEMPTS
from flowrunner.providers import aimlapi
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Objects, Writer
from flowrunner.store.records import Caps, Receipt


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


# The way of a call


def test_each_step_is_written_down_before_the_next_is_done(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(owner: type, name: str) -> None:
        plain: Callable[..., Any] = getattr(owner, name)

        def noted(self: Any, *args: Any, **more: Any) -> Any:
            till.trail.append(name)
            return plain(self, *args, **more)

        monkeypatch.setattr(owner, name, noted)

    for name in ("reserve", "replied", "committed"):
        watched(Ledger, name)
    watched(Writer, "commit")

    def answer(asked: dict[str, Any]) -> httpx.Response:
        till.trail.append("sent")
        return painted(asked)

    till.wire.answer = answer
    assert isinstance(till.one(job()), Outcome)
    assert till.trail == ["reserve", "sent", "replied", "commit", "committed"]


def test_an_outcome_holds_the_pictures_and_what_was_paid(till: Till) -> None:
    found = till.one(job(model="blackforestlabs/flux-2", num_images=2))
    assert len(found.artifacts) == 2
    assert all(till.objects.has(image.sha256) for image in found.artifacts)
    assert (found.paid, found.known, till.spent) == (PRICE, False, PRICE)


def test_what_is_known_is_not_sent_again(till: Till) -> None:
    first = till.one(job())
    again = till.one(job())
    assert (len(till.wire.sent), again.known, again.artifacts) == (1, True, first.artifacts)


def test_what_is_forced_is_sent_again_and_the_newer_stands(till: Till) -> None:
    till.one(job())
    till.wire.answer = lambda _: reply([png(32, 32, "new")])
    newer = till.one(job(fresh=True))
    assert len(till.wire.sent) == 2
    assert till.one(job()).artifacts == newer.artifacts


def test_what_two_cells_force_is_sent_once(till: Till) -> None:
    till.one(job())
    found = till.perform(job(fresh=True), job(fresh=True))
    assert [one.known for one in found] == [False, True]
    assert len(till.wire.sent) == 2


@pytest.mark.parametrize("killed", [False, True])
def test_a_reply_that_was_not_read_to_its_end_is_read_before_another_call_is_forced(
    till: Till, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    till.one(job())
    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        if killed:
            patched.setattr(aimlapi, "read", _killed)
        assert "--force x" in till.one(job(fresh=True)).hint
    till.fetches.pictures["https://cdn/a.png"] = made = png(64, 48, "made")
    newer = till.one(job(fresh=True))
    assert (newer.known, newer.artifacts[0].sha256, len(till.wire.sent)) == (True, sha256(made), 2)
    assert till.one(job()).artifacts == newer.artifacts
    till.one(job(fresh=True))
    assert len(till.wire.sent) == 3


def test_a_forced_call_says_that_its_kept_reply_is_read_before_another_one_is_paid(till: Till) -> None:
    till.fetches.coming = [b"<html>"] * 2
    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    hint = "--force x again: the reply is kept and read first, and another call is paid if that fails"
    assert till.one(job(fresh=True)).hint.startswith(hint)


def test_a_reply_whose_pictures_cannot_be_had_keeps_no_call_from_being_forced(till: Till) -> None:
    till.wire.coming.append(body(data=[{"url": "https://cdn/gone.png"}]))
    till.one(job())
    assert isinstance(till.one(job(fresh=True)), Outcome)
    assert len(till.wire.sent) == 2


def test_simulated_and_live_results_are_kept_apart(till: Till) -> None:
    till.one(job(), simulated=True)
    till.one(job())
    assert len(till.wire.sent) == 2


def test_equal_calls_at_once_are_sent_once(till: Till) -> None:
    found = till.perform(*[job()] * 5)
    assert len(till.wire.sent) == 1
    assert [one.known for one in found].count(False) == 1


def test_two_runs_on_one_store_pay_once(till: Till) -> None:
    other = Till(till.folder, till.wire)

    async def both() -> None:
        with till.ledger() as one, other.ledger() as two:
            runs = [ledger.begin(pipeline="s", name="s", simulated=False) for ledger in (one, two)]
            performers = [
                side.performer(ledger, run, Caps())
                for side, ledger, run in zip((till, other), (one, two), runs, strict=True)
            ]
            jobs = [job(f"p{n}") for n in range(6)]
            await asyncio.gather(*(performer.perform(one) for one in jobs for performer in performers))

    asyncio.run(both())
    assert sorted(till.wire.prompts) == [f"p{n}" for n in range(6)]


# Replies


def body(**more: Any) -> httpx.Response:
    return httpx.Response(200, json=more)


@pytest.mark.parametrize(
    ("answer", "billed", "posts", "again"),
    [
        (error(400, "bad enum"), Billed.NO, 1, 1),
        (error(404), Billed.NO, 1, 1),
        (error(422), Billed.NO, 1, 1),
        (error(401), Billed.NO, 1, 1),
        (error(403, "You've run out of credits"), Billed.NO, 1, 1),
        (error(403, "forbidden"), Billed.NO, 1, 1),
        (error(429, "free tier quota"), Billed.NO, 1, 1),
        (error(429), Billed.NO, 3, 3),
        (error(503, **{"Retry-After": "2"}), Billed.NO, 3, 3),
        (error(503, **{"Retry-After": "0", "x-aimlapi-usd-spent": "0.0315"}), Billed.YES, 1, 0),
        (error(429, **{"x-aimlapi-credits-used": "63000"}), Billed.YES, 1, 0),
        (error(400, **{"x-aimlapi-usd-spent": "0.0315"}), Billed.YES, 1, 0),
        (error(400, "flagged as NSFW", **{"x-aimlapi-usd-spent": "0.0315"}), Billed.YES, 1, 0),
        (error(401, **{"x-aimlapi-usd-spent": "0.0315"}), Billed.YES, 1, 0),
        (error(500, **{"x-aimlapi-usd-spent": "0.0315"}), Billed.YES, 1, 0),
        (error(500), Billed.MAYBE, 1, 0),
        (error(502), Billed.MAYBE, 1, 0),
        (error(503), Billed.MAYBE, 1, 0),
        (error(503, **{"Retry-After": ""}), Billed.MAYBE, 1, 0),
        (error(503, **{"Retry-After": "Thu, 01 Jan 1970 00:16:45 GMT"}), Billed.NO, 3, 3),
        (error(504, "Generation timeout"), Billed.MAYBE, 1, 0),
        (error(302, location="https://elsewhere/"), Billed.MAYBE, 1, 0),
        (httpx.Response(200, content=b"<html>"), Billed.MAYBE, 1, 0),
        (httpx.Response(200, content=b'{"data": [{"url"'), Billed.MAYBE, 1, 0),
        (httpx.Response(200), Billed.MAYBE, 1, 0),
        (body(data=[]), Billed.MAYBE, 1, 0),
        (body(data=None), Billed.MAYBE, 1, 0),
        (body(data=[], meta={"usage": {"credits_used": 63000}}), Billed.YES, 1, 0),
        (body(data=[{"url": "https://cdn/gone.png"}]), Billed.YES, 1, 0),
        (body(data=[{"b64_json": "bm8="}]), Billed.YES, 1, 0),
        (httpx.ConnectError("refused"), Billed.NO, 3, 3),
        (httpx.ConnectTimeout("slow"), Billed.NO, 3, 3),
        (httpx.PoolTimeout("full"), Billed.NO, 3, 3),
        (httpx.ReadTimeout("silent"), Billed.MAYBE, 1, 0),
        (httpx.ReadError("reset"), Billed.MAYBE, 1, 0),
        (httpx.WriteError("broken"), Billed.MAYBE, 1, 0),
        (httpx.RemoteProtocolError("cut"), Billed.MAYBE, 1, 0),
    ],
)  # fmt: skip
def test_a_reply_decides_what_was_billed_and_what_is_sent_again(
    till: Till, answer: httpx.Response | Exception, billed: Billed, posts: int, again: int
) -> None:
    """`posts` of this run, and `again` of the next one; what may have been billed is never sent again unasked."""

    def give(_: dict[str, Any]) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    till.wire.answer = give
    found = till.one(job())
    assert isinstance(found, Failure)
    assert (found.billed, len(till.wire.sent)) == (billed, posts)
    till.wire.sent.clear()
    till.one(job())
    assert len(till.wire.sent) == again


def test_what_may_have_been_billed_is_sent_again_on_the_users_word_only(till: Till) -> None:
    till.wire.coming.append(httpx.ReadTimeout("silent"))
    first = till.one(job())
    assert (first.billed, first.paid) == (Billed.MAYBE, PRICE)
    second = till.one(job())
    assert (second.billed, second.known, len(till.wire.sent)) == (Billed.MAYBE, True, 1)
    assert isinstance(till.one(job(), resend=True), Outcome)
    assert len(till.wire.sent) == 2
    assert isinstance(till.one(job()), Outcome)


def test_the_users_word_is_for_one_call_though_several_cells_ask_for_it(till: Till) -> None:
    till.wire.answer = lambda _: error(504)
    till.one(job())
    for _ in range(2):
        till.wire.sent.clear()
        found = till.perform(*[job()] * 3, resend=True)
        assert {one.billed for one in found} == {Billed.MAYBE}
        assert len(till.wire.sent) == 1


def test_what_was_charged_for_nothing_is_sent_again_on_the_users_word_only(till: Till) -> None:
    till.wire.coming.append(body(data=[], meta={"usage": {"credits_used": 63000}}, requestId="r-1"))
    till.one(job())
    again = till.one(job())
    assert (again.billed, again.paid, again.known, again.request_id) == (Billed.YES, PRICE, True, "r-1")
    assert "money back" in again.hint
    assert isinstance(till.one(job(), resend=True), Outcome)
    assert len(till.wire.sent) == 2


@pytest.mark.parametrize("status", [400, 401, 422, 500, 503])
@pytest.mark.parametrize("message", ["no", "flagged as NSFW"])
def test_a_charge_that_a_refusal_states_is_money_spent_and_money_to_ask_back(
    till: Till, status: int, message: str
) -> None:
    till.wire.coming.append(error(status, message, **{"Retry-After": "0", "x-aimlapi-usd-spent": "0.5"}))
    found = till.one(job(), caps=Caps(max_usd=PRICE))
    assert (found.billed, found.paid, found.refund, till.spent) == (Billed.YES, 500_000_000, True, 500_000_000)
    assert found.stops_run is (status == 401)
    with till.ledger() as ledger:
        (last,) = ledger.unknowns(job().call.key, simulated=False)
    assert (last.billed, last.paid) == (Billed.YES, 500_000_000)


def test_charges_beyond_all_reason_leave_a_ledger_that_can_be_used(till: Till) -> None:
    till.wire.answer = lambda asked: reply([png(8, 8, asked["prompt"])], usd="999999999")
    found = till.perform(*(job(f"p{n}") for n in range(12)))
    assert {one.paid for one in found} == {None}
    till.wire.answer = painted
    assert till.one(job("and one more"), caps=Caps(total_usd=14 * PRICE)).paid == PRICE


def test_a_picture_that_cannot_be_had_is_counted_as_paid_once(till: Till) -> None:
    till.wire.coming.append(body(data=[{"url": "https://cdn/gone.png"}]))
    first, second = till.one(job()), till.one(job())
    assert (first.known, second.known) == (False, True)
    assert "--force x" in second.hint
    assert isinstance(till.one(job(), resend=True), Failure)
    assert len(till.wire.sent) == 1


@pytest.mark.parametrize(("answer", "again"), [(error(401), 1), (error(429), 1), (error(504), 0), (body(data=[]), 0)])
def test_a_reply_that_a_killed_run_left_unread_is_read_before_anything_is_sent(
    till: Till, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, again: int
) -> None:
    till.wire.coming.append(answer)
    with monkeypatch.context() as patched:
        patched.setattr(aimlapi, "read", _killed)
        with pytest.raises(KeyboardInterrupt):
            till.one(job())
    till.one(job())
    assert len(till.wire.sent) == 1 + again


def _killed(_: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("answer", [error(504), body(data=[]), body(data=[{"url": "https://cdn/gone.png"}])])
def test_a_call_that_an_earlier_run_has_sent_names_that_run(
    till: Till, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, unread: bool
) -> None:
    till.wire.coming.append(answer)
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        if unread:
            patched.setattr(aimlapi, "read", _killed)
        assert till.one(job()).run == ""
    with till.ledger() as ledger:
        (first,) = ledger.runs()
    assert [till.one(job()).run for _ in range(2)] == [first.id] * 2


def test_a_simulated_picture_that_ended_with_its_process_is_asked_for_again(till: Till) -> None:
    till.wire.coming.append(body(data=[{"url": "https://cdn/gone.png"}]))
    assert isinstance(till.one(job(), simulated=True), Failure)
    assert isinstance(till.one(job(), simulated=True), Outcome)
    assert len(till.wire.sent) == 2


def test_a_listener_that_breaks_before_the_call_leaves_nothing_that_may_have_been_billed(till: Till) -> None:
    def broken(_: Event) -> None:
        raise BrokenPipeError

    till.emit = broken
    with pytest.raises(BrokenPipeError):
        till.one(job())
    with till.ledger() as ledger:
        assert ledger.unknowns(job().call.key, simulated=False) == []
    assert till.wire.sent == []


def test_no_more_calls_wait_for_their_key_than_may_be_sent_at_once(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, waiting, most = Ledger.key_lock, [0], [0]

    @asynccontextmanager
    async def counted(self: Ledger, key: str, gives_up: Callable[[], bool]) -> AsyncIterator[bool]:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        async with plain(self, key, gives_up) as turn:
            yield turn
        waiting[0] -= 1

    monkeypatch.setattr(Ledger, "key_lock", counted)
    till.perform(*(job(f"p{n}") for n in range(30)), concurrency=3)
    assert (most, len(till.wire.sent)) == ([3], 30)


def test_without_a_key_for_its_provider_a_call_is_not_sent(till: Till) -> None:
    async def alone() -> Any:
        with till.ledger() as ledger:
            performer = till.performer(ledger, ledger.begin(pipeline="s", name="s", simulated=False), Caps())
            bare = replace(performer.doors["aimlapi"].endpoint, headers={})
            performer.doors = {"aimlapi": replace(performer.doors["aimlapi"], endpoint=bare)}
            return await performer.perform(job())

    found = asyncio.run(alone())
    assert (found.refused, "no key for aimlapi" in found.error) == (True, True)


def test_a_call_under_way_when_the_run_is_cancelled_is_unknown(till: Till) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    till.wire = httpx.MockTransport(never)  # type: ignore[assignment]

    async def cancelled() -> None:
        with till.ledger() as ledger:
            run = ledger.begin(pipeline="s", name="s", simulated=False)
            task = asyncio.ensure_future(till.performer(ledger, run, Caps()).perform(job()))
            for _ in range(20):
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (unknown,) = ledger.unknowns(job().call.key, simulated=False)
            assert unknown.reserved == PRICE

    asyncio.run(cancelled())


def test_pictures_that_a_reply_lists_and_does_not_hold_are_told_and_the_others_kept(till: Till) -> None:
    made = [png(8, 8, "a"), png(8, 8, "b")]
    entries: list[Any] = [{"b64_json": b64encode(one).decode()} for one in made]
    till.wire.coming.append(body(data=[entries[0], {"url": None, "b64_json": None}, entries[1]]))
    found = till.one(job())
    assert [image.sha256 for image in found.artifacts] == [sha256(one) for one in made]
    (told,) = [event.text for event in till.events if isinstance(event, Noted)]
    assert told == "x: the reply lists 3 pictures and holds 2: those after a gap move up"


def test_a_picture_that_lies_in_the_reply_is_had_though_its_url_is_gone(till: Till) -> None:
    made = png(64, 48, "made")
    till.wire.coming.append(body(data=[{"url": "https://cdn/gone.png", "b64_json": b64encode(made).decode()}]))
    assert [image.sha256 for image in till.one(job()).artifacts] == [sha256(made)]
    assert till.fetches.asked == []


def test_an_answered_call_is_never_sent_again_though_its_picture_was_lost(till: Till) -> None:
    made = png(64, 48, "made")
    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    first = till.one(job())
    assert (first.billed, first.status) == (Billed.YES, None)
    till.time.now += 400 * 86_400
    till.fetches.pictures["https://cdn/a.png"] = made
    second = till.one(job())
    assert (len(till.wire.sent), second.known, second.artifacts[0].sha256) == (1, True, sha256(made))
    assert till.fetches.asked == ["https://cdn/a.png"] * 2


@pytest.mark.parametrize(
    ("reserved", "usd", "spent"),
    [
        (79_999_999, "0.08", 80_000_000),
        (None, "0.08", 80_000_000),
        (90_000_000, "0.08", 90_000_000),
        (80_000_000, None, 80_000_000),
    ],
)
def test_what_cost_more_than_was_reserved_is_in_the_ledger_before_the_slot_goes_to_another(
    till: Till, reserved: int | None, usd: str | None, spent: int
) -> None:
    """It is fetched afterwards; what cost less counts as what was reserved until it is."""
    found: list[int] = []

    async def alone(ledger: Ledger) -> None:
        run = ledger.begin(pipeline="show.yaml", name="show", simulated=False)

        def answered() -> bool:
            found.append(ledger.spent_run(run))
            return True

        dear = replace(job(), estimate=reserved, answered=answered)
        assert isinstance(await till.performer(ledger, run, Caps()).perform(dear), Outcome)

    till.wire.coming.append(reply([png(8, 8, "a")], usd=usd))
    with till.ledger() as ledger:
        asyncio.run(alone(ledger))
    assert found == [spent]


def test_no_call_passes_a_limit_that_a_reply_has_used_up_while_its_picture_is_fetched(till: Till) -> None:
    fetched, fetching = asyncio.Event(), asyncio.Event()

    async def slow(url: str, opened: Callable[[], Writer]) -> Writer:
        fetching.set()
        await fetched.wait()
        draft = opened()
        draft.write(png(8, 8, url))
        return draft

    async def beside(ledger: Ledger) -> list[Any]:
        run = ledger.begin(pipeline="show.yaml", name="show", simulated=False)
        performer = till.performer(ledger, run, Caps(max_usd=200_000_000))
        dear = asyncio.ensure_future(performer.perform(job("dear")))
        await fetching.wait()
        others = [await performer.perform(job(f"other {number}")) for number in range(3)]
        fetched.set()
        return [await dear, *others]

    till.fetches.save = slow  # type: ignore[method-assign]
    data = {"data": [{"url": "https://cdn/a.png"}], "meta": None}
    till.wire.coming.append(httpx.Response(200, headers={"x-aimlapi-usd-spent": "1.00"}, json=data))
    with till.ledger() as ledger:
        first, *others = asyncio.run(beside(ledger))
    assert (first.paid, len(till.wire.sent)) == (1_000_000_000, 1)
    assert [one.refused for one in others] == [True] * 3


def test_a_reply_is_kept_before_anyone_hears_of_it(till: Till) -> None:
    def raises(event: Event) -> None:
        if isinstance(event, Noted):
            raise OSError("the terminal is gone")

    till.emit = raises
    till.wire.coming.append(httpx.Response(200, headers={"date": "Thu, 01 Jan 1970 12:00:00 GMT"}, json={"data": []}))
    with pytest.raises(OSError, match="the terminal is gone"):
        till.one(job())
    with till.ledger() as ledger:
        assert ledger.receipt(job().call.key, simulated=False) is not None


def test_a_reply_that_is_read_again_gives_no_slot_away(till: Till) -> None:
    """A simulated picture has ended with its process: the call is sent again, with that very slot."""
    answered: list[int] = []

    def noted() -> bool:
        answered.append(len(till.wire.sent))
        return True

    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    assert till.one(job(), simulated=True).billed is Billed.YES
    assert isinstance(till.one(replace(job(), answered=noted), simulated=True), Outcome)
    assert answered == [2]


def test_what_needs_a_picture_is_told_when_it_lies_in_the_store_and_before_the_ledger_knows(till: Till) -> None:
    told: list[Outcome] = []
    ledgers: list[Ledger] = []

    def stored(outcome: Outcome) -> bool:
        (ledger,) = ledgers
        assert till.objects.read(outcome.artifacts[0].sha256)
        assert ledger.outcome(outcome.key, simulated=False) is None
        assert ledger.receipt(outcome.key, simulated=False) is not None
        told.append(outcome)
        return True

    async def both(ledger: Ledger) -> None:
        ledgers.append(ledger)
        run = ledger.begin(pipeline="show.yaml", name="show", simulated=False)
        found = await till.performer(ledger, run, Caps()).perform(replace(job(), stored=stored))
        assert told == [found]
        assert ledger.outcome(job().call.key, simulated=False) == found

    till.wire.coming.append(reply([png(8, 8, "a")]))
    with till.ledger() as ledger:
        asyncio.run(both(ledger))


def test_a_picture_that_was_paid_for_before_is_told_to_nobody_ahead(till: Till) -> None:
    """That it is known has to be told with it."""
    told: list[Outcome] = []

    def stored(outcome: Outcome) -> bool:
        told.append(outcome)
        return True

    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    assert till.one(job()).billed is Billed.YES
    till.fetches.pictures["https://cdn/a.png"] = png(64, 48, "made")
    again = till.one(replace(job(), stored=stored))
    assert (again.known, told) == (True, [])


def test_a_full_disk_loses_no_reply(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", _full)
        assert till.one(job()).billed is Billed.YES
    assert isinstance(till.one(job()), Outcome)
    assert len(till.wire.sent) == 1


def several(*urls: str) -> httpx.Response:
    return body(data=[{"url": f"https://cdn/{url}.png"} for url in urls])


def test_of_several_pictures_those_that_came_are_kept_though_others_are_gone_for_good(till: Till) -> None:
    made = {name: png(64, 48, name) for name in ("b", "c")}
    till.fetches.pictures = {f"https://cdn/{name}.png": data for name, data in made.items()}
    till.wire.coming.append(several("a", "b", "c"))
    found = till.one(job())
    assert [image.sha256 for image in found.artifacts] == [sha256(data) for data in made.values()]
    assert "x: 1 of 3 pictures that were paid for are lost: gone" in notes(till)
    assert (till.spent, till.one(job()).artifacts) == (PRICE, found.artifacts)


def notes(till: Till) -> list[str]:
    return [event.text for event in till.events if isinstance(event, Noted)]


def test_of_several_pictures_all_are_fetched_before_one_is_tried_again(till: Till) -> None:
    till.fetches.pictures["https://cdn/b.png"] = png(64, 48, "b")
    till.fetches.coming = [b"<html>", b"<html>"]
    till.wire.coming.append(several("a", "b"))
    assert "run again" in till.one(job()).hint
    assert till.fetches.asked == ["https://cdn/a.png"] * 2 + ["https://cdn/b.png"]
    till.fetches.pictures["https://cdn/a.png"] = png(64, 48, "a")
    assert len(till.one(job()).artifacts) == 2
    assert len(till.wire.sent) == 1


def test_a_reply_with_pictures_within_is_not_tried_again_for_one_that_is_none(till: Till) -> None:
    till.wire.coming += [reply([png(8, 8, "a"), b"no picture"]), reply([b"no picture"])]
    assert len(till.one(job()).artifacts) == 1
    lost = till.one(job("other"))
    assert (lost.gone, "--force other" in lost.hint) == (True, True)


def test_a_reply_with_fewer_pictures_than_were_asked_for_is_told(till: Till) -> None:
    till.wire.coming.append(reply([png(8, 8)]))
    assert len(till.one(job(model="blackforestlabs/flux-2", num_images=3)).artifacts) == 1
    assert notes(till) == ["x: 1 of the 3 pictures that were asked for came"]


def aside(till: Till) -> list[bytes]:
    return [path.read_bytes() for path in (till.folder / "quarantine").glob("*")]


def test_what_lies_in_a_reply_and_is_no_picture_is_set_aside(till: Till) -> None:
    till.wire.coming.append(reply([b"GIF89a and so on"]))
    first, second = till.one(job()), till.one(job())
    assert (len(till.wire.sent), first.hint, aside(till)) == (1, second.hint, [b"GIF89a and so on"])
    digest = sha256(b"GIF89a and so on")
    assert f"what came was set aside as {till.folder}/quarantine/{digest}-attempt-1" in first.hint


def test_two_wrong_files_are_both_set_aside(till: Till) -> None:
    """The provider's pages differ, and then the file is gone."""
    till.wire.coming.append(body(data=[{"url": "https://cdn/a.png"}]))
    till.fetches.coming += [b"<html>1", b"<html>2", b"<html>1"]
    assert "-attempt-1, and 1 more" in till.one(job()).hint
    gone = till.one(job())
    assert (gone.gone, "--force x; what came was set aside as" in gone.hint) == (True, True)
    assert sorted(aside(till)) == [b"<html>1", b"<html>2"]


def test_of_a_call_whose_pictures_are_all_lost_every_file_that_came_is_counted(till: Till) -> None:
    till.wire.coming.append(reply([b"GIF89a 1", b"GIF89a 2", b"GIF89a 2"]))
    failure = till.one(job())
    assert f"what came was set aside as {till.folder}/quarantine/" in failure.hint
    assert failure.hint.endswith("-attempt-1, and 1 more")
    assert sorted(aside(till)) == [b"GIF89a 1", b"GIF89a 2"]


def test_what_can_still_be_had_of_a_call_is_told_before_what_cannot(till: Till) -> None:
    till.wire.coming.append(body(data=[{"b64_json": "R0lGODlh"}, {"url": "https://cdn/a.png"}]))
    till.fetches.coming += [b"<html>1", b"<html>1"]
    failure = till.one(job())
    assert (failure.gone, "run again: the reply is kept" in failure.hint) == (False, True)
    assert failure.hint.endswith("-attempt-1, and 1 more")


def test_what_is_set_aside_holds_no_key(till: Till) -> None:
    till.wire.coming.append(reply([b"GIF89a\xff sk-secret \xfe"]))
    till.one(job(), mask=lambda text: text.replace("sk-secret", "***"))
    assert aside(till) == [b"GIF89a\xff *** \xfe"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, '{"message": "Incorrect API key provided: %s", "requestId": "of %s"}'),
        (200, '{"data": [], "message": "%s"}'),
        (200, '{"data": [{"b64_json": "PICTURE"}], "meta": {"usage": {"for": "%s"}}, "requestId": "%s"}'),
    ],
)
def test_a_key_that_a_reply_spells_with_escapes_is_neither_told_nor_written_down(
    till: Till, status: int, said: str
) -> None:
    key = "sk-Ab/cd+EF9gh/Ij2345"
    operator = Operator({"AIMLAPI_API_KEY": key}, till.folder)
    operator.key("aimlapi")
    said = said.replace("%s", key.replace("/", "\\/").replace("+", "\\u002B"))
    said = said.replace("PICTURE", b64encode(png(8, 8)).decode())
    till.wire.coming.append(httpx.Response(status, content=said.encode()))
    found = till.one(job(), mask=operator.mask)
    assert key not in repr(found)
    assert "***" in repr(found)
    with till.ledger() as ledger:
        (run,) = ledger.runs()
        kept = ledger.refusal(job().call.key, simulated=False)
        assert key not in repr(ledger.run(run.id))
        assert key not in repr(ledger.outcome(job().call.key, simulated=False))
        assert kept is None or key not in json.dumps(json.loads(kept.body))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_evidence_changes_nothing_for_the_money(
    till: Till, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(code, "")

    till.wire.coming.append(reply([b"GIF89a"]))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fchmod", full)
        failure = till.one(job())
    assert failure.billed is Billed.YES
    assert f"what came cannot be set aside: {till.folder}/quarantine/" in failure.hint
    assert os.strerror(code) in failure.hint
    assert (aside(till), till.objects.drafts()) == ([], [])
    assert isinstance(till.one(job("z")), Outcome)


def _full(*_: Any) -> str:
    raise StoreError("no space left")


@pytest.fixture
def too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no reply with a body."""
    real = Ledger._replied

    def replied(ledger: Ledger, receipt: Receipt) -> None:
        if receipt.body:
            raise StoreError("no space left")
        real(ledger, receipt)

    monkeypatch.setattr(Ledger, "_replied", replied)


@pytest.mark.usefixtures("too_small")
def test_a_reply_that_the_disk_does_not_take_is_told_with_what_it_cost_and_not_paid_for_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Objects, "writer", _full)
        failure = till.one(job())
    assert "paid, and neither the reply nor its picture could be kept: no space left" in failure.error
    assert (failure.billed, failure.paid, till.stop.reason) == (Billed.YES, PRICE, "no space left")
    held = till.one(job())
    assert (held.known, held.billed, held.paid, len(till.wire.sent)) == (True, Billed.YES, PRICE, 1)
    assert "pay again with --on-unknown resend" in held.hint


@pytest.mark.usefixtures("too_small")
def test_the_pictures_of_a_reply_that_the_disk_does_not_take_are_kept_where_they_fit(till: Till) -> None:
    assert isinstance(till.one(job()), Outcome)
    assert till.one(job()).known


@pytest.mark.usefixtures("too_small")
def test_nothing_begins_before_the_ledger_has_the_pictures_of_a_reply_that_it_has_not(till: Till) -> None:
    begun: list[Outcome] = []

    def stored(outcome: Outcome) -> bool:
        begun.append(outcome)
        return True

    assert isinstance(till.one(replace(job(), stored=stored)), Outcome)
    assert begun == []


@pytest.mark.usefixtures("too_small")
def test_the_pictures_that_fit_are_kept_though_others_are_lost_with_their_reply(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fits = Objects.writer, iter((True, False))
    till.wire.coming.append(reply([png(8, 8, "a"), png(8, 8, "b")]))
    monkeypatch.setattr(Objects, "writer", lambda objects: real(objects) if next(fits) else _full())
    assert len(till.one(job()).artifacts) == 1
    assert "1 of 2 pictures that were paid for are lost: no space left" in notes(till)[0]


def test_a_live_run_that_meets_the_mark_of_the_simulator_fails_the_cell(till: Till) -> None:
    till.wire.coming.append(httpx.Response(200, headers={"x-flowrunner-simulated": "1"}, json={"data": []}))
    assert "simulator" in till.one(job()).error
    till.wire.coming.append(reply([imagehead.mark(png(8, 8))]))
    assert "simulator" in till.one(job("y")).error
    till.wire.coming.append(reply([imagehead.mark(png(8, 8))]))
    assert isinstance(till.one(job("z"), simulated=True), Outcome)


# Waiting


def test_a_429_holds_every_worker_of_the_provider(till: Till) -> None:
    till.wire.coming.append(error(429, **{"Retry-After": "7"}))
    found = till.perform(job("one"), job("two"), concurrency=1)
    assert all(isinstance(one, Outcome) for one in found)
    assert till.time.slept == [7.0]
    assert till.wire.prompts in (["one", "two", "one"], ["one", "one", "two"])
    (told,) = [event for event in till.events if isinstance(event, Retried)]
    assert (told.wait, told.attempt, told.attempts) == (7.0, 1, ATTEMPTS)


def test_a_wait_is_never_longer_than_two_minutes(till: Till) -> None:
    till.wire.coming.append(error(429, **{"Retry-After": "86400"}))
    till.one(job())
    assert till.time.slept == [120.0]


def test_a_429_without_a_hint_waits_with_jitter_that_grows(till: Till) -> None:
    till.wire.coming.extend([error(429), error(429)])
    assert isinstance(till.one(job()), Outcome)
    assert till.time.slept == [0.5, 1.0]


def test_the_last_429_of_a_call_holds_the_others_too(till: Till) -> None:
    till.wire.coming.extend([error(429, **{"Retry-After": "7"})] * ATTEMPTS)
    found = till.perform(job("one"), job("two"), concurrency=1)
    assert [type(one) for one in found] == [Failure, Outcome]
    assert till.time.slept == [7.0] * ATTEMPTS


def test_what_was_provably_not_executed_is_no_money(till: Till) -> None:
    till.wire.coming.extend([error(429), error(429), error(429)])
    till.one(job(), caps=Caps(max_usd=PRICE))
    assert till.spent == 0
    assert isinstance(till.one(job(), caps=Caps(max_usd=PRICE)), Outcome)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_wrong_key_or_an_empty_account_stops_the_run(till: Till, status: int) -> None:
    till.wire.coming.append(error(status, "out of credits"))
    found = till.perform(job("one"), job("two"), job("three"), concurrency=1)
    assert [one.stops_run for one in found] == [True, False, False]
    assert [one.refused for one in found] == [False, True, True]
    assert len(till.wire.sent) == 1


def test_a_stopped_run_sends_nothing(till: Till) -> None:
    async def stopped() -> Outcome | Failure:
        with till.ledger() as ledger:
            run = ledger.begin(pipeline="s", name="s", simulated=False)
            till.stop.request("interrupted")
            return await till.performer(ledger, run, Caps()).perform(job())

    found = asyncio.run(stopped())
    assert isinstance(found, Failure)
    assert (found.refused, till.wire.sent) == (True, [])


def test_a_stopped_run_does_not_wait_for_a_key_that_another_run_holds(till: Till) -> None:
    async def stopped() -> Outcome | Failure:
        with till.ledger() as ledger:
            run = ledger.begin(pipeline="s", name="s", simulated=False)
            async with ledger.key_lock(job().call.key):
                task = asyncio.ensure_future(till.performer(ledger, run, Caps()).perform(job()))
                await asyncio.sleep(0.01)
                till.stop.request("interrupted")
                return await asyncio.wait_for(task, 10)

    found = asyncio.run(stopped())
    assert isinstance(found, Failure)
    assert (found.refused, till.wire.sent) == (True, [])


# Budgets


@pytest.mark.parametrize(
    ("caps", "sent"),
    [
        (Caps(max_usd=3 * PRICE), 3),
        (Caps(max_usd=3 * PRICE - 1), 2),
        (Caps(max_calls=2), 2),
        (Caps(total_usd=PRICE), 1),
        (Caps(max_usd=0), 0),
        (Caps(), 5),
    ],
)
def test_a_limit_is_never_passed(till: Till, caps: Caps, sent: int) -> None:
    found = till.perform(*(job(f"p{n}") for n in range(5)), caps=caps)
    assert len(till.wire.sent) == sent
    assert sum(isinstance(one, Failure) and one.refused for one in found) == 5 - sent


def test_a_call_of_unknown_price_does_not_pass_a_limit_in_dollars(till: Till) -> None:
    assert till.one(job(estimate=None), caps=Caps(max_usd=10**12)).refused
    assert till.wire.sent == []
    assert isinstance(till.one(job(estimate=None), caps=Caps(max_usd=10**12, unpriced=True)), Outcome)


@pytest.mark.parametrize(("allowed", "sent"), [({PRO}, ["x"]), ({EDIT}, ["y"]), ({"*"}, ["x", "y"]), (set(), [])])
def test_an_unknown_price_is_allowed_to_the_named_models_only(till: Till, allowed: set[str], sent: list[str]) -> None:
    edit = job("y", model=EDIT, estimate=None, image_urls=[Link("https://x.y/z.png")])
    till.perform(job("x", estimate=None), edit, caps=Caps(max_usd=10**12), concurrency=1, unpriced=allowed)
    assert till.wire.prompts == sent


def test_what_may_have_been_billed_counts_as_spent(till: Till) -> None:
    till.wire.coming.append(httpx.ReadError("reset"))
    found = till.perform(job("one"), job("two"), caps=Caps(max_usd=PRICE), concurrency=1)
    assert [one.billed for one in found] == [Billed.MAYBE, Billed.NO]
    assert len(till.wire.sent) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    cap=st.integers(0, 200),
    concurrency=st.integers(1, 8),
    faults=st.lists(st.sampled_from(["ok", "429", "500", "lost", "400", "less"]), max_size=10),
)
def test_spending_never_passes_the_cap_at_any_concurrency(
    tmp_path_factory: pytest.TempPathFactory, prices: list[int], cap: int, concurrency: int, faults: list[str]
) -> None:
    till = Till(tmp_path_factory.mktemp("till"))
    charged: list[int] = []

    def answer(asked: dict[str, Any]) -> httpx.Response:
        price = int(asked["prompt"].split()[1])
        fault = faults.pop() if faults else "ok"
        if fault in ("429", "400"):
            return error(int(fault))
        charged.append(price if fault != "less" else price // 2)
        if fault == "lost":
            raise httpx.ReadError("reset")
        return error(500) if fault == "500" else reply([png(8, 8, asked["prompt"])], usd=f"{charged[-1] / 1000:.3f}")

    till.wire.answer = answer
    jobs = [job(f"p{n} {price}", estimate=price * 1_000_000) for n, price in enumerate(prices)]
    till.perform(*jobs, caps=Caps(max_usd=cap * 1_000_000), concurrency=concurrency)
    assert sum(charged) <= cap
    assert sum(charged) * 1_000_000 <= till.spent <= cap * 1_000_000
