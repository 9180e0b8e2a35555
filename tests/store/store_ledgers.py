"""Ledgers for the tests: an attempt in one line."""

from flowrunner.artifact import Artifact
from flowrunner.call import Outcome
from flowrunner.money import Nano
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps, Intent, OverBudget, Receipt

NONE = Caps()
IMAGE = Artifact(sha256="ab" * 32, media_type="image/png", width=64, height=32, bytes=99, pixels="cd" * 32)


def begin(ledger: Ledger, *, name: str = "spring", simulated: bool = False) -> str:
    return ledger.begin(pipeline=f"{name}.yaml", name=name, simulated=simulated)


def reserve(
    ledger: Ledger, run: str, key: str = "k", estimate: Nano | None = 10, caps: Caps = NONE, attempt: int = 1
) -> int | OverBudget:
    intent = Intent(
        run=run,
        cell=f"scene/{key}",
        key=key,
        provider="aimlapi",
        model="flux",
        attempt=attempt,
        estimate=estimate,
        client_request_id=f"mine-{key}",
    )
    return ledger.reserve(intent, caps)


def intended(ledger: Ledger, run: str, key: str = "k", estimate: Nano | None = 10) -> int:
    call = reserve(ledger, run, key, estimate)
    assert isinstance(call, int)
    return call


def answered(ledger: Ledger, run: str, key: str = "k", body: bytes = b"{}") -> int:
    call = intended(ledger, run, key)
    ledger.sent(call)
    ledger.replied(Receipt(call=call, status=200, headers={"x-id": "7"}, body=body, request_id="theirs"))
    return call


def outcome(key: str = "k", paid: Nano | None = 8, seconds: float = 1.5) -> Outcome:
    return Outcome(key=key, artifacts=(IMAGE,), paid=paid, seconds=seconds, usage={"credits": 3})
