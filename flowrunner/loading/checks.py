"""`check` as written: a list of assertions, each a mapping of its name to what it takes, with `level` beside it."""

from flowrunner.catalog.assertions import ASSERTIONS, is_value
from flowrunner.loading.fields import Fields, did_you_mean
from flowrunner.loading.params import given, param
from flowrunner.nodes import ListNode, MapNode, Node, noun
from flowrunner.pipeline import Check, Given, Level

MAX_CHECKS = 32
_HOW = "write - size: {width: 1024, height: 1024}, one to a line"


def checks(node: Node, fields: Fields) -> tuple[Check, ...]:
    """The checks of a step, in order."""
    if not isinstance(node, ListNode):
        fields.add("type", "check is a list of assertions", node.span, _HOW)
        return ()
    if len(node.items) > MAX_CHECKS:
        fields.add("too-large", f"more than {MAX_CHECKS} checks on one step", node.span)
        return ()
    found = [_check(item, fields) for item in node.items]
    return tuple(check for check in found if check is not None)


def _check(node: Node, fields: Fields) -> Check | None:
    mapping = fields.mapping(node, "a check")
    if mapping is None:
        return None
    fields.known(mapping, (*ASSERTIONS, "level"), "a check")
    names = [name for name in mapping.entries if name in ASSERTIONS]
    level = _level(mapping, fields)
    if len(names) != 1:
        _not_one(mapping, names, fields)
        return None
    (name,) = names
    params = _params(name, mapping.entries[name], mapping, fields)
    return None if params is None else Check(name=name, params=params, level=level, span=mapping.key(name))


def _not_one(mapping: MapNode, names: list[str], fields: Fields) -> None:
    if names:
        message = f"{' and '.join(names)} are two checks"
        fields.add("check", message, mapping.key(names[1]), f"begin a line of its own: - {names[1]}: …")
    elif set(mapping.entries) <= {"level"}:
        fields.add("check", "this check asserts nothing", mapping.span, did_you_mean("", ASSERTIONS))


def _level(mapping: MapNode, fields: Fields) -> Level:
    if "level" not in mapping.entries:
        return Level.FAIL
    word = fields.one_of(mapping.entries["level"], "level", tuple(Level))
    return Level(word) if word else Level.FAIL


def _params(name: str, node: Node, whole: MapNode, fields: Fields) -> dict[str, Given] | None:
    if is_value(name):
        return {name: Given(param(node, fields), whole.key(name))}
    if not isinstance(node, MapNode):
        model = ASSERTIONS[name]
        hint = f"write {name}: {{{model.required[0]}: …}}"
        fields.add("type", f"{name} takes {', '.join(model.parameters)}; this is {noun(node)}", node.span, hint)
        return None
    if "level" in node.entries:
        hint = f"write - {name}: {{…}}, and level below it"
        fields.add("check", f"level stands beside {name}, not in it", node.key("level"), hint)
        node = MapNode({key: item for key, item in node.entries.items() if key != "level"}, node.span, node.keys)
    return given(node, fields)
