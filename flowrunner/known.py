"""What a ledger tells a planner of a call: its outcome, or why it is not sent again unasked."""

from collections.abc import Sequence

from flowrunner.call import Billed, Outcome
from flowrunner.decisions import Held
from flowrunner.providers.base import Fate, Provider, Refused, Response
from flowrunner.providers.registry import PROVIDERS
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Receipt


def forbidden(receipt: Receipt, provider: Provider) -> Refused | None:
    """What a kept reply says, if it is a refusal by moderation: the call is never sent again."""
    reading = provider.read(Response(receipt.status, receipt.headers, receipt.body))
    return reading if isinstance(reading, Refused) and reading.fate is Fate.MODERATED else None


class Known:
    """What a ledger tells a planner: outcomes of one kind of run, each as it was when it was first asked for; whoever
    performs a call looks again. `resend`: what may have been billed is sent again; `asked` takes every key."""

    def __init__(self, ledger: Ledger, *, simulated: bool, resend: bool = False, asked: set[str] | None = None) -> None:
        self._ledger = ledger
        self._simulated = simulated
        self._resend = resend
        self._asked = set() if asked is None else asked
        self._unsettled: frozenset[str] | None = None
        self._outcomes: dict[str, Outcome | None] = {}

    def ask(self, keys: Sequence[str]) -> None:
        """Looks up many outcomes in one question: they will be asked for."""
        new = [key for key in keys if key not in self._outcomes]
        found = self._ledger.outcomes(new, simulated=self._simulated) if new else {}
        self._outcomes.update((key, found.get(key)) for key in new)

    def outcome(self, key: str) -> Outcome | None:
        self._asked.add(key)
        if key not in self._outcomes:
            self._outcomes[key] = self._ledger.outcome(key, simulated=self._simulated)
        return self._outcomes[key]

    def held(self, key: str) -> Held | None:
        """As a performer would decide it. A simulator's reply is not kept: its pictures end with its process."""
        self._asked.add(key)
        if self._unsettled is None:
            self._unsettled = self._ledger.unsettled(simulated=self._simulated)
        if key not in self._unsettled:
            return None
        receipt = None if self._simulated else self._ledger.receipt(key, simulated=False)
        if receipt is not None:
            return Held.REPLY if 200 <= receipt.status < 300 else None
        refusal = self._ledger.refusal(key, simulated=self._simulated)
        if refusal is not None and forbidden(refusal, PROVIDERS[refusal.provider]):
            return Held.MODERATED
        unknown = [] if self._resend else self._ledger.unknowns(key, simulated=self._simulated)
        if not unknown:
            return None
        return Held.CHARGED if unknown[-1].billed is Billed.YES else Held.UNKNOWN
