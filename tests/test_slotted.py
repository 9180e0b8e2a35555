"""Our dataclasses against those of the standard library."""

import copy
import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

import flowrunner
from flowrunner import slotted

KINDS: list[dict[str, Any]] = [
    {"frozen": True, "kw_only": True},
    {"frozen": True},
    {"frozen": True, "eq": False},
    {"kw_only": True},
    {},
]


def _made(dataclass: Callable[..., Callable[[type], type]], field: Callable[..., Any], kind: Mapping[str, Any]) -> Any:
    @dataclass(slots=True, **kind)
    class Thing:
        """A thing."""

        name: str
        size: int = 3
        tags: list[str] = field(default_factory=list, repr=False)
        note: str = field(default="", compare=False)
        seen: dict[str, int] = field(default_factory=dict, init=False, compare=False)
        long: bool = field(init=False, repr=False)
        last: bool = field(default=False, kw_only=True)
        many: ClassVar[int] = 7

        def __post_init__(self) -> None:
            object.__setattr__(self, "long", self.size > self.many)

    return Thing


@pytest.fixture(params=KINDS, ids=str)
def twins(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """One class, ours and the standard library's."""
    ours = _made(slotted._dataclass, slotted._field, request.param)
    return ours, _made(dataclasses.dataclass, dataclasses.field, request.param)


def both(twins: tuple[Any, Any], ask: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What a question to either class gives, be it an exception."""

    def answer(cls: Any) -> Any:
        try:
            return ask(cls)
        except (TypeError, ValueError, AttributeError) as fault:
            return type(fault), str(fault)

    return answer(twins[0]), answer(twins[1])


ASKED: dict[str, Callable[[Any], Any]] = {
    "shown": lambda cls: repr(cls(name="a", tags=["b"])),
    "of its own": lambda cls: (cls(name="a").tags is cls(name="a").tags, cls(name="a").seen),
    "set": lambda cls: [
        (one.name, one.size, one.tags, one.note, one.long, one.last) for one in [cls(name="a", size=9)]
    ],
    "by place": lambda cls: cls("a", 2).size,
    "equal": lambda cls: cls(name="a", note="b") == cls(name="a", note="c"),
    "not equal": lambda cls: (cls(name="a") == cls(name="b"), cls(name="a") == "a", cls(name="a") != cls(name="a")),
    # Both at once: what is gone may leave its place, and with it its hash, to the next.
    "hashed": lambda cls: len({*map(hash, [cls(name="a", tags=()), cls(name="a", tags=(), note="c")])}),
    "assigned": lambda cls: setattr(cls(name="a"), "name", "b"),
    "deleted": lambda cls: delattr(cls(name="a"), "name"),
    "no value": lambda cls: cls(),
    "unknown": lambda cls: cls(name="a", nome="b"),
    "not given": lambda cls: cls(name="a", seen={}),
    "replaced": lambda cls: dataclasses.replace(cls(name="a", size=2), size=9).long,
    "not replaced": lambda cls: dataclasses.replace(cls(name="a"), seen={}),
    "as dict": lambda cls: dataclasses.asdict(cls(name="a")),
    "copied": lambda cls: repr(copy.deepcopy(cls(name="a", size=9))),
    "fields": lambda cls: [(one.name, one.type, one.init, one.compare) for one in dataclasses.fields(cls)],
    "matched": lambda cls: cls.__match_args__,
    "named": lambda cls: (cls.__name__, cls.__qualname__, cls.__module__, cls.__doc__, cls.many),
    "slots": lambda cls: hasattr(cls(name="a"), "__dict__"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_ours_answers_as_the_standard_librarys(twins: tuple[Any, Any], ask: Callable[[Any], Any]) -> None:
    ours, theirs = both(twins, ask)
    assert ours == theirs


def test_a_value_is_replaced_as_by_the_standard_library(twins: tuple[Any, Any]) -> None:
    ours = twins[0](name="a", size=2)
    changed = slotted.replace(ours, note="b", last=True)
    assert (changed.name, changed.size, changed.note, changed.last) == ("a", 2, "b", True)
    with pytest.raises(TypeError):
        slotted.replace(ours, nome="b")


def test_a_value_takes_no_field_that_its_class_has_not(twins: tuple[Any, Any]) -> None:
    with pytest.raises(AttributeError):
        twins[0](name="a").nome = "b"


def test_a_value_that_holds_itself_is_shown() -> None:
    @slotted.dataclass(slots=True)
    class Loop:
        inside: list[Any]

    loop = Loop([])
    loop.inside.append(loop)
    assert repr(loop).endswith("Loop(inside=[...])")


def test_a_class_that_adds_to_one_of_ours_sets_its_own_fields_too() -> None:
    @slotted.dataclass(frozen=True, slots=True)
    class Plain:
        name: str

    class More(Plain):
        def __init__(self, name: str) -> None:
            super().__init__(name + "!")

    assert [More("a").name, More("b").name, Plain("c").name] == ["a!", "b!", "c"]


def test_an_init_is_written_once_and_by_need() -> None:
    @slotted.dataclass(slots=True)
    class Plain:
        name: str

    assert Plain.__init__ is slotted._first
    Plain("a")
    written = Plain.__init__
    Plain("b")
    assert written is Plain.__init__ is not slotted._first


@pytest.mark.parametrize("body", [{"__annotations__": {"a": list}, "a": []}, {"__repr__": object.__repr__}])
def test_what_it_cannot_do_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        slotted._dataclass(slots=True)(type("Odd", (), body))


def _classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(flowrunner.__path__, "flowrunner."):
        if not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and value.__module__ == module.name:
                    yield value


def test_every_class_of_fields_is_one_of_ours_and_all_their_inits_can_be_written() -> None:
    ours = [cls for cls in _classes() if hasattr(cls, "__shape__")]
    assert len(ours) > 100
    assert [cls for cls in _classes() if dataclasses.is_dataclass(cls) and cls not in ours] == []
    assert all(callable(slotted._init(cls)) for cls in ours)
