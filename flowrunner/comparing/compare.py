"""Compares two plans of a pipeline, cell by cell: what changed, and what follows of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from flowrunner.artifact import Artifact
from flowrunner.binding import Binder, Bound
from flowrunner.changes import Change
from flowrunner.comparing.compared import Choosing, ComparedCell, Comparison, Kind
from flowrunner.comparing.requests import Differing, Ref, Request, change, differing, token
from flowrunner.comparing.rules import beside
from flowrunner.decisions import Choice, Decision, PlannedCell
from flowrunner.digest import tagged
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.pipeline import PickRule
from flowrunner.planning import Planner, Settled
from flowrunner.slotted import dataclass, field
from flowrunner.store.locked import Pick

_LABELS = "labels"


@dataclass(slots=True)
class Side:
    """One revision of a pipeline, planned. Requests in which nothing is known of other cells are bound when first asked
    for."""

    planner: Planner
    _bound: dict[str, Bound] = field(default_factory=dict)
    _paid: dict[str, Nano | None] | None = None

    @property
    def cells(self) -> Mapping[str, Cell]:
        return self.planner.graph.cells

    def active(self) -> dict[str, PlannedCell]:
        """The cells that have a picture or get one: those that are not skipped."""
        return {name: cell for name, cell in self.planner.planned.items() if cell.decision is not Decision.SKIP}

    def keys(self, name: str) -> tuple[str, ...] | None:
        """The request keys of a cell's samples; None while one is not known."""
        calls = self.planner.planned[name].bound
        return tuple(call.key for call in calls.calls) if calls is not None and calls.calls else None

    def settled(self, name: str) -> Settled | None:
        return self.planner.settled.get(name)

    def chosen(self, name: str) -> Artifact | None:
        """The picked picture of a cell, where it is made and picked."""
        settled = self.settled(name)
        if settled is None or settled.pick.is_open:
            return None
        return next(iter(settled.candidates[settled.pick.number - 1 : settled.pick.number]), None)

    @property
    def paid(self) -> Mapping[str, Nano | None]:
        """What the lock says was paid, by request key."""
        if self._paid is None:
            self._paid = {key: sample.paid for key, sample in self.planner.lock.samples().items()}
        return self._paid

    def bound(self, name: str) -> Bound:
        if not self._bound:
            old = self.planner.binder
            binder = Binder(self.planner.graph, old.catalog, old.files, simulated=old.simulated)
            binder.images = old.images
            for cell in self.cells.values():
                if cell.id not in self.planner.graph.skipped:
                    self._bound[cell.id] = binder.bind(cell, lambda _: None)
        return self._bound[name]

    def recipes(self) -> dict[str, str]:
        """What every cell comes to, upstream cells included, whatever they are called."""
        found: dict[str, str] = {}
        for name in self.active():
            cell = self.cells[name]
            request = Request(self.bound(name), self.planner.graph.scope, lambda other: found.get(other, other))
            model = (cell.model.provider, cell.model.id) if cell.model else ()
            found[name] = tagged("recipe/1", [list(model), cell.step.variants, token(request)])
        return found


def compare(before: Side | None, after: Side | None, *, was: str | None = None) -> Comparison:
    """A pipeline's base and head; one of them may lack it. `was` is its file in the base where that is another."""
    if after is None:
        assert before is not None
        gone = {name: _removed(name, cell) for name, cell in before.active().items()}
        pipeline = before.planner.graph.pipeline
        return Comparison(file=pipeline.file, name=pipeline.name, cells=gone, is_gone=True)
    if before is None:
        return _all_new(after)
    work = _Work(before, after)
    cells = work.cells()
    return _comparison(after, cells, was=was, models=_models(before, after), rules=work.rules(), paths=work.paths())


def by_lock(after: Side, locked: Planner) -> Comparison:
    """The head against nothing but the base's lock, over which `locked` has planned the head: for a base that cannot be
    read."""
    cells = {}
    for name, planned in after.active().items():
        old = locked.planned[name]
        known = name in locked.lock.cells
        kind = Kind.UNCHANGED if old.decision is Decision.REUSE else Kind.RENDER if known else Kind.NEW
        cells[name] = ComparedCell(
            cell=name,
            kind=kind,
            planned=planned,
            because=old.because if kind is Kind.RENDER else (),
            choosing=_choosing(after.cells[name], planned, known=name in locked.lock.picks),
            chosen=locked.lock.picks.get(name),
            picked=_picked(after, name),
            fields=old.changes if kind is Kind.RENDER else (),
            paid=_paid(after, planned, ()) if kind is not Kind.UNCHANGED else 0,
        )
    return _comparison(after, cells, paths=after.planner.binder.images.paths)


def _all_new(after: Side) -> Comparison:
    cells = {
        name: ComparedCell(
            cell=name,
            kind=Kind.NEW,
            planned=planned,
            choosing=_choosing(after.cells[name], planned, known=False),
            picked=_picked(after, name),
            paid=_paid(after, planned, ()),
        )
        for name, planned in after.active().items()
    }
    return _comparison(after, cells, is_new=True)


def _comparison(
    after: Side,
    cells: Mapping[str, ComparedCell],
    *,
    was: str | None = None,
    is_new: bool = False,
    models: tuple[str, ...] = (),
    rules: tuple[Change, ...] = (),
    paths: Mapping[str, str] | None = None,
) -> Comparison:
    graph = after.planner.graph
    return Comparison(
        file=graph.pipeline.file,
        name=graph.pipeline.name,
        cells=cells,
        was=was,
        is_new=is_new,
        graph=graph,
        models=models,
        rules=rules,
        unmade=tuple(name for name, cell in cells.items() if cell.kind is Kind.UNCHANGED and cell.planned.calls_open),
        paths=paths or {},
    )


def _removed(name: str, planned: PlannedCell) -> ComparedCell:
    return ComparedCell(cell=name, kind=Kind.REMOVED, planned=planned)


class _Work:
    """One comparison under way: cells of the head in their order, each behind what it needs."""

    def __init__(self, before: Side, after: Side) -> None:
        self.before = before
        self.after = after
        self.old, self.new = before.active(), after.active()
        self.partners = {name: name for name in self.new if name in self.old}
        self.partners.update(self._renamed())
        self.done: dict[str, ComparedCell] = {}
        self.repicked: set[str] = set()

    def cells(self) -> dict[str, ComparedCell]:
        taken = set(self.partners.values())
        self.gone = {name: _removed(name, cell) for name, cell in self.old.items() if name not in taken}
        for name, planned in self.new.items():
            self.done[name] = self._cell(name, planned)
        return {**self.done, **self.gone}

    def rules(self) -> tuple[Change, ...]:
        """What was edited beside the requests."""
        base, head = self.before.planner, self.after.planner
        cells = ((base.binder.bound[old], head.binder.bound[new]) for new, old in self.partners.items())
        return beside(base.graph.pipeline, head.graph.pipeline, cells)

    def paths(self) -> dict[str, str]:
        return {**self.before.planner.binder.images.paths, **self.after.planner.binder.images.paths}

    def _renamed(self) -> dict[str, str]:
        """Cells under another name: those with the keys, else the recipe, of one that is gone."""
        gone = [name for name in self.old if name not in self.new]
        new = [name for name in self.new if name not in self.old]
        if not gone or not new:
            return {}
        found = _paired(new, gone, self.after.keys, self.before.keys)
        left = [name for name in gone if name not in found.values()]
        if left and len(found) < len(new):
            here, there = self.after.recipes(), self.before.recipes()
            found |= _paired([name for name in new if name not in found], left, here.get, there.get)
        return found

    def _origin(self, name: str) -> str:
        return self.partners.get(name, f" {name}")

    def _cell(self, name: str, planned: PlannedCell) -> ComparedCell:
        cell, partner = self.after.cells[name], self.partners.get(name)
        known = name in self.after.planner.lock.picks or partner in self.before.planner.lock.picks
        choosing = _choosing(cell, planned, known=known)
        if partner is None:
            paid = _paid(self.after, planned, ())
            picked = _picked(self.after, name)
            return ComparedCell(cell=name, kind=Kind.NEW, planned=planned, choosing=choosing, picked=picked, paid=paid)
        was = partner if partner != name else None
        fields, because = self._request(name, partner)
        if not fields and not because:
            fields = tuple(self._result(name, partner))
        kind = Kind.RENAMED if was else Kind.UNCHANGED
        if fields or because:
            kind = Kind.ACCEPTED if planned.accepted is not None else Kind.RENDER
        return ComparedCell(
            cell=name,
            kind=kind,
            planned=planned,
            because=because,
            was=was,
            choosing=choosing,
            chosen=self.before.planner.lock.picks.get(partner),
            picked=_picked(self.after, name),
            fields=fields,
            paid=_paid(self.after, planned, self.before.paid) if kind is Kind.RENDER else 0,
        )

    def _request(self, name: str, partner: str) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """The fields that were changed, and the cells that this one follows."""
        keys, old_keys = self.after.keys(name), self.before.keys(partner)
        if keys is not None and keys == old_keys:
            return (), ()
        before, after = self._asked(name, partner)
        fields = self._own(name, partner, before, after)
        because: list[str] = []
        because += [ref.cell for ref in after.refs() if self._moves(ref)]
        because += [ref.cell for ref in before.refs() if ref.cell in self.gone]
        if not fields and not because and keys is not None and old_keys is not None:
            fields = self._sent(name, partner)
        return fields, tuple(dict.fromkeys(because))

    def _asked(self, name: str, partner: str) -> tuple[Request, Request]:
        before = Request(self.before.bound(partner), self.before.planner.graph.scope, lambda other: other)
        return before, Request(self.after.bound(name), self.after.planner.graph.scope, self._origin)

    def _own(self, name: str, partner: str, before: Request, after: Request) -> tuple[Change, ...]:
        old, new = self.before.cells[partner], self.after.cells[name]
        found = list(_declared(old, new))
        differences = [one for one in differing(before, after) if not self._follows(one)]
        if self._coordinates(before, after):
            differences = [one for one in differences if (one.after_path or one.before_path or ("",))[0] != _LABELS]
        return (*found, *(change(one, before, after) for one in differences))

    def _follows(self, found: Differing) -> bool:
        """A gathered picture that came or went with its cell: the cell is the cause."""
        came = isinstance(found.after, Ref) and found.after.cell not in self.partners
        went = isinstance(found.before, Ref) and found.before.cell in self.gone
        lone = found.before_path is None or found.after_path is None
        return (came and (lone or went)) or (went and lone)

    def _coordinates(self, *requests: Request) -> bool:
        """The labels of a sheet are made of the coordinates of what is on it."""
        given = (request.bound.cell.params.get(_LABELS) for request in requests)
        return all(one is not None and getattr(one.param, "value", None) == "coordinates" for one in given)

    def _moves(self, ref: Ref) -> bool:
        cell = self.done.get(ref.cell)
        return cell is not None and cell.moves and not (ref.number and ref.cell in self.repicked)

    def _sent(self, name: str, partner: str) -> tuple[Change, ...]:
        """What differs between two known requests, for all reasons that are not found in the recipe."""
        one, two = self.before.planner.planned[partner].bound, self.after.planner.planned[name].bound
        assert one is not None
        assert two is not None
        scopes = self.before.planner.graph.scope, self.after.planner.graph.scope
        before, after = Request(one, scopes[0], str), Request(two, scopes[1], str)
        found = tuple(change(item, before, after) for item in differing(before, after))
        return found or (Change(path="request", before=one.calls[0].key[:12], after=two.calls[0].key[:12]),)

    def _result(self, name: str, partner: str) -> Iterator[Change]:
        """What became of the pictures of an unchanged request."""
        old, new = self.before.settled(partner), self.after.settled(name)
        if old is None or new is None:
            if old is not None or new is not None:
                yield Change(path="picture", before=_digest(old), after=_digest(new))
            return
        if _digests(old) != _digests(new):
            one, two = self.before.chosen(partner) or _first(old), self.after.chosen(name) or _first(new)
            if _same(one, two):
                return
            yield Change(path="picture", before=_named(one), after=_named(two))
        elif old.pick != new.pick and not _same(self.before.chosen(partner), self.after.chosen(name)):
            self.repicked.add(name)
            yield Change(path="pick", before=_number(old), after=_number(new))


def _paired(new: Sequence[str], gone: Sequence[str], here: object, there: object) -> dict[str, str]:
    """Names of the head to names of the base that have the same mark, each taken once."""
    marks: dict[object, list[str]] = {}
    for name in gone:
        mark = there(name)  # type: ignore[operator]
        if mark is not None:
            marks.setdefault(mark, []).append(name)
    found = {}
    for name in new:
        same = marks.get(here(name))  # type: ignore[operator]
        if same:
            found[name] = same.pop(0)
    return found


def _declared(old: Cell, new: Cell) -> Iterator[Change]:
    """What is written beside the request."""
    one, two = old.model, new.model
    if one is not None and two is not None and (one.id, one.provider) != (two.id, two.provider):
        names = (one.id, two.id) if one.id != two.id else (one.provider, two.provider)
        path = "model" if one.id != two.id else "provider"
        yield Change(path=path, before=names[0], after=names[1], span=new.step.model.span, was=old.step.model.span)
    if old.step.variants != new.step.variants:
        span, was = new.step.variants_span or new.step.span, old.step.variants_span or old.step.span
        yield Change(path="variants", before=old.step.variants, after=new.step.variants, span=span, was=was)


def _models(before: Side, after: Side) -> tuple[str, ...]:
    """Models that both sides use and that are described in another way now."""
    old = {cell.model.id: cell.model.digest for cell in before.cells.values() if cell.model}
    new = {cell.model.id: cell.model.digest for cell in after.cells.values() if cell.model}
    return tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name]))


def _choosing(cell: Cell, planned: PlannedCell, *, known: bool) -> Choosing | None:
    if cell.step.pick.rule is not PickRule.HUMAN or planned.pick is None:
        return None
    if not planned.pick.is_open:
        return Choosing.KEPT
    return Choosing.STALE if known and planned.pick.choice is not Choice.NONE else Choosing.NEEDED


def _picked(side: Side, name: str) -> Pick | None:
    """The choice that stands for a cell's request; None where a rule chooses."""
    settled = side.settled(name)
    if settled is None or settled.pick.is_open or side.cells[name].step.pick.rule is not PickRule.HUMAN:
        return None
    return next((pick for pick in side.planner.lock.picks.values() if pick.for_ == settled.key), None)


def _paid(side: Side, planned: PlannedCell, known: Collection[str]) -> Nano | None:
    """What a cell's results cost, those of the `known` keys left out."""
    keys = [call.key or "" for call in planned.calls if call.decision is Decision.REUSE and call.key not in known]
    amounts = [side.paid[key] for key in keys if key in side.paid] if not planned.is_local else []
    found = [amount for amount in amounts if amount is not None]
    return sum(found) if len(found) == len(amounts) else None


def _digests(settled: Settled) -> list[str | None]:
    return [artifact.sha256 if artifact else None for artifact in settled.candidates]


def _first(settled: Settled) -> Artifact | None:
    return next((artifact for artifact in settled.candidates if artifact), None)


def _digest(settled: Settled | None) -> str | None:
    return _named(_first(settled)) if settled else None


def _named(artifact: Artifact | None) -> str | None:
    return f"sha256:{artifact.sha256}" if artifact else None


def _same(one: Artifact | None, two: Artifact | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.sha256 == two.sha256 or (one.pixels is not None and one.pixels == two.pixels)


def _number(settled: Settled) -> int | None:
    return None if settled.pick.is_open else settled.pick.number
