# ruff: noqa: E501  # a table of payloads, one a line
"""Projects that want more time or memory than anybody has: by one file, by many, by names, folders and links.

Each plants itself in a folder and gives the path that a command is asked about."""

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from hostile_made import EDIT, HEAD, PRO, png
from hostile_places import crossed, steps

Plant: TypeAlias = Callable[[Path], str]
MOST = 4 * 1024 * 1024 - 300


def _files(files: Mapping[str, str | bytes]) -> Plant:
    def plant(folder: Path) -> str:
        for name, content in {"flowrunner.toml": "", **files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return "show.yaml"

    return plant


def _text(text: str) -> Plant:
    return _files({"show.yaml": text})


def _filled(fill: str) -> Plant:
    return _text(fill * (MOST // len(fill.encode())))


def _templated(text: str) -> Plant:
    return _text(steps(json.dumps(text), "vars: {x: 1}\n"))


def _each(line: str, count: int, head: str = "") -> str:
    """A pipeline with the step `line` so many times: `%(n)d` is its number, `%(before)d` that of the one before."""
    return f"{HEAD}{head}steps:\n" + "".join(f"  s{n}: {line % {'n': n, 'before': n - 1}}\n" for n in range(count))


def _listed(item: str, count: int) -> str:
    return ",".join(item % number for number in range(count))


def _edits(before: str, count: int) -> str:
    return _each(f"{{model: {EDIT}, with: {{prompt: x, image_urls: [{before}]}}}}", count)


def _own(schema: Any, value: str, cells: int = 1) -> Plant:
    """A pipeline of a model of its own, whose field `extra` has the schema."""
    fields = {"prompt": {"type": "string"}, "extra": schema}
    model = {"id": "own/model", "provider": "aimlapi", "path": "/v1/x"}
    axis = f"axes: {{n: [{_listed('v%d', cells)}]}}\n"
    step = f"  a: {{across: n, model: own/model, with: {{prompt: '{{{{ axis.n }}}}', extra: {value}}}}}\n"
    request = {"type": "object", "properties": fields}
    return _files(
        {"show.yaml": f"{HEAD}{axis}steps:\n{step}", "schemas/own.json": json.dumps({**model, "request": request})}
    )


def _many(folder: str, count: int, name: str, content: str | bytes, pipeline: str) -> Plant:
    """A folder of so many files, `%d` in their names."""

    def plant(root: Path) -> str:
        (root / folder).mkdir()
        data = content if isinstance(content, bytes) else content.encode()
        for number in range(count):
            handle = os.open(root / folder / (name % number), os.O_CREAT | os.O_WRONLY)
            os.write(handle, data)
            os.close(handle)
        return _text(pipeline)(root)

    return plant


def _link(name: str, to: str) -> Plant:
    def plant(root: Path) -> str:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).symlink_to(to)
        return _text(steps())(root)

    return plant


def _deep_folders(root: Path) -> str:
    here = os.open(root, os.O_RDONLY)
    for name in ("schemas", *(["d"] * 200)):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return _text(steps())(root)


def _nested(key: str, count: int, inner: Any) -> Any:
    for _ in range(count):
        inner = {key: inner}
    return inner


def _evaluated(count: int) -> Any:
    schema: Any = {"type": "array"}
    for number in range(count):
        schema = {"allOf": [schema, {"contains": {"const": number}}], "unevaluatedItems": False}
    return schema


_FILLED = ("[", "{", "- ", "? ", "&a ", '"', "|\n", ": ", ",", "\n", "\r", "\t", "---\n", "é", "\u2028", "- a\n", "{}")
_TEMPLATES = {
    "braces": "{{" * 500_000,
    "blanks": "{{" + " " * 2_000_000 + "vars.x }}",
    "comments": "{#" * 700_000,
    "raw": "{% raw %}" * 300_000,
    "digits": "{{ " + "1_" * 300_000 + "1 }}",
    "parentheses": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
    "signs": "{{ " + "-" * 50_000 + "1 }}",
    "name": "{{ vars." + "a" * 2_000_000 + " }}",
    "backslashes": "{{ '" + "\\\\" * 900_000 + " }}",
}
_AXIS = f"axes: {{n: [{_listed('v%d', 1000)}]}}\n"
_CROSSED = f"{HEAD}{_AXIS}steps: {{a: {{across: n, model: {PRO}, with: {{prompt: '%s{{{{ axis.n }}}}'}}}}}}\n"

GIANTS: Mapping[str, Callable[[], Plant]] = {
    **{f"a file of {fill!r}": partial(_filled, fill) for fill in _FILLED},
    **{f"a template of {name}": partial(_templated, text) for name, text in _TEMPLATES.items()},
    "as many values as may be": lambda: _files({"show.yaml": steps(top=f"vars: {{x: [{'1,' * 299_000}]}}\n")}),
    "as many through aliases": lambda: _text(steps(top="vars: {x: [&a [" + "1," * 540 + "]," + "*a," * 540 + "]}\n")),
    "directives": lambda: _text("".join(f"%TAG !e{n}! tag:x{n},2000:\n" for n in range(60_000)) + "---\na: 1\n"),
    "a long path": lambda: _text(f"{HEAD}steps: {{a: {{model: {EDIT}, with: {{prompt: x, image_urls: [{'p/' * 900_000}x.png]}}}}}}\n"),
    "a long way up": lambda: _text(steps(top=f"include: [{'../' * 100_000}x.yaml]\n")),
    "a long model": lambda: _text(f"{HEAD}steps: {{a: {{model: {'a' * 900_000}, with: {{prompt: x}}}}}}\n"),
    "a long value": lambda: _text(crossed(f"[{'v' * 900_000}]")),
    "many templates": lambda: _files({"show.yaml": _each(f"{{model: {PRO}, when: vars.x == %(n)d, with: {{prompt: '{{{{ vars.x }}}} %(n)d'}}}}", 20_000, "vars: {x: 1}\n")}),
    "many long templates": lambda: _text(
        steps(f"x, foo: [{_listed(chr(34) + '{{ ' + ' ~ '.join(['vars.x'] * 60) + ' }}%d' + chr(34), 5000)}]", "vars: {x: 1}\n")
    ),
    "a long cycle": lambda: _files({"show.yaml": _edits("$s%(before)d", 9000).replace("$s-1", "$s8999")}),
    "many short cycles": lambda: _text(f"{HEAD}steps:\n" + "".join(f"  s{n}: {{model: {EDIT}, with: {{prompt: x, image_urls: [$s{n ^ 1}]}}}}\n" for n in range(4000))),
    "a knot": lambda: _text(_each(f"{{model: {PRO}, after: [{_listed('s%d', 400)}], with: {{prompt: x}}}}", 400)),
    "a thousand edits": lambda: _text(_edits("$s%(before)d", 1000).replace("[$s-1]", "[https://example.com/x.png]")),
    "a thousand sizes": lambda: _text(
        f"{HEAD}steps:\n  s0: {{model: {PRO}, with: {{prompt: x}}}}\n"
        + "".join(f"  s{n}: {{model: {EDIT}, with: {{prompt: x, image_urls: [$s{n - 1}], image_size: {{size_of: $s{n - 1}}}}}}}\n" for n in range(1, 1000))
    ),
    "a gather of a thousand": lambda: _text(_CROSSED % "" + "  # \n" + "outputs: {all: $a.*}\n"),
    "sixteen thousand calls": lambda: _text(f"{HEAD}{_AXIS}steps: {{a: {{across: n, variants: 16, pick: human, model: {PRO}, with: {{prompt: '{{{{ axis.n }}}}'}}}}}}\n"),
    "a thousand overrides": lambda: _text(f"{HEAD}{_AXIS}steps: {{a: {{across: n, model: {PRO}, with: {{prompt: x}}, overrides: [{_listed('{at: {n: v%d}, with: {seed: 1}}', 1000)}]}}}}\n"),
    "many inputs": lambda: _files({"show.yaml": steps(top="inputs:\n" + "".join(f"  i{n}: {{default: {n}}}\n" for n in range(20_000)))}),
    "an axis of long texts": lambda: _many("p", 60, "%d.md", "x" * MOST, crossed("{from: p/*.md}")),
    "an axis of long lists": lambda: _many("p", 20, "%d.yaml", "x: [" + "1," * 149_000 + "]", crossed("{from: p/*.yaml}")),
    "many includes": lambda: _text(steps(top=f"include: [{'shared.yaml,' * 50_000}]\n")),
    "many includes that are there": lambda: _many("i", 3000, "%d.yaml", "flowrunner: 1\n", steps(top=f"include: [{_listed('i/%d.yaml', 3000)}]\n")),
    "an axis of empty cells": lambda: _files({"show.yaml": crossed("{from: d.csv, key: c0}"), "d.csv": _listed("c%d", 40) + "\n" + "".join(f"r{n}{',' * 39}\n" for n in range(49_000))}),
    "one table for many axes": lambda: _files(
        {"d.csv": "k,b\n" + "".join(f"r{n},x\n" for n in range(40_000)), "show.yaml": f"{HEAD}axes:\n" + "".join(f"  n{n}: {{from: d.csv, key: k}}\n" for n in range(90)) + f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}}}\n"}
    ),
    "JSON of empty lists": lambda: _files({"show.yaml": crossed("{from: d.json}"), "d.json": '{"x": {"s": "\\/", "l": [' + "[]," * 1_200_000 + "[]]}}"}),
    "alternatives of objects": lambda: _own({"type": "array", "items": {"anyOf": [{"required": [f"a{n}"]} for n in range(900)]}}, "[" + "{b: 1}," * 9000 + "]"),
    "alternatives of patterns": lambda: _own({"type": "array", "items": {"anyOf": [{"pattern": f"^a+b{n}"} for n in range(900)]}}, "[" + "aaaaaaa," * 100 + "]", 200),
    "slow patterns": lambda: _own({"type": "array", "items": {"pattern": "a*b*c"}}, "[" + ("a" * 990 + ",") * 2000 + "]"),
    "a tower of not": lambda: _own({"type": "array", "items": _nested("not", 30, {"type": "string"})}, "[" + "1," * 20_000 + "]"),
    "long values of an enum": lambda: _own({"type": "array", "items": {"enum": [{"a": list(range(100)), "b": n} for n in range(900)]}}, "[" + "{a: [1]}," * 4000 + "]"),
    "many values of an enum": lambda: _own({"type": "array", "items": {"enum": list(range(15_000))}}, "[" + "x," * 20_000 + "]"),
    "many contained": lambda: _own({"type": "array", "allOf": [{"contains": {"const": f"x{n}"}} for n in range(900)]}, "[" + "1," * 50_000 + "]"),
    "what is not evaluated": lambda: _own(_evaluated(12), f"[{_listed('%d', 3000)}]"),
    "unlike one another": lambda: _own({"type": "array", "items": {"maxItems": 200, "uniqueItems": True}}, "[" + (f"[{_listed('{a: %d}', 199)}],") * 100 + "]"),
    "a number in a schema": lambda: _files({"show.yaml": steps(), "schemas/x.json": '{"id": "own/x", "provider": "aimlapi", "path": "/v1/x", "request": {"type": "object", "properties": {"a": {"maximum": 1' + "0" * 400_000 + "}}}}"}),
    "large model files": lambda: _many("schemas", 30, "%d.json", json.dumps({"id": "x", "title": "x" * 900_000}), steps()),
    "many model files": lambda: _many("schemas", 1900, "%d.json", "{", steps()),
    "very many model files": lambda: _many("schemas", 30_000, "%d.txt", "", steps()),
    "model files far below": lambda: _deep_folders,
    "model files of the whole disk": lambda: _link("schemas", "/"),
    "model files behind a ring": lambda: _link("schemas", "schemas"),
    "state that is the whole disk": lambda: _link(".flowrunner", "/"),
    "state behind a ring": lambda: _link(".flowrunner", ".flowrunner"),
    "a ledger that is no file": lambda: _link(".flowrunner/ledger.db", "/dev/zero"),
    "a crowded folder": lambda: _many("p", 60_000, "%d.md", "", crossed("{from: p/*.md}")),
    "a crowded folder of pictures": lambda: _many("p", 60_000, "%d.png", "", crossed("{from: p/*.png}")),
    "a slow pattern of names": lambda: _many("p", 200, "a" * 200 + "%d.md", "", crossed("{from: 'p/" + "*a" * 40 + "x.md'}")),
    "a thousand pictures": lambda: _many(
        "p", 1000, "%d.png", png(64, 64), f"{HEAD}axes: {{n: {{from: p/*.png}}}}\nsteps: {{a: {{across: n, model: {EDIT}, with: {{prompt: x, image_urls: [$axis.n.file]}}}}}}\n"
    ),
    "a lock of line feeds": lambda: _files({"show.yaml": steps(), "show.lock.yaml": "lock: 1\n" + "\n" * 33_000_000}),
    "a lock of beginnings": lambda: _files({"show.yaml": steps(), "show.lock.yaml": "lock: 1\ncells:\n" + "  x:\n" * 5_000_000}),
    "a lock of brackets": lambda: _files({"show.yaml": steps(), "show.lock.yaml": "lock: 1\ncells:\n  a:\n    with: " + "[" * 32_000_000}),
    "a lock of one line": lambda: _files({"show.yaml": steps(), "show.lock.yaml": f"lock: 1\ncells: {{{_listed('a%d: {}', 1_500_000)}}}\n"}),
    "a lock of conflicts": lambda: _files({"show.yaml": steps(), "show.lock.yaml": "lock: 1\ncells:\n" + "<<<<<<< HEAD\n  a:\n=======\n  b:\n>>>>>>> x\n" * 400_000}),
    "settings of brackets": lambda: _files({"show.yaml": steps(), "flowrunner.toml": "a = " + "[" * 60_000}),
    "settings of tables": lambda: _files({"show.yaml": steps(), "flowrunner.toml": "".join(f"[a{n}]\n" for n in range(9000))}),
    "settings of a number": lambda: _files({"show.yaml": steps(), "flowrunner.toml": "timeout = 0x" + "f" * 50_000}),
    "a price without end": lambda: _files({"show.yaml": steps(), "flowrunner.toml": '[prices]\n"aimlapi:x" = {per = "image", first = 1e999999999}\n'}),
    "a thousand long texts in a join": lambda: _text(_CROSSED.replace("axes:", f"vars: {{x: [{'1,' * 20_000}]}}\naxes:") % "{{ vars.x | join }}"),
}  # fmt: skip
