"""A cell as bound: its request as a tree, with what stands in it for pictures that are not there yet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.call import Call, File, Link, replaced
from flowrunner.call import name as named
from flowrunner.digest import tagged
from flowrunner.graph import FromCell
from flowrunner.loading.cells import Cell
from flowrunner.pipeline import Level, Template
from flowrunner.problems import Problem
from flowrunner.slotted import dataclass, field
from flowrunner.source import Span
from flowrunner.store.locked import cell_key

Path: TypeAlias = tuple[str | int, ...]
Size: TypeAlias = tuple[int, int]
Known: TypeAlias = Callable[[FromCell], Sequence[Artifact] | None]
"""The images that a target means, None while they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is known of a cell that another one needs: of its request, and its `images`, None while they are not there.
    How many candidates it is planned to give, whether that is certain, and the size that it asks for."""

    candidates: int
    counted: bool
    size: Size | None
    images: tuple[Artifact, ...] | None


Asked: TypeAlias = dict[FromCell, Said]


@dataclass(frozen=True, slots=True)
class Pending:
    """An image that is not there yet. `size` is what its request asks for, where it says; `number` is that of the
    candidate, 0 for the one that is picked: there someone may have to choose first."""

    cell: str
    size: Size | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class PendingSize:
    """The size of an image that is not there yet; `size` is a legal one: what the image's request asks for, where it
    says, else a stand-in."""

    size: Size
    image: Pending

    @property
    def known(self) -> bool:
        return self.image.size is not None


class Nothing:
    """The value of a parameter that is not sent."""


NOTHING: Final = Nothing()
UNTOLD: Final = Link("https://unknown.invalid/")
"""Stands for an image of which nothing is known: of an input without a value, or of a reference that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCheck:
    """One assertion on the picture of one cell. Images in `params` are Artifact leaves, or Pending."""

    name: str
    level: Level
    params: Mapping[str, Any]
    span: Span

    @property
    def pictures(self) -> tuple[Artifact, ...]:
        """What it compares with."""
        return tuple(leaf for leaf in self.params.values() if isinstance(leaf, Artifact))

    @property
    def key(self) -> str:
        """The digest of what is asserted, whatever it means when it does not hold."""
        return tagged("check/1", [self.name, replaced(self.params, named)])


@dataclass(slots=True, kw_only=True)
class Bound:
    """A cell as bound. `calls` is empty while something of the request is pending or unknown, and where there are
    errors."""

    cell: Cell
    params: dict[str, Any]
    calls: tuple[Call, ...] = ()
    pending: tuple[Pending, ...] = ()
    """Images that are not known yet, each once; of some only the size is asked for. Those that only a check compares
    with are among them: its cell comes after theirs."""
    problems: list[Problem] = field(default_factory=list)
    origins: dict[Path, Span] = field(default_factory=dict)
    """Where each value is written."""
    templates: dict[Path, Template] = field(default_factory=dict)
    """The template that gave each value, where one did."""
    images: int = 1
    """Images that one call is planned to give."""
    counted: bool = True
    """Whether that is known."""
    size: Size | None = None
    """Size that the result is asked to have, where that is known."""
    checks: tuple[BoundCheck, ...] = ()
    """What its picture is to be held against."""
    asked: Asked = field(default_factory=dict)
    """What it follows from, of other cells."""
    _key: str = field(init=False, default="")

    @property
    def key(self) -> str:
        """The cell's key, of all its calls. It is made once: many ask for it."""
        self._key = self._key or cell_key([call.key for call in self.calls])
        return self._key

    @property
    def awaited(self) -> tuple[str, ...]:
        """The cells whose images are not known yet."""
        return tuple(dict.fromkeys(image.cell for image in self.pending))

    @property
    def picks(self) -> tuple[str, ...]:
        """Those of them whose picked image is meant, not one that a number names."""
        return tuple(dict.fromkeys(image.cell for image in self.pending if not image.number))

    @property
    def candidates(self) -> int:
        return self.images * self.cell.step.variants

    @property
    def input_sizes(self) -> list[Size | None]:
        """The sizes of the images that are sent, in order, for the price."""
        return [size_of(leaf) for leaf in images_in(self.params)]

    @property
    def span(self) -> Span:
        return self.cell.step.span


def walk(tree: Any) -> Iterator[Any]:
    """The leaves of a request, in order."""
    if not isinstance(tree, (dict, list)):
        yield tree
        return
    for item in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(item, (dict, list)):
            yield from walk(item)
        else:  # most are: a generator for each would cost more than all else
            yield item


def images_in(tree: Any) -> Iterator[Artifact | Link | Pending]:
    """The images of a request, in order."""
    return (leaf for leaf in walk(tree) if isinstance(leaf, (Artifact, Link, Pending)))


def pending_in(tree: Any) -> tuple[Pending, ...]:
    """What of a request is not there yet, each once."""
    found = [leaf for leaf in walk(tree) if isinstance(leaf, (Pending, PendingSize))]
    return tuple(dict.fromkeys(leaf.image if isinstance(leaf, PendingSize) else leaf for leaf in found))


def input_artifacts(bound: Bound) -> list[Artifact | File]:
    """Inputs of which the bytes may be needed."""
    return [leaf for leaf in walk(bound.params) if isinstance(leaf, (Artifact, File))]


def size_of(leaf: Any) -> Size | None:
    """The size of an image, in pixels as displayed, where it is known."""
    if isinstance(leaf, Artifact):
        return (leaf.width, leaf.height) if leaf.width else None
    return leaf.size if isinstance(leaf, Pending) else None


def standing(tree: Any) -> Any:
    """The request as a schema and a price see it: each image stands as a URL, a pending size as a legal one."""
    if isinstance(tree, dict):
        return {key: standing(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [standing(item) for item in tree]
    if isinstance(tree, Link):
        return tree.text
    if isinstance(tree, (Artifact, Pending, File)):
        return "https://picture.invalid/"
    if isinstance(tree, PendingSize):
        return {"width": tree.size[0], "height": tree.size[1]}
    return tree
