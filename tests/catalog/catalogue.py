"""What the tests of the catalogue share: a model by its short name, and requests that are right."""

from typing import Any

from flowrunner.catalog import Model
from flowrunner.catalog.check import Fault, check
from flowrunner.catalog.load import load

CATALOG = load()
PICTURE = "https://example.com/picture.png"
AIML = ("flux-2", "flux-2-edit", "flux-2-lora", "flux-2-lora-edit", "flux-2-pro", "flux-2-pro-edit", "flux-2-max")
EDITS = tuple(name for name in AIML if name.endswith("-edit"))
DEV = ("flux-2", "flux-2-edit", "flux-2-lora", "flux-2-lora-edit")
PRO = ("flux-2-pro", "flux-2-pro-edit", "flux-2-max")
EDITOR, GENERATOR = "black-forest-labs/flux-2-pro/edit", "black-forest-labs/flux-2-pro/generate"
OPERATIONS = tuple(model.id for model in CATALOG.models if model.provider == "image")


def model(name: str) -> Model:
    found = CATALOG.find(f"blackforestlabs/{name}" if name in AIML else name)
    assert isinstance(found, Model), found
    return found


def least(name: str) -> dict[str, Any]:
    """The smallest request that a model of a provider takes."""
    filled: dict[str, Any] = {"prompt": "A heron in the reeds", "image_urls": [PICTURE], "imageUrl": "images/heron.png"}
    return {field: filled[field] for field in model(name).required}


def faults(name: str, request: dict[str, Any]) -> list[Fault]:
    found = model(name)
    return check(found, request, siblings=CATALOG.siblings(found))


def told(name: str, **fields: Any) -> Fault:
    """The one fault of the least request with `fields` in it; a field that is None is left out."""
    request = {field: value for field, value in (least(name) | fields).items() if value is not None}
    (fault,) = faults(name, request)
    return fault
