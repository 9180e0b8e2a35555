"""The same YAML written in another way: the order of keys, the style of every value, comments, anchors."""

import json
import re
from typing import Any

import yaml
from hypothesis.strategies import DrawFn, composite, permutations, sampled_from

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9 ]*[A-Za-z0-9]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def read(text: str) -> Any:
    """What is written, numbers as their text: they are written back as they stood."""
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """Numbers stay as they are written."""


class Bare(str):
    """A number, true, false or null as written."""

    __slots__ = ()


def _bare(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Bare:
    return Bare(loader.construct_scalar(node))


for _tag in ("int", "float", "bool", "null"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _bare)


@composite
def rewritten(draw: DrawFn, text: str) -> str:
    """Another text of the same value. Keys change places, but for the values of an axis: they order its cells."""
    lines = _Writer(draw).block(read(text), "", ())
    return "\n".join(line for line in lines if line) + "\n"


class _Writer:
    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.anchors = 0

    def block(self, value: Any, indent: str, path: tuple[str, ...]) -> list[str]:
        lines = []
        for key, item in self.ordered(value, path):
            if self.draw(sampled_from((False, False, True))):
                lines.append(f"{indent}# a note on {key}")
            lines += self.entry(f"{indent}{self.key(key)}:", item, indent, (*path, key))
        return lines

    def entry(self, head: str, item: Any, indent: str, path: tuple[str, ...]) -> list[str]:
        if isinstance(item, dict) and item and self.draw(sampled_from((True, False))):
            return [head, *self.block(item, indent + "  ", path)]
        if isinstance(item, list) and item and self.draw(sampled_from((True, False))):
            return [head, *(f"{indent}  - {self.flow(one, path)}" for one in item)]
        if type(item) is str and "\n" not in item and self.draw(sampled_from((True, False))):
            return [f"{head} >-", f"{indent}  {item}"] if item == item.strip() else [f"{head} {json.dumps(item)}"]
        anchor = ""
        if self.draw(sampled_from((False, False, True))):
            self.anchors += 1
            anchor = f"&anchor{self.anchors} "
        comment = self.draw(sampled_from(("", "", "   # as agreed")))
        return [f"{head} {anchor}{self.flow(item, path)}{comment}"]

    def flow(self, value: Any, path: tuple[str, ...]) -> str:
        if isinstance(value, dict):
            pairs = (f"{self.key(key)}: {self.flow(item, (*path, key))}" for key, item in self.ordered(value, path))
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self.flow(item, path) for item in value) + "]"
        return str(value) if isinstance(value, Bare) else self.text(value)

    def text(self, value: str) -> str:
        styles = ["double", "single"]
        if _SAFE.fullmatch(value) and value.lower() not in _WORDS:
            styles.append("plain")
        style = self.draw(sampled_from(styles))
        if style == "plain":
            return value
        single = value.replace("'", "''")
        return f"'{single}'" if style == "single" and "\n" not in value else json.dumps(value, ensure_ascii=False)

    def key(self, key: str) -> str:
        return self.draw(sampled_from((key, f'"{key}"')))

    def ordered(self, value: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, Any]]:
        items = list(value.items())
        if path[:1] == ("axes",) and len(path) == 2:
            return items
        return [(key, value[key]) for key in self.draw(permutations(list(value)))]
