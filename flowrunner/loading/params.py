"""Parameters as written: what is a template, what is a `$` reference, what is literal."""

import re

from flowrunner.loading.fields import Fields
from flowrunner.nodes import ListNode, MapNode, Node, Scalar
from flowrunner.pipeline import (
    AxisRef,
    Faulty,
    Given,
    ImageRef,
    InputRef,
    ListParam,
    MapParam,
    Param,
    Selector,
    SizeOf,
    StepRef,
    Template,
    TextFile,
)
from flowrunner.problems import Problem, error
from flowrunner.source import Span
from flowrunner.templates import Compiled, TemplateProblem, expression, parse

MARKS = ("{{", "{%", "{#")
_REFERENCE = re.compile(
    r"\$(?:inputs\.(?P<input>[a-z][a-z0-9_]{0,63})"
    r"|axis\.(?P<axis>[a-z][a-z0-9_]{0,63})(?P<fields>(?:\.[^\s.]+)+)"
    r"|(?P<step>[a-z][a-z0-9_-]{0,63})(?:\.(?P<which>[1-9][0-9]{0,3}|images|\*))?)"
)


def reference(text: str, span: Span) -> ImageRef | None:
    """The reference that a whole text is, if it is one."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    if found["input"]:
        return InputRef(name=found["input"], span=span)
    if found["axis"]:
        return AxisRef(axis=found["axis"], fields=tuple(found["fields"][1:].split(".")), span=span)
    which = found["which"]
    if which is None:
        return StepRef(step=found["step"], selector=Selector.PICKED, span=span)
    if which.isdigit():
        return StepRef(step=found["step"], selector=Selector.CANDIDATE, number=int(which), span=span)
    selector = Selector.IMAGES if which == "images" else Selector.GATHER
    return StepRef(step=found["step"], selector=selector, span=span)


def param(node: Node, fields: Fields) -> Param:
    """A value of `with` as written."""
    if isinstance(node, ListNode):
        return ListParam(tuple(param(item, fields) for item in node.items), node.span)
    if isinstance(node, MapNode):
        return _mapping(node, fields)
    return _scalar(node, fields)


def given(node: MapNode, fields: Fields) -> dict[str, Given]:
    """The parameters of a `with` mapping by name."""
    return {name: Given(param(item, fields), node.key(name)) for name, item in node.entries.items()}


def template(scalar: Scalar, fields: Fields, *, bare: bool = False) -> Template | None:
    """Text with Jinja in it, or (`bare`) an expression without braces. None, with a problem noted, if it is not one."""
    text = scalar.value
    if not isinstance(text, str):
        return None
    try:
        compiled: Compiled = expression(text) if bare else parse(text)
    except TemplateProblem as fault:
        fields.problems.append(template_problem(fault, scalar))
        return None
    fields.meter.template(compiled, scalar.span)
    return Template(compiled, scalar)


def templated(node: Node, what: str, fields: Fields) -> Scalar | Template | None:
    text = fields.text(node, what)
    if text is None or not isinstance(node, Scalar):
        return None
    return template(node, fields) if any(mark in text for mark in MARKS) else node


def template_problem(fault: TemplateProblem, scalar: Scalar) -> Problem:
    """A template's fault at its place in the file."""
    span = scalar.span if fault.start is None else scalar.inside(fault.start, fault.end or fault.start)
    return error(fault.code, fault.message, span, fault.hint)


def _scalar(node: Scalar, fields: Fields) -> Param:
    text = node.value
    if not isinstance(text, str):
        return node
    if text.startswith("$"):
        ref = reference(text, node.span)
        if ref is not None:
            return ref
        if text.startswith("$$") and reference(text[1:], node.span):
            return Scalar(text[1:], node.span, node.style)
    if any(mark in text for mark in MARKS):
        return template(node, fields) or Faulty(node.span)
    return node


def _mapping(node: MapNode, fields: Fields) -> Param:
    if "size_of" in node.entries:
        return _size_of(node.entries["size_of"], node, fields)
    if set(node.entries) == {"file"} and isinstance(node.entries["file"], Scalar):
        return _text_file(node.entries["file"], node, fields)
    entries = {key: param(item, fields) for key, item in node.entries.items()}
    return MapParam(entries, node.keys, node.span)


def _size_of(node: Node, whole: MapNode, fields: Fields) -> Param:
    others = [name for name in whole.entries if name != "size_of"]
    if others:
        hint = f"leave out {' and '.join(others)}, or write width and height"
        fields.add("size-of", "size_of stands alone: it gives width and height", whole.key("size_of"), hint)
        return Faulty(whole.span)
    text = node.value if isinstance(node, Scalar) else None
    ref = reference(text, node.span) if isinstance(text, str) else None
    if ref is None or (isinstance(ref, StepRef) and ref.is_list):
        hint = "write a reference such as $portrait or $inputs.photo"
        fields.add("size-of", "size_of takes a reference to one image", node.span, hint)
        return Faulty(whole.span)
    return SizeOf(ref, whole.span)


def _text_file(node: Node, whole: MapNode, fields: Fields) -> Param:
    text = fields.text(node, "file")
    if text is None or not isinstance(node, Scalar):
        return Faulty(whole.span)
    if any(mark in text for mark in MARKS):
        fields.add("file", "the path of a text file is no template", node.span, "choose between files with `when`")
        return Faulty(whole.span)
    return TextFile(node, whole.span)
