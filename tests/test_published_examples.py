"""The request examples that the providers publish, written as pipelines: all of them are sound, and sent as published.

Sources: the model pages of docs.aimlapi.com and docs.1min.ai, read 2026-11-20. Prompts are our own words.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from flowrunner import api
from flowrunner.binding import standing
from flowrunner.project import checked

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
    "flux-2-lora": ("blackforestlabs/flux-2-lora", {"prompt": "A T-Rex", "image_size": WIDE, "loras": LORAS}, []),
    "flux-2-lora-edit": (
        "blackforestlabs/flux-2-lora-edit",
        {"prompt": "A T-Rex in a café", "image_urls": TWO, "loras": LORAS},
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


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_published_example_is_sent_as_published(tmp_path: Path, name: str) -> None:
    model, params, _ = EXAMPLES[name]
    found = opened(tmp_path, model, params).opened
    checked(found)
    assert standing(found.binder.bound["example"].params) == params
