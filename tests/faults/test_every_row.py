"""Everything that can happen to a paid call, row by row: what is sent, what it costs, what is said and written down.

The rows are those of one paid call from its request to its picture; the faults are the simulator's own.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rehearsal import Rehearsal, following
from support import cli

from flowrunner.digest import sha256
from flowrunner.store.objects import Objects

NO, YES, MAYBE = "no", "yes", "maybe"
RESEND = "--on-unknown resend"
PRICE = "0.0315"
BOTH = ("aimlapi", "onemin")
SLOW = pytest.mark.slow
PACE = 60 / 180
"""Seconds between two requests to 1min.ai."""
AGAIN = "run {}.yaml --simulate"
SHOW = "runs show ID"
FORCE = "run {}.yaml --force scene --simulate"
PLAN = "plan {}.yaml"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a fault leads to. `words` stand on stderr; `state` and `billed` are those of the last attempt."""

    posts: int = 1
    gets: int = 0
    exit_code: int = 1
    status: str = "failed"
    state: str = "refused"
    billed: str = NO
    words: tuple[str, ...] = ()
    next: str = AGAIN
    slept: tuple[float, ...] = ()
    known: bool = False
    """The next run sends nothing."""
    aside: int = 0
    """Files of evidence."""


def done(*, gets: int = 1, **more: Any) -> Row:
    return Row(gets=gets, exit_code=0, status="done", state="committed", billed=YES, next=PLAN, **more)


def no(*words: str, **more: Any) -> Row:
    """A clear no: nothing was billed, and the next run asks again."""
    return Row(words=("not billed", *words), **more)


def tries(*words: str, **more: Any) -> Row:
    """Turned away three times."""
    return no(*words, "tried 3 times", posts=3, state="failed", **more)


def maybe(*words: str, **more: Any) -> Row:
    told = ("may have been billed", "request ", RESEND, *words)
    return Row(status="unknown", state="unknown", billed=MAYBE, words=told, next=SHOW, known=True, **more)


def lost(*words: str, **more: Any) -> Row:
    """Charged, and there is no picture in the reply."""
    told = ("simulated $0.031500, request ", "money back", *words)
    return Row(state="failed", billed=YES, words=told, next=SHOW, known=True, **more)


def kept(*words: str, gets: int = 2, **more: Any) -> Row:
    """Paid, and the file cannot be had: the reply stays, and the next run fetches again."""
    told = ("paid, but the picture could not be kept", "not sent a second time", *words)
    return Row(gets=gets, state="replied", billed=YES, words=told, known=True, **more)


def unfit(*words: str) -> Row:
    """The same, and what came is no picture: it lies in the quarantine, and the message says where."""
    return kept(*words, "; what came was set aside as /", aside=1)


def gone(*words: str, gets: int = 1, **more: Any) -> Row:
    return Row(
        gets=gets,
        state="replied",
        billed=YES,
        words=("paid, and the file is gone", "to pay for another picture", *words),
        next=FORCE,
        known=True,
        **more,
    )


FIVE = (0.5, 1.0, 2.0, 4.0)
ROWS: dict[str, Row] = {
    # 4, 5, 6: broken while sending, no reply, half a reply
    "unread": maybe("the connection broke while sending", "bytes at most 0 had left"),
    "drop": maybe("sent, and no reply came"),
    "reset": maybe("sent, and no reply came: the connection broke"),
    "cut-head": maybe("sent, and no reply came"),
    "cut": maybe("sent, and the reply (HTTP 200) is not whole"),
    "cut-gzip": maybe("is not whole: its compression is cut"),
    "bomb": maybe("is not whole: larger than 16 MiB"),
    # 7: a request that is refused for what it is
    "400 message='size: too large'": no("HTTP 400: size: too large"),
    "404": no("HTTP 404: Not Found"),
    "405": no("HTTP 405"),
    "413": no("HTTP 413"),
    "415": no("HTTP 415"),
    "422": no("HTTP 422"),
    # 8, 9, 10: the key, the account, the law
    "401": no("HTTP 401", "put a valid key into", "_API_KEY"),
    "402": no("HTTP 402", "top up the account", "what is finished is kept"),
    "credits": no("HTTP 403: You've run out of credits", "top up the account"),
    "403": no("HTTP 403: Forbidden"),
    "451": no("HTTP 451"),
    # 11, 12
    "408": maybe("HTTP 408", "does not say that nothing was done"),
    "425": tries("HTTP 425", slept=(0.5, 1.0)),
    "425 at=1": done(posts=2, slept=(0.5,)),
    "409": maybe("HTTP 409", "does not say that nothing was done"),
    # 13, 14, 15: too many requests
    "429 retry-after=5 at=1": done(posts=2, words=("Too Many Requests, again in 5 s (1 of 3)",), slept=(5.0,)),
    "429 retry-after='Thu, 01 Jan 2026 00:00:30 GMT' at=1": done(posts=2, words=("again in 30 s",), slept=(30.0,)),
    "429 retry-after='Thu, 01 Jan 2015 00:00:00 GMT' at=1": done(posts=2, words=("again in 0 s",)),
    "429 retry-after=86400": tries("asks to wait 24 h, until 2026-01-02 00:04 UTC", slept=(120.0, 120.0)),
    "429 retry-after=-5": tries(slept=(0.5, 1.0)),
    "429": tries("HTTP 429: Too Many Requests", slept=(0.5, 1.0)),
    "quota": no("Free-tier limit reached", "what is finished is kept"),
    # 16, 17: the server's own trouble
    "503 retry-after=2 at=1": done(posts=2, words=("again in 2 s",), slept=(2.0,)),
    "503 retry-after=2": tries("HTTP 503", slept=(2.0, 2.0)),
    "503 retry-after=soon": maybe("HTTP 503", "with a Retry-After that names no time it does not say"),
    "503": maybe("HTTP 503", "without Retry-After it does not say that nothing was done"),
    "500": maybe("HTTP 500: Internal server error", "does not say that nothing was done"),
    "502": maybe("HTTP 502", "does not say that nothing was done"),
    "504": maybe("HTTP 504: Generation timeout"),
    # 18: a success that cannot be read
    "html": maybe("the answer cannot be read: it is a web page, not JSON"),
    # 20, 21: more than asked for, another charge
    "more": done(gets=2),
    "charge usd=none": done(words=("1 charge not stated",)),
    # 22: never the same prompt again
    "moderated": no(
        "rejected by our content moderation system",
        "only --force scene sends",
        known=True,
        next="plan {}.yaml --simulate",
    ),
    # 25: the file is gone
    "expired": gone("HTTP 403"),
    "403 on=download": gone("HTTP 403"),
    "410 on=download": gone("HTTP 410"),
    "404 on=download": gone("HTTP 404", gets=5, slept=FIVE),
    "404 on=download times=4": done(gets=5, slept=FIVE),
    # 26, 27: the file is cut
    "cut on=download": kept("the connection ended early", gets=5, slept=FIVE),
    "cut on=download at=1": done(gets=2, slept=(0.5,)),
    "reset on=download at=1": done(gets=2, slept=(0.5,)),
    "500 on=download at=1": done(gets=2, slept=(0.5,)),
    "cut-gzip on=download": kept("its compression is cut", gets=5, slept=FIVE),
    "cut-unsized on=download": unfit("cut short", "fetched again, it is the same"),
    "half on=download at=1": done(gets=2),
    # 28, 29: something else than a picture
    "ok on=download header=content-type:text/html": done(),
    "html on=download": unfit("it begins with '<!DOCTYPE html>'", "fetched again, it is the same"),
    "html on=download at=1": done(gets=2),
    "wrong": unfit("it is a GIF, not a PNG, JPEG or WEBP"),
    "broken": unfit("the picture cannot be decoded"),
    "huge": unfit("40000x40000 pixels, over the limit"),
    "animated": unfit("the PNG is animated"),
    "empty on=download": kept(),
    # 30: too large
    "bomb on=download": kept("larger than 64 MiB", gets=1),
    # 33: clocks
    "skew seconds=600": done(words=("is 10 min ahead of this machine's",)),
    "skew seconds=-7200": done(words=("is 120 min behind this machine's",)),
    # 34: redirects
    "302 to=https://evil.example/x?key=1": maybe("to https://evil.example; a paid request follows no redirect"),
    "307 to=/elsewhere": maybe("redirected to another path; a paid request follows no redirect", "_BASE_URL"),
    "302 on=download to=http://169.254.169.254/": kept("it is not https", gets=1),
    # What careless gateways say
    "echo": no("Bad request, received"),
}  # fmt: skip
OWN: dict[str, Row] = {
    # AIML API says what it charged also where there is no picture.
    "cut-unsized": lost("the answer cannot be read: it is not JSON"),
    "half": lost("the answer cannot be read: it is not JSON"),
    "empty": lost("the answer cannot be read: it is empty"),
    "null-data": lost("the answer holds no image"),
    "no-data": lost("the answer holds no image"),
    "null-url": lost("the answer holds no image"),
    "fewer": lost("the answer holds no image"),
    "charge usd=0.5": done(words=("simulated $0.500000 where $0.031500 was estimated",)),
    "flagged": Row(
        state="failed",
        billed=YES,
        words=("simulated $0.031500, request ", "flagged by the provider's safety checker", "only --force scene sends"),
        next=SHOW,
        known=True,
    ),
}
SILENT: dict[str, Row] = {
    # 1min.ai says nothing of what it charged.
    "cut-unsized": maybe("the answer cannot be read: it is not JSON"),
    "half": maybe("the answer cannot be read: it is not JSON"),
    "empty": maybe("the answer cannot be read: it is empty"),
    "null-data": maybe("the answer links to no image"),
    "no-data": maybe("the answer links to no image"),
    "null-url": maybe("the answer links to no image"),
}
CASES = [
    *(("aimlapi", rule, row) for rule, row in (ROWS | OWN).items()),
    *(("onemin", rule, row) for rule, row in (ROWS | SILENT).items()),
]

ALIKE = {"404", "405", "413", "415", "422", "402", "451", "408", "409", "502", "503 retry-after=2", "cut-head", "empty"}
ALIKE |= {
    "no-data",
    "null-data",
    "fewer",
    "403 on=download",
    "410 on=download",
    "500 on=download at=1",
    "animated",
    "429",
}
ALIKE |= {"425 at=1", "425", "skew seconds=-7200", "half", "wrong", "huge", "reset on=download at=1", "reset", "more"}
"""Rows that another one stands for where time is short."""


def cases(*, known: bool = False) -> list[Any]:
    """The quick ones are those of one provider, and where the other one differs."""
    return [
        pytest.param(provider, rule, row, id=f"{provider}: {rule}", marks=[] if _quick(provider, rule) else SLOW)
        for provider, rule, row in CASES
        if row.known or not known
    ]


def _quick(provider: str, rule: str) -> bool:
    return rule in ("null-url", "half") if provider == "onemin" else rule not in ALIKE and "bomb" not in rule


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "rule", "row"), cases())
def test_a_fault_has_the_consequences_of_its_row(tmp_path: Path, provider: str, rule: str, row: Row) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run(f"{provider}.yaml", rule)
    (cell,), (*_, last) = result.json["cells"], scene.shown(result)["calls"]
    assert (scene.posts, scene.count("GET")) == (row.posts, row.gets)
    assert (result.exit_code, cell["status"], last["state"], last["billed"]) == (
        row.exit_code,
        row.status,
        row.state,
        row.billed,
    )
    assert tuple(wait for wait in scene.time.slept if wait > PACE) == row.slept
    assert following(result.err) == row.next.format(provider)
    if row.status != "done":
        assert re.search(rf"^fail  scene  {provider}  ", result.err, re.MULTILINE)
    for word in row.words:
        assert word in result.err
    kept_as_evidence(tmp_path, row, result.err, last["aside"])
    paid_is_right(provider, rule, row, result.json, last)


def kept_as_evidence(folder: Path, row: Row, said: str, shown: list[str]) -> None:
    """What is named lies there whole, under its own digest, and is no object."""
    store = folder / ".flowrunner"
    paths = [Path(path) for path in shown]
    assert (len(paths), sorted((store / "quarantine").glob("*"))) == (row.aside, sorted(paths))
    for path in paths:
        digest = sha256(path.read_bytes())
        assert (path.name.partition("-")[0], str(path) in said) == (digest, True)
        assert not Objects(store).has(digest)


def paid_is_right(provider: str, rule: str, row: Row, document: Any, last: Any) -> None:
    """Nothing, exactly what the reply says, or up to the estimate."""
    price = PRICE if provider == "aimlapi" else None
    assert document["maybe_billed"] == (["scene"] if row.billed == MAYBE else [])
    assert document["paid_calls"] == (0 if row.billed == NO else 1)
    if row.billed == MAYBE:
        assert (last["paid_usd"], last["reserved_usd"]) == (None, price)
        assert last["client_request_id"]
    elif not rule.startswith("charge"):
        assert last["paid_usd"] == (price if row.billed == YES else "0.00")
        assert document["paid_usd"] == (price if row.billed == YES else "0.00")


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "rule", "row"), cases(known=True))
def test_a_call_that_was_or_may_have_been_charged_is_never_sent_again_unasked(
    tmp_path: Path, provider: str, rule: str, row: Row
) -> None:
    scene = Rehearsal(tmp_path)
    scene.run(f"{provider}.yaml", rule)
    scene.time.now += 400 * 86_400
    again = scene.run(f"{provider}.yaml", rule)
    assert (scene.posts, again.exit_code) == (0, 1)
    assert again.json["paid_calls"] == 0


@pytest.mark.parametrize("provider", BOTH)
def test_what_may_have_been_billed_is_sent_again_on_the_users_word(tmp_path: Path, provider: str) -> None:
    scene = Rehearsal(tmp_path)
    first = scene.run(f"{provider}.yaml", "drop").json["run"]
    held = scene.run(f"{provider}.yaml")
    assert scene.posts == 0
    assert held.err.endswith(f"next  flowrunner runs show {first}\n")
    assert "an earlier call may have been billed" in held.err
    scene.run(f"{provider}.yaml", line=f"{RESEND} --format json")
    assert scene.posts == 1


@pytest.mark.parametrize("provider", BOTH)
def test_what_moderation_refused_is_sent_again_by_force_only(tmp_path: Path, provider: str) -> None:
    scene = Rehearsal(tmp_path)
    scene.run(f"{provider}.yaml", "moderated")
    for line in ("--format json", f"{RESEND} --format json"):
        result = scene.run(f"{provider}.yaml", line=line)
        assert (scene.posts, result.exit_code) == (0, 1)
        assert "content moderation system" in result.err
    planned = cli("plan", f"{provider}.yaml", "--simulate", cwd=tmp_path)
    assert "moderation has refused it; only --force sends it again" in planned.out
    assert scene.run(f"{provider}.yaml", line="--force scene --format json").exit_code == 0
    assert scene.posts == 1


def test_a_receipt_is_replayed_for_ever(tmp_path: Path) -> None:
    """The download failed, more than a year goes by, and the reply is read anew."""
    scene = Rehearsal(tmp_path)
    scene.run("aimlapi.yaml", "cut on=download")
    scene.time.now += 400 * 86_400
    again = scene.run("aimlapi.yaml", "cut on=download")
    assert (scene.posts, scene.count("GET")) == (0, 5)
    assert again.json["cells"][0]["status"] == "failed"


def test_fewer_pictures_than_asked_for_are_told_before_the_next_step_is_paid(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("two.yaml", "fewer at=1")
    first, second = result.json["cells"]
    assert (scene.posts, result.exit_code) == (1, 1)
    assert (first["paid_usd"], second["status"], second["paid_usd"]) == ("0.0252", "failed", "0.00")
    assert second["reason"] == "it needs candidate 2 of scene, of which 1 came; --force scene pays for others"
    told = scene.run("two.yaml", line="--yes").out
    assert scene.posts == 0
    assert f"fail  {second['cell']}  {second['reason']}\n" in told


@pytest.mark.parametrize("rule", ["credits", pytest.param("401", marks=SLOW), pytest.param("402", marks=SLOW)])
def test_a_wrong_key_or_an_empty_account_ends_the_run_and_keeps_what_is_finished(tmp_path: Path, rule: str) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("sixty.yaml", f"{rule} at=3-", line="--concurrency 1 --format json")
    statuses = [cell["status"] for cell in result.json["cells"]]
    assert (scene.posts, result.exit_code) == (3, 1)
    assert [statuses.count(status) for status in ("done", "failed", "pending")] == [2, 1, 57]
    scene.run("sixty.yaml", "500", line="--concurrency 1 --only n=0 --format json")
    assert scene.posts == 0


@pytest.mark.parametrize(
    "rule", ["429", *(pytest.param(rule, marks=SLOW) for rule in ("429 retry-after=120", "500", "503", "400", "drop"))]
)
def test_a_server_that_fails_everything_is_given_up_soon(tmp_path: Path, rule: str) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("sixty.yaml", rule)
    assert scene.posts <= 60 + 16
    assert result.exit_code == 1
    assert scene.time.now <= 20 * 120
    if rule != "400":
        assert scene.posts <= 10 + 3 + 16
        assert "aimlapi failed 10 calls in a row" in result.err


@pytest.mark.slow
def test_a_server_that_is_merely_busy_is_not_given_up(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("sixty.yaml", "429 rate=40%")
    # Of three refusals in a row some four cells are expected to die; which ones, and how many, is a matter of order.
    assert [cell["status"] for cell in result.json["cells"]].count("done") >= 50
    assert "in a row" not in result.err


@pytest.mark.parametrize("rule", ["500 on=upload at=1", "drop on=upload at=1", "429 on=upload retry-after=3 at=1"])
def test_an_upload_costs_nothing_and_is_repeated(tmp_path: Path, rule: str) -> None:
    scene = Rehearsal(tmp_path)
    assert scene.run("edit.yaml", rule).exit_code == 0
    assert (scene.count("POST", "/api/assets"), scene.posts) == (2, 1)


def test_an_upload_that_always_fails_ends_before_anything_is_paid(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("edit.yaml", "500 on=upload")
    assert (scene.posts, result.exit_code, result.json["paid_calls"]) == (0, 1, 0)
    assert "an input could not be uploaded" in result.err


def test_a_wait_of_one_call_holds_all_of_its_provider(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("sixty.yaml", "429 retry-after=7 at=1", line="--only n=0 --only n=1 --format json")
    assert (scene.posts, result.exit_code) == (3, 0)
    assert scene.time.now == 7.0


def test_the_list_of_a_run_names_what_may_have_been_billed_and_by_which_ids(tmp_path: Path) -> None:

    scene = Rehearsal(tmp_path)
    run = scene.run("aimlapi.yaml", "cut").json["run"]
    shown = cli("runs", "show", run, cwd=tmp_path).out
    assert "may have been billed:\n  scene  aimlapi blackforestlabs/flux-2-pro, up to $0.032, sent 20" in shown
    assert re.search(r"X-Client-Request-Id [0-9a-f]{32} or request [0-9a-f-]{36} in the usage log of aimlapi", shown)


@pytest.mark.parametrize(
    ("rule", "words"), [("no-data", "ask for the money back"), ("half on=download", "pays nothing")]
)
def test_the_list_of_a_run_names_what_was_charged_for_no_picture(tmp_path: Path, rule: str, words: str) -> None:

    scene = Rehearsal(tmp_path)
    run = scene.run("aimlapi.yaml", rule).json["run"]
    shown = cli("runs", "show", run, cwd=tmp_path).out
    assert words in shown
    assert "scene  aimlapi blackforestlabs/flux-2-pro, simulated $0.031500, sent 20" in shown


def test_the_list_of_a_run_says_where_that_lies_which_came_in_the_place_of_a_picture(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    run = scene.run("aimlapi.yaml", "html on=download").json["run"]
    (path,) = (tmp_path / ".flowrunner" / "quarantine").iterdir()
    assert f"\n      = what came was set aside as {path}" in cli("runs", "show", run, cwd=tmp_path).out
    assert "nothing is damaged" not in cli("store", "fsck", cwd=tmp_path).out
    assert str(path) in cli("store", "fsck", cwd=tmp_path).out


def test_a_long_sentence_of_a_provider_is_cut_and_made_harmless(tmp_path: Path) -> None:
    scene = Rehearsal(tmp_path)
    result = scene.run("aimlapi.yaml", f"400 message='\x1b[31m{'x' * 3000}'")
    (told,) = [line for line in result.err.splitlines() if line.startswith("fail")]
    assert ("\x1b" in told, len(told) < 300, told.endswith("x…")) == (False, True, True)
    assert len(result.json["cells"][0]["error"]) <= 220
