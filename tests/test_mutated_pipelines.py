"""The examples with random changes: every one is judged, none breaks flowrunner, and what is sound can be planned."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from flowrunner import api
from flowrunner.errors import UsageError
from flowrunner.loading.document import parse
from flowrunner.nodes import plain
from flowrunner.source import Source

EXAMPLES = Path(__file__).parent.parent / "pipelines"
VALUES: list[Any] = [
    *(None, [], {}, 0, -1, 2.5, True, False, 9, 1e300, "é", "a\nb", "..", "human", "photo.png", "http://x", "asset:k"),
    *("$scene", "$scene.*", "$scene.2", "$nope", "$inputs.logo", "$axis.product.photo", "$frame"),
    *({"size_of": "$scene"}, {"file": "prompts/x.md"}, {"from": "*.yaml"}, ["$scene.images", "$scene"], {"a": ["$x"]}),
    *("{{ vars.x }}", "{{ axis.size.px }}", "{{ inputs.logo }}", "{{ none }}", "{{ axis.product }}", "{{ x"),
    *("product", ["product", "size"], "blackforestlabs/flux-2-edit", "image/contact-sheet", "x" * 5000),
]  # fmt: skip
_KEYS = """model with across variants pick when else overrides after timeout provider from as at default type enum key
file size_of prompt image_urls image_size seed num_images labels images image text box"""
KEYS = _KEYS.split()


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def changed(tree: Any, chance: random.Random) -> None:
    """One value is removed, copied elsewhere, replaced, or put under another key."""
    found = list(places(tree))
    if not found:
        return
    path = chance.choice(found)
    parent, value = at(tree, path[:-1]), chance.choice([at(tree, chance.choice(found)), chance.choice(VALUES)])
    match chance.randrange(6):
        case 0:
            del parent[path[-1]]
        case 1 if isinstance(parent, dict):
            parent[chance.choice(KEYS)] = copy.deepcopy(value)
        case _:
            parent[path[-1]] = copy.deepcopy(value)


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 60))])
def test_any_change_of_an_example_is_judged(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "pipelines"
    shutil.copytree(EXAMPLES, folder)
    (folder / "flowrunner.toml").touch()
    chance = random.Random(seed)
    for path in sorted(path for path in folder.glob("*.yaml") if "steps:" in path.read_text()):
        tree = plain(parse(Source(path.name, path.read_text())))
        for _ in range(chance.choice([1, 1, 2, 3, 4])):
            changed(tree, chance)
        path.write_text(json.dumps(tree, ensure_ascii=False))
        problems = api.validate(path, environment={"HOME": "/nonexistent"})
        if not any(problem.is_error for problem in problems):
            with suppress(UsageError):  # an input without a value
                api.plan(path, environment={"HOME": "/nonexistent"})
