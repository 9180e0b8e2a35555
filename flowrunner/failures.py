"""Failures of paid calls in words: what happened, what it means for the money, what to do about it."""

from collections.abc import Iterator, Sequence

from flowrunner import money
from flowrunner.call import Billed, Failure
from flowrunner.exchange import Lost, Stage
from flowrunner.jobs import Job
from flowrunner.keeping import NotKept
from flowrunner.money import Nano
from flowrunner.providers.base import Finished, Refused, Response
from flowrunner.slotted import replace
from flowrunner.store.records import Attempt

SKEW_S = 300.0
"""Seconds that a provider's clock may differ from ours before a person is told."""


def maybe(job: Job, message: str, refused: Refused | None = None) -> Failure:
    """Nobody can tell whether it was executed: up to its estimate may have been billed."""
    provider = job.call.provider
    ask = f"it may have been billed: look it up at {provider}, or pay again with --on-unknown resend"
    return Failure(
        key=job.call.key,
        error=message,
        hint="; ".join(filter(None, (refused.hint if refused else "", ask))),
        billed=Billed.MAYBE,
        paid=job.estimate,
        request_id=(refused.request_id if refused else "") or job.call.key[:32],
        status=(refused.status or None) if refused else None,
    )


def lost(found: Lost) -> str:
    """How far a request came that got no whole reply."""
    if found.after is Stage.WHILE_SENDING:
        return found.reason
    if found.status is None:
        return f"sent, and no reply came: {found.reason}"
    return f"sent, and the reply (HTTP {found.status}) is not whole: {found.reason}"


def held(job: Job, last: Attempt) -> Failure:
    """An earlier call that was, or may have been, charged and of which there is no picture."""
    provider, charged = job.call.provider, last.billed is Billed.YES
    found = f"flowrunner runs show {last.run} names it"
    was = "was charged and gave no picture" if charged else "may have been billed and its picture is not known"
    ask = f"ask {provider} for the money back" if charged else f"look it up at {provider}"
    return Failure(
        key=job.call.key,
        error=f"an earlier call {was}; it is not sent again",
        hint=f"{found}; {ask}, or pay again with --on-unknown resend",
        billed=last.billed,
        paid=last.paid if charged else last.reserved,
        request_id=last.request_id or last.client_request_id,
        known=True,
        run=last.run,
    )


def not_here(job: Job, finished: Finished, lost: Sequence[NotKept]) -> Failure:
    """Pictures that were paid for and are not here, none of a call or some of them; what can still be had of them is
    told first."""
    found = next((one for one in lost if not one.final), lost[0])
    price = f" (about {money.about(job.estimate)})" if job.estimate is not None else ""
    gone = f"to pay for another picture{price}: --force {job.cell}"
    again = "run again: the reply is kept, and the call is not sent a second time"
    if job.fresh:
        again = f"--force {job.cell} again: the reply is kept and read first, and another call is paid if that fails"
    why = "paid, and the file is gone" if found.gone else "paid, but the picture could not be kept"
    return Failure(
        key=job.call.key,
        error=f"{why}: {found.reason}",
        hint="; ".join((gone if found.final else again, *_aside(lost))),
        billed=Billed.YES,
        paid=finished.paid,
        request_id=finished.request_id,
        gone=found.final,
        kept=not found.final,
    )


def unkept(job: Job, finished: Finished, found: NotKept) -> Failure:
    """Pictures that are lost with the reply that held or named them: nothing here can give them again."""
    price = f" (about {money.about(job.estimate)})" if job.estimate is not None else ""
    ask = f"look for it at {job.call.provider}"
    return Failure(
        key=job.call.key,
        error=f"paid, and neither the reply nor its picture could be kept: {found.reason}",
        hint=f"{ask}; to pay for another picture{price}: free some space, and give --on-unknown resend",
        billed=Billed.YES,
        paid=finished.paid,
        request_id=finished.request_id,
        refund=True,
    )


def fewer(job: Job, finished: Finished, lost: Sequence[NotKept]) -> str:
    """What to say where some of the pictures of one call can never be had, and the others are kept."""
    told = f"{job.cell}: {len(lost)} of {len(finished.images)} pictures that were paid for are lost: {lost[0].reason}"
    return "; ".join((told, *_aside(lost)))


def _aside(lost: Sequence[NotKept]) -> Iterator[str]:
    """Where that lies which came in their places, and what could not be laid there, in clauses."""
    places = list(dict.fromkeys(place for one in lost for place in one.aside))
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    if places:
        yield f"what came was set aside as {places[0]}{more}"
    unset = next((one.unset for one in lost if one.unset), "")
    if unset:
        yield f"what came cannot be set aside: {unset}"


def refusal(job: Job, refused: Refused) -> Failure:
    """A reply that is a clear no: nothing was billed."""
    return Failure(
        key=job.call.key,
        error=refused.told,
        hint=refused.hint,
        request_id=refused.request_id,
        status=refused.status or None,
    )


def moderated(job: Job, refused: Refused) -> Failure:
    """Refused by moderation before it was worked on; or worked on and withheld, which a success without a picture
    is, and whatever states a charge."""
    failure = replace(refusal(job, refused), moderated=True)
    hint = f"change the prompt or the images; only --force {job.cell} sends the same request again"
    if refused.paid is not None:
        return replace(failure, billed=Billed.YES, paid=refused.paid, hint=hint, refund=True)
    if not 200 <= refused.status < 300:
        return replace(failure, hint=hint)
    return replace(failure, billed=Billed.MAYBE, paid=job.estimate, hint=hint)


def charged(failure: Failure, paid: Nano | None) -> Failure:
    hint = failure.hint or "ask the provider for the money back, with the request id"
    return replace(failure, billed=Billed.YES, paid=paid, hint=hint, refund=True)


def skew(provider: str, reply: Response, now: float) -> str:
    """What to say where a provider's clock and ours differ; empty where they agree or it states no time."""
    from email.utils import parsedate_to_datetime

    try:
        ahead = parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    told = f"the clock of {provider} is {abs(ahead) / 60:.0f} min {side} this machine's: check the clock here"
    return told if abs(ahead) > SKEW_S else ""
