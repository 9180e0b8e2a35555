import pytest

from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure
from flowrunner.events import Done, Event, Failed, Noted, Retried, Sent, Waits
from flowrunner.paint import colour
from flowrunner.progress.facts import Facts, line

DOLLAR = 1_000_000_000
PNG = Artifact(sha256="9ec15c" + "0" * 58, media_type="image/png", width=1024, height=768, bytes=1_400_000)
SMALL = Artifact(sha256="abcdef" + "0" * 58, media_type="image/webp", width=64, height=48, bytes=900)


def done(**more: object) -> Done:
    given = {"cell": "scene/lamp", "sample": 1, "seconds": 14.2, "paid": 47_250_000, "artifacts": (PNG,), **more}
    return Done(**given)  # type: ignore[arg-type]


def failed(**more: object) -> Failed:
    given = {"key": "k", "error": "the prompt is empty", **more}
    return Failed(cell="scene/lamp", sample=1, failure=Failure(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Sent(cell="scene/lamp", sample=1, model="m", estimate=47_000_001), "send  scene/lamp  about $0.048"),
        (Sent(cell="scene/lamp", sample=1, model="m", estimate=None), "send  scene/lamp  price unknown"),
        (done(), "done  scene/lamp  14.2 s  paid $0.047250  1024x768 png 1.4 MB  9ec15c"),
        (done(paid=None), "done  scene/lamp  14.2 s  charge not stated  1024x768 png 1.4 MB  9ec15c"),
        (done(local=True, paid=0), "done  scene/lamp  14.2 s  free  1024x768 png 1.4 MB  9ec15c"),
        (done(replayed=True), "done  scene/lamp  paid before  1024x768 png 1.4 MB  9ec15c"),
        (
            done(artifacts=(SMALL, PNG)),
            "done  scene/lamp  14.2 s  paid $0.047250  2 × 64x48 webp 1.4 MB  abcdef 9ec15c",
        ),
        (done(artifacts=(SMALL,)), "done  scene/lamp  14.2 s  paid $0.047250  64x48 webp 1 kB  abcdef"),
        (
            Retried(cell="scene/lamp", sample=4, reason="HTTP 429", wait=4.6, attempt=1, attempts=3),
            "retry scene/lamp  HTTP 429, again in 5 s (1 of 3)",
        ),
        (Noted(text="a trial"), "note  a trial"),
        (failed(), "fail  scene/lamp  not billed  the prompt is empty"),
        (failed(billed=Billed.YES, paid=DOLLAR), "fail  scene/lamp  paid $1.000000  the prompt is empty"),
        (
            failed(billed=Billed.MAYBE, paid=DOLLAR, request_id="req-1"),
            "fail  scene/lamp  may have been billed, up to $1.000, request req-1  the prompt is empty",
        ),
        (failed(billed=Billed.MAYBE), "fail  scene/lamp  may have been billed, price not known  the prompt is empty"),
        (failed(hint="write one"), "fail  scene/lamp  not billed  the prompt is empty\n      = write one"),
    ],
)
def test_an_event_is_one_fact_a_line(event: Event, shown: str) -> None:
    assert "\n".join(Facts(simulated=False).lines(event)) == shown


@pytest.mark.parametrize(
    "event",
    [
        Sent(cell="a", sample=1, model="m", estimate=0, local=True),
        Waits(cell="a", candidates=4, sheet="x.png"),
        failed(refused=True),
    ],
)
def test_some_events_are_told_by_the_end_of_the_run_only(event: Event) -> None:
    assert Facts(simulated=False).lines(event) == []


def test_simulated_money_is_called_so_everywhere() -> None:
    facts = Facts(simulated=True)
    sent = Sent(cell="a", sample=1, model="m", estimate=DOLLAR)
    events = (sent, done(), failed(billed=Billed.YES, paid=DOLLAR))
    assert all("simulated $" in text for event in events for text in facts.lines(event))


def test_keys_are_taken_out_before_a_text_is_cut() -> None:
    facts = Facts(simulated=False, mask=lambda text: text.replace("sk-1", "***"))
    shown = facts.lines(failed(error="x" * 398 + "sk-1", hint="sk-1"))
    assert "sk-1" not in "".join(shown)
    assert "sk" not in shown[0]


def test_text_of_a_provider_is_made_visible() -> None:
    shown = Facts(simulated=False).lines(failed(error="\x1b[31mno\nwait", request_id="\x07", billed=Billed.MAYBE))
    assert shown == ["fail  scene/lamp  may have been billed, price not known, request \\x07  \\e[31mno\\nwait"]


def test_only_the_word_is_coloured() -> None:
    assert line("done", "a", "", "b", paint=colour) == "\x1b[32mdone\x1b[0m  a  b"
