"""Where a hostile text can stand in a project, and the small project around it."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from wire import png

Files = Mapping[str, str | bytes]

HEAD = "flowrunner: 1\nprovider: aimlapi\n"
STEP = "{model: blackforestlabs/flux-2-pro, with: {prompt: A vase}}"
EDIT = "blackforestlabs/flux-2-edit"
_UNPRINTABLE = re.compile(
    '[^\x20-\x7e\u00a1-\u1fff\u2030-\u2069\u2070-\ud7ff\ue000-\ufdff\ufe20-\ufefe\ufff0-\ufffb]|["\\\\]'
)


def quoted(text: str) -> str:
    """A text in YAML's double quotes, whatever it holds."""
    return '"' + _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08x}", text) + '"'


def steps(prompt: str = "A vase", top: str = "", step: str = "") -> str:
    """A pipeline of one step."""
    return f"{HEAD}{top}steps:\n  a:\n    model: blackforestlabs/flux-2-pro\n{step}    with: {{prompt: {prompt}}}\n"


def crossed(axis: str, more: str = "") -> str:
    """A pipeline of a step across the axis `n`, which is declared so."""
    step = "    across: n\n"
    return steps('"{{ axis.n.id }}"', f"axes: {{n: {axis}}}\n{more}", step)


def _own_model(schema: object, value: str) -> Files:
    request = {"type": "object", "properties": {"prompt": {"type": "string"}, "extra": schema}}
    model = {"id": "own/model", "provider": "aimlapi", "path": "/v1/x", "request": request}
    text = f"{HEAD}steps:\n  a:\n    model: own/model\n    with:\n      prompt: x\n      extra: {value}\n"
    return {"show.yaml": text, "schemas/own.json": json.dumps(model)}


def _request(text: str) -> Files:
    found = json.loads(text)
    return _own_model(found["schema"], found["value"])


def _image(text: str) -> Files:
    return {"show.yaml": f"{HEAD}steps:\n  a: {{model: {EDIT}, with: {{prompt: x, image_urls: [{quoted(text)}]}}}}\n"}


def _inputs(text: str) -> Files:
    top = "inputs: {x: {default: y}, n: {type: number, default: 1}, logo: {type: image, default: photo.png}}\n"
    return {"show.yaml": steps('"{{ inputs.x }}"', top), "given.yaml": text}


def _lock_input(text: str) -> Files:
    top = "inputs: {logo: {type: image, default: photo.png}}\n"
    edit = f"{HEAD}{top}steps:\n  a: {{model: {EDIT}, with: {{prompt: x, image_urls: [$inputs.logo]}}}}\n"
    return {"show.yaml": edit, "show.lock.yaml": f"lock: 1\ninputs: {{logo: {quoted(text)}}}\n"}


PLACES: Mapping[str, Callable[[str], Files]] = {
    "file": lambda text: {"show.yaml": text},
    "top": lambda text: {"show.yaml": steps(top=f"{text}\n")},
    "top-key": lambda text: {"show.yaml": steps(top=f"{quoted(text)}: 1\n")},
    "steps": lambda text: {"show.yaml": f"{HEAD}steps:\n{text}"},
    "prompt": lambda text: {"show.yaml": steps(quoted(text))},
    "prompt-raw": lambda text: {"show.yaml": steps(text)},
    "with": lambda text: {
        "show.yaml": f"{HEAD}steps:\n  a:\n    model: blackforestlabs/flux-2\n    with:\n      prompt: x\n"
        + "".join(f"      {line}\n" for line in text.splitlines())
    },
    "step-line": lambda text: {"show.yaml": steps(step=f"    {text}\n")},
    "when": lambda text: {"show.yaml": steps(step=f"    when: {quoted(text)}\n")},
    "model": lambda text: {"show.yaml": f"{HEAD}steps:\n  a: {{model: {quoted(text)}, with: {{prompt: x}}}}\n"},
    "name": lambda text: {"show.yaml": steps(top=f"name: {quoted(text)}\nbudget: {{max_usd: 0.001}}\n")},
    "description": lambda text: {"show.yaml": steps(top=f"description: {quoted(text)}\n")},
    "step": lambda text: {"show.yaml": f"{HEAD}steps:\n  {quoted(text)}: {STEP}\n"},
    "output": lambda text: {"show.yaml": steps(top=f"outputs: {{{quoted(text)}: $a}}\n")},
    "as": lambda text: {
        "show.yaml": crossed("[x, y]", f"outputs: {{o: {{from: $a.*, as: {quoted(text)}}}}}\n"),
    },
    "axis": lambda text: {"show.yaml": steps(top=f"axes: {{{quoted(text)}: [1]}}\n")},
    "value": lambda text: {"show.yaml": crossed(f"[{quoted(text)}, other]")},
    "field": lambda text: {"show.yaml": crossed(f"{{x: {{{quoted(text)}: 1}}}}")},
    "input": lambda text: {"show.yaml": steps(top=f"inputs: {{{quoted(text)}: {{}}}}\n")},
    "var": lambda text: {"show.yaml": steps(top=f"vars: {{{quoted(text)}: 1}}\n")},
    "var-value": lambda text: {"show.yaml": steps('"{{ vars.x }}"', f"vars: {{x: {quoted(text)}}}\n")},
    "image": _image,
    "path": lambda text: {"show.yaml": steps(f"{{file: {quoted(text)}}}")},
    "include-path": lambda text: {"show.yaml": steps(top=f"include: [{quoted(text)}]\n")},
    "pattern": lambda text: {"show.yaml": crossed(f"{{from: {quoted(text)}}}"), "photos/b.png": png(8, 8)},
    "request": _request,
    "schema": lambda text: {**_own_model({}, "1"), "schemas/own.json": text},
    "lock": lambda text: {"show.yaml": steps(), "show.lock.yaml": text},
    "lock-input": _lock_input,
    "lock-why": lambda text: {
        "show.yaml": steps(step="    variants: 2\n    pick: human\n"),
        "show.lock.yaml": f"lock: 1\npicks:\n  a: {{image: none, why: {quoted(text)}, by: {quoted(text)}}}\n",
    },
    "settings": lambda text: {"show.yaml": steps(), "flowrunner.toml": text},
    "settings-key": lambda text: {"show.yaml": steps(), "flowrunner.toml": f"{json.dumps(text)} = 1\n"},
    "include": lambda text: {"show.yaml": steps(top="include: shared.yaml\n"), "shared.yaml": text},
    "csv": lambda text: {"show.yaml": crossed("{from: data.csv, key: a}"), "data.csv": text},
    "csv-cell": lambda text: {
        "show.yaml": crossed("{from: data.csv, key: a}"),
        "data.csv": 'a,b\nx,"' + text.replace('"', '""') + '"\n"' + text.replace('"', '""') + '",y\n',
    },
    "json": lambda text: {"show.yaml": crossed("{from: data.json}"), "data.json": text},
    "data": lambda text: {"show.yaml": crossed("{from: data.yaml}"), "data.yaml": text},
    "text": lambda text: {"show.yaml": steps("{file: text.md}"), "text.md": text},
    "inputs": _inputs,
    "given": lambda _: _inputs("{}"),
    "only": lambda _: {"show.yaml": crossed("[x, y]")},
    "picture": lambda _: _image("hostile.png"),
    "picture-axis": lambda _: {
        "show.yaml": steps('"{{ axis.n.width }} px"', "axes: {n: {from: hostile.png}}\n", "    across: n\n"),
    },
}


def options(place: str, text: str) -> tuple[str, ...]:
    """What a command line says about a hostile text that comes with it."""
    if place == "inputs":
        return ("--inputs", "given.yaml")
    if place == "given":
        return (f"-i=x={text}", f"-i=n={text}", f"-i=logo={text}")
    return (f"--only={text}",) if place == "only" else ()


def written(folder: Path, files: Files, encoding: str) -> None:
    """A project of these files, with a picture and a link out of it."""
    folder.mkdir(parents=True)
    for name, content in {"flowrunner.toml": "", "photo.png": png(64, 64), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding, "surrogatepass"))
    (folder / "link.png").symlink_to("/proc/self/environ")
