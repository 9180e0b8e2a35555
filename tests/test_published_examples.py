"""The request examples that the providers publish, written as pipelines: all of them are sound, and sent as published.

Sources: the model pages of docs.aimlapi.com and docs.1min.ai, read 2026-11-20. Prompts are our own words.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from written import CATALOG

from flowrunner import api
from flowrunner.project import checked
from flowrunner.providers.registry import PROVIDERS
from flowrunner.simulator.contract import Simulator

REFERENCES = "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files"
TWO = [f"{REFERENCES}/t-rex.png", f"{REFERENCES}/blue-mug.jpg"]
WIDE = {"width": 1472, "height": 512}
LORAS = [{"path": "owner/lora", "scale": 1.5}]
EXAMPLES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "flux-2": ("blackforestlabs/flux-2", {"prompt": "A mountain behind blossoms"}, []),
    "flux-2 with a size": ("blackforestlabs/flux-2", {"prompt": "A T-Rex", "image_size": WIDE}, []),
    "flux-2-edit": (
        "blackforestlabs/flux-2-edit",
        {"prompt": "A T-Rex in a café", "image_urls": TWO, "guidance_scale": 19},
        [],
    ),
    "flux-2-lora": ("blackforestlabs/flux-2-lora", {"prompt": "A T-Rex", "image_size": WIDE}, []),
    "flux-2-lora with what its schema adds": ("blackforestlabs/flux-2-lora", {"prompt": "A T-Rex", "loras": LORAS}, []),
    "flux-2-lora-edit": (
        "blackforestlabs/flux-2-lora-edit",
        {"prompt": "A T-Rex in a café", "image_urls": TWO, "guidance_scale": 19},
        [],
    ),
    "flux-2-pro": ("blackforestlabs/flux-2-pro", {"prompt": "A T-Rex on a beach"}, []),
    "flux-2-pro with a size": ("blackforestlabs/flux-2-pro", {"prompt": "A T-Rex", "image_size": WIDE}, []),
    "flux-2-pro-edit": ("blackforestlabs/flux-2-pro-edit", {"prompt": "A T-Rex in a café", "image_urls": TWO}, []),
    "flux-2-pro-edit with a field that its schema does not define": (
        "blackforestlabs/flux-2-pro-edit",
        {"prompt": "A T-Rex in a café", "image_urls": TWO, "guidance_scale": 19},
        ["unknown-parameter"],
    ),
    "1min.ai's editor": (
        "black-forest-labs/flux-2-pro/edit",
        {
            "imageUrl": "asset:development/images/2025_12_04_18_10_29_882_cat.png",
            "prompt": "Snowy mountains behind the cat",
            "aspect_ratio": "match_input_image",
            "steps": 25,
            "guidance": 3,
            "output_format": "png",
            "safety_tolerance": 2,
        },
        [],
    ),
}


def opened(folder: Path, model: str, params: dict[str, Any]) -> api.PipelineFile:
    (folder / "flowrunner.toml").touch()
    path = folder / "example.yaml"
    step = {"model": model, "with": params}
    path.write_text(f"flowrunner: 1\nsteps:\n  example: {json.dumps(step, ensure_ascii=False)}\n")
    return api.load(path, environment={})


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_published_example_is_sound(tmp_path: Path, name: str) -> None:
    model, params, warnings = EXAMPLES[name]
    assert [problem.code for problem in opened(tmp_path, model, params).problems] == warnings


def body_of(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Path and body of the paid request."""
    model, params, _ = EXAMPLES[name]
    found = opened(folder, model, params).opened
    checked(found)
    bound = found.binder.bound["example"]
    (call,) = bound.calls
    assert bound.cell.model is not None
    request = PROVIDERS[call.provider].request(call, bound.cell.model, lambda leaf: leaf.text)  # type: ignore[union-attr]
    return request.path, dict(request.json or {})


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_published_example_is_sent_as_published(tmp_path: Path, name: str) -> None:
    model, params, _ = EXAMPLES[name]
    if "1min" in name:
        asset = params | {"imageUrl": params["imageUrl"].removeprefix("asset:")}
        wanted = {"type": "IMAGE_EDITOR", "model": "black-forest-labs/flux-2-pro", "promptObject": asset}
        assert body_of(tmp_path, name) == ("/api/features", wanted)
    else:
        assert body_of(tmp_path, name) == ("/v1/images/generations", {"model": model, **params})


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_published_example_can_be_rehearsed(tmp_path: Path, name: str) -> None:
    path, body = body_of(tmp_path, name)
    keys = {"Authorization": "Bearer key", "API-KEY": "key"}
    assert Simulator(CATALOG).handle("POST", path, keys, json.dumps(body).encode()).status == 200
