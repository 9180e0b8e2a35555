"""Dataclasses that cost little: `dataclass`, `field` and `replace` of the standard library, for classes with slots.

The standard library compiles up to six functions for every class, used or not: two fifths of what a small `plan` did
was that. Here all classes share their methods, and an `__init__` is compiled when the first value is made; it fills a
frozen value's slots directly, in three fifths of the time. Type checkers see the standard library's own, and its
functions (`fields`, `replace`, `asdict`) take the values. What nobody here asks for is left out: inheritance of fields,
order, classes without slots, methods of one's own in the place of those that are made.
"""

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeVar

__all__ = ["dataclass", "field", "replace"]

_Class = TypeVar("_Class", bound=type)
_Value = TypeVar("_Value", bound=Any)


_MADE = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}


class _Part:
    """A field: its name, its annotation, and what `field` was given for it."""

    __slots__ = ("annotation", "name", "options")

    def __init__(self, name: str, annotation: Any, options: Mapping[str, Any]) -> None:
        self.name, self.annotation, self.options = name, annotation, options

    def is_in(self, what: Literal["init", "repr", "compare"]) -> bool:
        return bool(self.options.get(what, True))

    @property
    def is_set(self) -> bool:
        """Whether `__init__` gives it a value; `__post_init__` may."""
        return self.is_in("init") or "default" in self.options or "default_factory" in self.options


class _Options(dict[str, Any]):
    """What stands in the place of a default where `field` was called."""


class _Shape:
    """All that the methods of a class know of it."""

    __slots__ = ("frozen", "given", "keyed", "parts", "values")

    def __init__(self, parts: tuple[_Part, ...], *, frozen: bool, keyed: bool) -> None:
        self.parts, self.frozen, self.keyed = parts, frozen, keyed
        compared = [part.name for part in parts if part.is_in("compare")]
        self.values: Callable[[Any], Any] = attrgetter(*compared) if compared else type
        self.given = [part.name for part in parts if part.is_in("init")]

    @property
    def positional(self) -> list[_Part]:
        return [part for part in self.parts if part.is_in("init") and not part.options.get("kw_only", self.keyed)]

    @property
    def named(self) -> list[_Part]:
        return [part for part in self.parts if part.is_in("init") and part.options.get("kw_only", self.keyed)]


class _Fields:
    """What the standard library's functions look for in a class; made when they do."""

    def __get__(self, value: object, owner: Any) -> Any:
        from dataclasses import field, make_dataclass

        shape = [(part.name, part.annotation, field(**part.options)) for part in owner.__shape__.parts]
        twin: Any = make_dataclass(owner.__name__, shape, kw_only=True)
        return twin.__dataclass_fields__


def _dataclass(
    *, slots: Literal[True], frozen: bool = False, kw_only: bool = False, eq: bool = True
) -> Callable[[_Class], _Class]:
    assert slots, "without them it is the standard library's"

    def made(cls: _Class) -> _Class:
        assert not hasattr(cls, "__shape__"), "fields are not inherited"
        assert not _MADE & cls.__dict__.keys(), "its methods would be lost"
        shape = _Shape(tuple(_parts(cls)), frozen=frozen, keyed=kw_only)
        names = tuple(part.name for part in shape.parts)
        body = {name: value for name, value in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")}
        body |= {"__slots__": names, "__match_args__": tuple(part.name for part in shape.positional)}
        body |= {"__shape__": shape, "__dataclass_fields__": _Fields(), "__init__": _first, "__repr__": _shown}
        if frozen:
            body |= {"__setattr__": _assigned, "__delattr__": _deleted}
            body |= {"__getstate__": _state, "__setstate__": _restored}
        if eq:
            body |= {"__eq__": _equal, "__hash__": _hashed if frozen else None}
        new: _Class = type(cls)(cls.__name__, cls.__bases__, body | {"__qualname__": cls.__qualname__})
        return new

    return made


def _parts(cls: type) -> Iterator[_Part]:
    for name, annotation in cls.__annotations__.items():
        if getattr(annotation, "__origin__", None) is ClassVar:
            continue
        given = cls.__dict__.get(name, _Options())
        options = given if isinstance(given, _Options) else {"default": given}
        assert getattr(options.get("default"), "__hash__", None), f"all would share the default of {name}"
        yield _Part(name, annotation, options)


def _field(**options: Any) -> Any:
    return _Options(options)


def _replace(value: _Value, /, **changes: Any) -> _Value:
    for name in value.__shape__.given:
        if name not in changes:
            changes[name] = getattr(value, name)
    made: _Value = type(value)(**changes)
    return made


def _first(self: Any, *args: Any, **kwargs: Any) -> None:
    """The `__init__` of a class of which there is no value yet: it puts the true one in its own place."""
    cls: Any = next(cls for cls in type(self).__mro__ if "__shape__" in cls.__dict__)
    cls.__init__ = _init(cls)
    cls.__init__(self, *args, **kwargs)


def _init(cls: Any) -> Callable[..., None]:
    shape: _Shape = cls.__shape__
    known: dict[str, Any] = {"__absent": _Options}
    for part in shape.parts:
        known["__set_" + part.name] = getattr(cls, part.name).__set__
        known["__make_" + part.name] = part.options.get("default_factory")
        known["__default_" + part.name] = part.options.get("default")
    lines = [f"__set_{part.name}(self, {_value(part)})" for part in shape.parts if part.is_set]
    lines += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    named = ["*", *map(_parameter, shape.named)] if shape.named else []
    parameters = ", ".join(["self", *map(_parameter, shape.positional), *named])
    exec(f"def __init__({parameters}):\n " + "\n ".join([*lines, "return"]), known)  # noqa: S102  # names, no texts
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _parameter(part: _Part) -> str:
    if "default" in part.options:
        return f"{part.name}=__default_{part.name}"
    return f"{part.name}=__absent" if "default_factory" in part.options else part.name


def _value(part: _Part) -> str:
    """What `__init__` puts into a field."""
    made = f"__make_{part.name}()"
    if not part.is_in("init"):
        return made if "default_factory" in part.options else f"__default_{part.name}"
    return f"{made} if {part.name} is __absent else {part.name}" if "default_factory" in part.options else part.name


@recursive_repr()
def _shown(self: Any) -> str:
    shown = [f"{part.name}={getattr(self, part.name)!r}" for part in self.__shape__.parts if part.is_in("repr")]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _equal(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    values = self.__shape__.values
    return values(self) == values(other)


def _hashed(self: Any) -> int:
    return hash(self.__shape__.values(self))


def _assigned(_: object, name: str, __: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _deleted(_: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, part.name) for part in self.__shape__.parts]


def _restored(self: Any, state: list[Any]) -> None:
    for part, value in zip(self.__shape__.parts, state, strict=True):
        object.__setattr__(self, part.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _field, _replace
