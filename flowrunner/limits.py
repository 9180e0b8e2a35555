"""What stands in the way of a run before anything is sent: `--frozen`, budgets, prices that nobody knows."""

from collections.abc import Collection

from flowrunner import money
from flowrunner.acceptance import given_in
from flowrunner.binding import input_artifacts
from flowrunner.decisions import Cost, Decision, Held, Plan, cost
from flowrunner.errors import RunRefused
from flowrunner.images import Pretended
from flowrunner.project import Opened
from flowrunner.report.groups import plural
from flowrunner.report.text import price
from flowrunner.store.objects import READ_ONLY

_COSTS = "plan --cells"
_EARLIER = "earlier pipelines of this command"
_OWN = "--max-usd"
_ACCEPTED = 8
"""Cells that a suggested command line names."""


def refusal(opened: Opened, found: Plan, spent: money.Nano, ahead: money.Nano = 0) -> RunRefused | None:
    """Why a run of this plan would be refused before anything is sent, if it would. `spent` is what earlier runs of
    the pipeline paid or may have paid, `ahead` what others of its name will have paid before it is its turn."""
    accepted = _accepted(opened, found) if opened.options.strict else None
    if accepted or opened.options.frozen:
        return accepted or _frozen(opened, found)
    return _read_only(opened, found) or _pretended(opened, found) or _over_budget(opened, found, spent, ahead)


def _accepted(opened: Opened, found: Plan) -> RunRefused | None:
    by_cell = {cell.cell.id: cell.accepted.said for cell in found.cells.values() if cell.accepted}
    stand, given = list(by_cell), given_in(opened.lock, by_cell.values())
    if not stand:
        return None
    of = "a locked result stands for a changed request" if len(stand) == 1 else "locked results stand for changed ones"
    back = "it" if len(stand) == 1 else "them" if len(given) <= _ACCEPTED else f"{_ACCEPTED} of them"
    hint = f"{opened.command('accept --undo', *given[:_ACCEPTED])} takes {back} back"
    return RunRefused(f"--strict, and {of}: {names(stand)}", hint, command=_COSTS)


def _read_only(opened: Opened, found: Plan) -> RunRefused | None:
    workspace = opened.project.workspace
    misses = [planned.cell.id for planned in found.before_picks]
    if not misses or not workspace.is_read_only:
        return None
    are = "1 result is" if len(misses) == 1 else f"{len(misses)} results are"
    message = f"the store is read-only: {workspace.store}; {are} not in it: {names(misses)}"
    return RunRefused(message, READ_ONLY, command="plan")


def _pretended(opened: Opened, found: Plan) -> RunRefused | None:
    """A live run that would take a simulated picture for a real one."""
    images = opened.binder.images
    if opened.options.simulate or not images.marked:
        return None
    for planned in found.of(Decision.RUN, Decision.AWAIT):
        for leaf in input_artifacts(planned.bound) if planned.bound else ():
            if leaf.sha256 in images.marked:
                return Pretended(images.paths.get(leaf.sha256, f"an image of {planned.cell.id}"))
    return None


def _frozen(opened: Opened, found: Plan) -> RunRefused | None:
    sent = found.of(Decision.RUN, Decision.AWAIT)
    unlocked = [cell.cell.id for cell in sent if not cell.behind_pick and not cell.remake]
    missing = [cell.cell.id for cell in found.of(Decision.MISSING)]
    faults = []
    if unlocked:
        are, they = ("is", "it is") if len(unlocked) == 1 else ("are", "they are")
        which = f"{len(unlocked)} of {len(found.cells)} cells {are} not in {opened.lock_name} as {they} now"
        faults.append(f"{which}: {names(unlocked)}")
    if missing:
        faults.append(f"the pictures of {len(missing)} cells are not here: {names(missing)}")
    if not faults:
        return None
    hint = "run it without --frozen where the key is, and commit the lock" if unlocked else ""
    return RunRefused("; ".join(faults), hint, command="run" if unlocked else "plan")


def _over_budget(opened: Opened, found: Plan, spent: money.Nano, ahead: money.Nano) -> RunRefused | None:
    needed = cost(found.before_picks)
    refused = (
        _too_many_calls(opened, needed)
        or _over_own_limit(opened, needed)
        or _over_total(opened, needed, spent, ahead)
        or _unpriced(opened, found)
    )
    free = [one for one in found.before_picks if not one.to_send]
    kept = [one.cell.id for one in free if any(call.held is Held.REPLY for call in one.calls)]
    if refused is None or not kept:
        return refused
    hint = f"{refused.hint}; --only {kept[0]} reads a reply that is kept, for nothing"
    return RunRefused(refused.message, hint, command=refused.command)


def _too_many_calls(opened: Opened, needed: Cost) -> RunRefused | None:
    most = opened.options.max_calls
    if most is None or needed.calls <= most:
        return None
    cost_said = price(needed, simulated=opened.options.simulate)
    limit = f"{_EARLIER} leave {most} of --max-calls" if opened.options.shared else f"--max-calls is {most}"
    message = f"{plural(needed.calls, 'call')} are needed, and {limit}; they cost {cost_said}"
    return RunRefused(message, "raise it, or run fewer cells with --only", command=_COSTS)


def _over_own_limit(opened: Opened, needed: Cost) -> RunRefused | None:
    limit = own_limit(opened)
    if limit is None or needed.priced <= limit[0]:
        return None
    message = f"{_needed(needed)}, and {_told(opened, *limit)}"
    return RunRefused(message, f"raise {limit[1]}, or run fewer cells with --only", command=_COSTS)


def _over_total(opened: Opened, needed: Cost, spent: money.Nano, ahead: money.Nano) -> RunRefused | None:
    total = opened.pipeline.budget.total_usd if not opened.options.simulate else None
    if total is None or not needed.calls or spent + ahead + needed.priced <= total:
        return None
    taken = f", {_EARLIER} take about {money.about(ahead)}" if ahead else ""
    message = (
        f"{money.exact(spent)} is spent on {opened.pipeline.name}{taken}, {_needed(needed, 'more')}, "
        f"and budget.total_usd is {money.cap(total)}"
    )
    return RunRefused(message, "raise budget.total_usd, or run fewer cells with --only", command=_COSTS)


def own_limit(opened: Opened) -> tuple[money.Nano, str] | None:
    """The limit in dollars of one run, and where it is set."""
    limits = [(opened.options.max_usd, _OWN), (opened.pipeline.budget.max_usd, "budget.max_usd")]
    return min(((amount, name) for amount, name in limits if amount is not None), default=None)


def _told(opened: Opened, amount: money.Nano, name: str) -> str:
    if opened.options.shared and name == _OWN:
        return f"{_EARLIER} leave {money.cap(amount)} of {_OWN}"
    return f"the limit of this run is {money.cap(amount)} ({name})"


def _needed(needed: Cost, more: str = "") -> str:
    """`about $0.126 and 2 calls of unknown price are needed`."""
    if needed.known is None:
        return f"{plural(needed.calls, 'call')} of unknown price {'is' if needed.calls == 1 else 'are'} needed"
    return f"{price(needed, simulated=False)} {f'{more} ' if more else ''}{'are' if needed.unpriced else 'is'} needed"


def _unpriced(opened: Opened, found: Plan) -> RunRefused | None:
    """Under a limit in dollars a call of unknown price is refused, unless it is let through."""
    total = opened.pipeline.budget.total_usd if not opened.options.simulate else None
    limit = own_limit(opened)
    if limit is None and total is None:
        return None
    said = _told(opened, *limit) if limit else f"budget.total_usd is {money.cap(total or 0)}"
    for planned in found.before_picks:
        model = planned.cell.model
        if planned.unpriced and model is not None and not ({"*", model.id} & opened.options.allow_unpriced):
            message = f"nobody has told the price of {model.id}: {_needed(cost(found.before_picks))}, and {said}"
            allow = f"--allow-unpriced={model.id}"
            hint = f'{allow}, or a price in flowrunner.toml: [prices] "{model.provider}:{model.id}"'
            return RunRefused(message, hint, command=f"run {allow}")
    return None


def names(cells: Collection[str], limit: int = 3) -> str:
    """A few cell ids for a sentence: `a, b, c and 4 more`."""
    listed = list(cells)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
