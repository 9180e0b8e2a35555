"""A pipeline as written: decoded from YAML, before anything is combined, rendered or looked up."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from flowrunner.money import Nano
from flowrunner.nodes import MapNode, Node, Scalar
from flowrunner.slotted import dataclass, field
from flowrunner.source import Source, Span

if TYPE_CHECKING:
    from flowrunner.templates import Compiled


class Selector(StrEnum):
    """Which images of a step a reference means."""

    PICKED = "picked"
    CANDIDATE = "candidate"
    IMAGES = "images"
    GATHER = "gather"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRef:
    """`$step`, `$step.N` (`number`, from 1), `$step.images` or `$step.*`."""

    step: str
    selector: Selector
    number: int = 0
    span: Span

    def __str__(self) -> str:
        tail = {Selector.CANDIDATE: f".{self.number}", Selector.IMAGES: ".images", Selector.GATHER: ".*"}
        return f"${self.step}{tail.get(self.selector, '')}"

    @property
    def is_list(self) -> bool:
        return self.selector in (Selector.IMAGES, Selector.GATHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """`$inputs.NAME`: an image that is given."""

    name: str
    span: Span

    def __str__(self) -> str:
        return f"$inputs.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisRef:
    """`$axis.NAME.FIELD`, deeper fields allowed: an image that a value of an axis names."""

    axis: str
    fields: tuple[str, ...]
    span: Span

    def __str__(self) -> str:
        return "$axis." + ".".join((self.axis, *self.fields))


ImageRef: TypeAlias = StepRef | InputRef | AxisRef


@dataclass(frozen=True, slots=True)
class Template:
    """Text with Jinja in it."""

    compiled: "Compiled"
    scalar: Scalar

    @property
    def span(self) -> Span:
        return self.scalar.span


@dataclass(frozen=True, slots=True)
class TextFile:
    """`{file: PATH}`: a template that lies beside the file in which the path is written."""

    path: Scalar
    span: Span


@dataclass(frozen=True, slots=True)
class SizeOf:
    """`{size_of: $ref}`: the size of another image."""

    ref: ImageRef
    span: Span


@dataclass(frozen=True, slots=True)
class ListParam:
    """A list whose items may be templates and references."""

    items: tuple["Param", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MapParam:
    """A mapping whose values may be templates."""

    entries: Mapping[str, "Param"]
    keys: Mapping[str, Span]
    span: Span


@dataclass(frozen=True, slots=True)
class Faulty:
    """A value that is wrong in itself: that is told already, and it stands in for what was meant."""

    span: Span


Param: TypeAlias = Scalar | Template | TextFile | SizeOf | StepRef | InputRef | AxisRef | ListParam | MapParam | Faulty
"""The value of a parameter as written. A Scalar is literal: neither template nor reference."""


def leaves(param: Param) -> Sequence[Param]:
    """The values of a parameter that hold no others, in order."""
    if not isinstance(param, (ListParam, MapParam)):
        return (param,)
    items = param.items if isinstance(param, ListParam) else param.entries.values()
    return [leaf for item in items for leaf in leaves(item)]


def references(param: Param) -> Iterator[tuple[ImageRef, bool]]:
    """Every reference in a parameter, and whether only the size of the image is asked for."""
    for leaf in leaves(param):
        if isinstance(leaf, (StepRef, InputRef, AxisRef)):
            yield leaf, False
        elif isinstance(leaf, SizeOf):
            yield leaf.ref, True


def templates(param: Param) -> Iterator[Template]:
    """Every template in a parameter."""
    return (leaf for leaf in leaves(param) if isinstance(leaf, Template))


@dataclass(frozen=True, slots=True)
class Given:
    """A parameter with its key's place."""

    param: Param
    key: Span


class PickRule(StrEnum):
    """Who chooses among a cell's candidates."""

    FIRST = "first"
    NUMBER = "number"
    HUMAN = "human"
    CHECK = "check"

    @property
    def has_spares(self) -> bool:
        """A cell goes on with the candidates it has where some of its samples failed."""
        return self in (PickRule.HUMAN, PickRule.CHECK)


@dataclass(frozen=True, slots=True)
class Pick:
    """`pick`: a rule, with a number (from 1) where the rule is a number."""

    rule: PickRule = PickRule.FIRST
    number: int = 1
    span: Span | None = None


class Level(StrEnum):
    """What it means when a check does not hold."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One assertion on a step's picture, as written: `name` is one of `catalog.assertions`."""

    name: str
    params: Mapping[str, Given]
    level: Level = Level.FAIL
    span: Span
    """Where its name is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Parameters for the cells at `at`: axis name to id as written."""

    at: Mapping[str, str]
    params: Mapping[str, Given]
    span: Span
    places: Mapping[str, Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step as written."""

    id: str
    span: Span
    """Where its id is written."""
    body: Span | None = None
    """What is written of it behind that."""
    model: Scalar | Template
    provider: str | None = None
    provider_span: Span | None = None
    params: Mapping[str, Given] = field(default_factory=dict)
    params_span: Span | None = None
    across: tuple[str, ...] = ()
    across_at: Mapping[str, Span] = field(default_factory=dict)
    """Where each axis is named."""
    variants: int = 1
    variants_span: Span | None = None
    pick: Pick = Pick()
    when: Template | None = None
    otherwise: ImageRef | None = None
    """`else`."""
    overrides: tuple[Override, ...] = ()
    after: tuple[tuple[str, Span], ...] = ()
    checks: tuple[Check, ...] = ()
    timeout: float | None = None
    description: str = ""

    @property
    def whole(self) -> Span:
        """From its id to its end; by an alias its body may stand elsewhere."""
        end = self.body.end if self.body is not None and self.body.file == self.span.file else self.span.end
        return Span(self.span.source, self.span.start, max(self.span.end, end))

    @property
    def written(self) -> Iterator[Param]:
        """Every parameter of `with`, of the overrides and of the checks, by themselves."""
        yield from (given.param for given in self.params.values())
        yield from (given.param for check in self.checks for given in check.params.values())
        for override in self.overrides:
            yield from (given.param for given in override.params.values())

    @property
    def compared(self) -> Iterator[ImageRef]:
        """The references of its checks."""
        params = (given.param for check in self.checks for given in check.params.values())
        yield from (ref for param in params for ref, _ in references(param))

    @property
    def templates(self) -> Iterator[Template]:
        """Every template of the step."""
        yield from (one for one in (self.model, self.when) if isinstance(one, Template))
        for param in self.written:
            yield from templates(param)


class InputType(StrEnum):
    """What an input takes."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """A declared input. `default` is None where there is none (a Scalar holding null where null is the default)."""

    name: str
    span: Span
    type: InputType = InputType.STRING
    enum: tuple[Any, ...] = ()
    default: Scalar | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisValue:
    """One value of an axis: `id` as written, `slug` for cell ids, and either a scalar or named fields."""

    id: str
    slug: str
    node: Scalar | MapNode
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis with its values in order."""

    name: str
    values: tuple[AxisValue, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """`outputs.NAME`: what is published, and under which names."""

    name: str
    span: Span
    ref: StepRef
    name_as: Scalar | Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps in nano-dollars: of one run, and of all runs of this pipeline."""

    max_usd: Nano | None = None
    total_usd: Nano | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One pipeline with its includes merged in."""

    source: Source
    name: str
    description: str = ""
    provider: str | None = None
    provider_span: Span | None = None
    vars: Mapping[str, Node] = field(default_factory=dict)
    budget: Budget = Budget()
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    axes: Mapping[str, Axis] = field(default_factory=dict)
    unclear: frozenset[str] = frozenset()
    """Axes that are declared, but not so that their values are known: it is told already what is wrong with them."""
    incomplete: bool = False
    """An include, or a group of names, could not be read: a name that nothing declares may stand there."""
    defaults: Mapping[str, Given] = field(default_factory=dict)
    timeout: float | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    previews: int | None = None
    """Pixels of the longest side of the small pictures beside the lock; None for no such pictures."""

    @property
    def file(self) -> str:
        """Path from the project root."""
        return self.source.name
