"""Trees of plain data, changed at random: nodes deleted, doubled, swapped, retyped, texts replaced."""

import copy
from typing import Any, TypeAlias

from hypothesis import strategies as st

Path: TypeAlias = tuple[Any, ...]

WORDS = (
    "$a", "$a.2", "$a.images", "$a.*", "$b", "$b.*", "$inputs.logo", "$inputs.x", "$axis.n.file", "$$a", "$",
    "$a.0", "{{ axis.n }}", "{{ axis.n.id }}", "{{ axis.n.hex }}", "{{ vars.light }}", "{{ inputs.x }}",
    "{{ vars }}", "{{", "{% if vars.light %}x{% endif %}", "{{ vars.px }}", "{{ inputs.n + 1 }}",
    "{{ axis.n.id | int }}", "{{ nope }}", "https://example.com/x.png", "data:image/png;base64,AAAA",
    "asset:x", "photo.png", "../x", "/etc/passwd", ".env", "", "a", "b", "n", "m", "x", "logo",
    "image/resize", "image/contact-sheet", "blackforestlabs/flux-2-edit", "onemin", "png", "human", "first",
    "true", "coordinates", "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "\u001b[31m", "\u202e", "\ud7ff", "e\u0301", "::error::",
)  # fmt: skip
KEYS = (
    "model", "with", "across", "when", "else", "after", "pick", "variants", "overrides", "at", "from", "as",
    "key", "steps", "axes", "vars", "inputs", "outputs", "defaults", "include", "budget", "timeout",
    "provider", "prompt", "image_urls", "image_size", "seed", "num_images", "size_of", "file", "image",
    "images", "width", "height", "type", "default", "enum", "id", "a", "b", "n", "m", "x", "", "__proto__",
    "<<", "max_usd", "labels", "box", "text",
)  # fmt: skip

SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.sampled_from([None, True, False, 0, 1, -1, 2.5, 16, 17, 512, 1024, 2**53, -(2**53), 1e300, 0.1]),
    st.integers(-(2**60), 2**60),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(tree: Any, path: Path = ()) -> list[Path]:
    """The paths of all nodes."""
    found = [path]
    if isinstance(tree, dict):
        items: Any = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    else:
        return found
    for key, item in items:
        found += places(item, (*path, key))
    return found


def at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def put(tree: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    at(tree, path[:-1])[path[-1]] = value
    return tree


def mutant(draw: Any, tree: Any) -> Any:
    """The tree with one to four changes."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 4))):
        tree = _changed(draw, tree)
    return tree


def _changed(draw: Any, tree: Any) -> Any:
    paths = places(tree)
    path = draw(st.sampled_from(paths))
    match draw(st.sampled_from(["retype", "retype", "delete", "double", "swap", "rename", "add"])):
        case "retype":
            return put(tree, path, draw(VALUES))
        case "delete" if path:
            del at(tree, path[:-1])[path[-1]]
        case "double" if path and isinstance(at(tree, path[:-1]), list):
            at(tree, path[:-1]).insert(0, copy.deepcopy(at(tree, path)))
        case "swap":
            other = draw(st.sampled_from(paths))
            one, two = copy.deepcopy(at(tree, path)), copy.deepcopy(at(tree, other))
            if path[: len(other)] != other and other[: len(path)] != path:
                return put(put(tree, path, two), other, one)
        case "rename" if path and isinstance(at(tree, path[:-1]), dict):
            inner = at(tree, path[:-1])
            inner[draw(st.sampled_from(KEYS))] = inner.pop(path[-1])
        case "add" if isinstance(at(tree, path), dict):
            at(tree, path)[draw(st.sampled_from(KEYS))] = draw(VALUES)
    return tree


def torn(draw: Any, text: str) -> str:
    """The text with pieces cut out, doubled, or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        marks = st.sampled_from(["", text[start:end] * 2, *"{}[]:,&*!|>'\"%@`#?-\t\n\0"])
        text = text[:start] + draw(marks | st.text(max_size=3)) + text[end:]
    return text
