"""What stands in the way of a run before anything is sent: `--frozen`, budgets, prices that nobody knows."""

from collections.abc import Sequence

from flowrunner import money
from flowrunner.binding import input_artifacts
from flowrunner.errors import RunRefused
from flowrunner.planning import Decision, Plan, PlannedCell
from flowrunner.project import Opened, names

_COSTS = "plan --cells"


def refusal(opened: Opened, found: Plan, spent: money.Nano) -> RunRefused | None:
    """Why a run of this plan would be refused before anything is sent, if it would. `spent` is what earlier runs of
    the pipeline paid or may have paid."""
    accepted = _accepted(found) if opened.options.strict else None
    if accepted or opened.options.frozen:
        return accepted or _frozen(opened, found)
    return _pretended(opened, found) or _over_budget(opened, found, spent)


def _accepted(found: Plan) -> RunRefused | None:
    stand = [cell.cell.id for cell in found.cells.values() if cell.accepted]
    if not stand:
        return None
    of = "a locked result stands for a changed request" if len(stand) == 1 else "locked results stand for changed ones"
    return RunRefused(f"--strict, and {of}: {names(stand)}", "take it back with accept --undo", command=_COSTS)


def _pretended(opened: Opened, found: Plan) -> RunRefused | None:
    """A live run that would take a simulated picture for a real one."""
    images = opened.binder.images
    if opened.options.simulate or not images.marked:
        return None
    from flowrunner.jobs import Pretended

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
        are = "is" if len(unlocked) == 1 else "are"
        faults.append(f"{len(unlocked)} of {len(found.cells)} cells {are} not in {opened.lock_name}: {names(unlocked)}")
    if missing:
        faults.append(f"the pictures of {len(missing)} cells are not here: {names(missing)}")
    if not faults:
        return None
    hint = "run it without --frozen where the key is, and commit the lock" if unlocked else ""
    return RunRefused("; ".join(faults), hint, command="run" if unlocked else "plan")


def _over_budget(opened: Opened, found: Plan, spent: money.Nano) -> RunRefused | None:
    options, budget = opened.options, opened.pipeline.budget
    sent = [cell for cell in found.before_picks if cell.to_send]
    calls = sum(cell.to_send for cell in sent)
    if options.max_calls is not None and calls > options.max_calls:
        message = f"{calls} calls are needed, and --max-calls is {options.max_calls}"
        return RunRefused(message, "raise it, or run fewer cells with --only", command=_COSTS)
    estimate = sum(cell.estimate or 0 for cell in sent)
    caps = [cap for cap in (options.max_usd, budget.max_usd) if cap is not None]
    if caps and estimate > min(caps):
        message = f"about {money.about(estimate)} is needed, and the limit of this run is {money.cap(min(caps))}"
        hint = "raise --max-usd or budget.max_usd, or run fewer cells with --only"
        return RunRefused(message, hint, command=_COSTS)
    total = budget.total_usd if not options.simulate else None
    if total is not None and spent + estimate > total:
        message = (
            f"{money.about(spent)} is spent on {opened.pipeline.name}, about {money.about(estimate)} more is needed, "
            f"and budget.total_usd is {money.cap(total)}"
        )
        return RunRefused(message, "raise budget.total_usd, or run fewer cells with --only", command=_COSTS)
    return _unpriced(opened, sent) if caps or total is not None else None


def _unpriced(opened: Opened, sent: Sequence[PlannedCell]) -> RunRefused | None:
    allowed = opened.options.allow_unpriced
    for planned_cell in sent:
        model = planned_cell.cell.model
        if planned_cell.estimate is None and model is not None and not ({"*", model.id} & allowed):
            message = f"nobody has told the price of {model.id}, and there is a limit in dollars"
            allow = f"--allow-unpriced={model.id}"
            hint = f'{allow}, or a price in flowrunner.toml: [prices] "{model.provider}:{model.id}"'
            return RunRefused(message, hint, command=f"run {allow}")
    return None
