"""What CONTRIBUTING shows works as shown."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from flowrunner.call import Call
from flowrunner.call import name as name_of
from flowrunner.catalog import read
from flowrunner.providers.base import Fate, Finished, Provider, Refused, Response

TEXT = (Path(__file__).parents[1] / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def shown(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


@pytest.fixture
def provider() -> Provider:
    module = ModuleType("acme")
    exec(compile(shown("python"), "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


def test_the_model_file_is_one() -> None:
    model = read.model(shown("json").encode(), "schemas/aimlapi/acme/sketch-edit.json")
    assert (model.id, model.images, model.seed) == ("acme/sketch-edit", ("image_urls",), "seed")
    assert model.price is not None


def test_the_provider_asks_as_its_model_says(provider: Provider) -> None:
    model = read.model(shown("json").encode(), "m.json")
    call = Call(provider="acme", model=model.id, adapter=provider.adapter, params={"prompt": "p"})
    request = provider.request(call, model, name_of)
    assert (request.path, request.json) == (model.path, {"model": "acme/sketch-edit", "prompt": "p"})


def test_the_provider_reads_success_and_failure(provider: Provider) -> None:
    found = provider.read(Response(200, {}, b'{"urls": ["https://cdn.acme.example/1.png"]}'))
    assert isinstance(found, Finished)
    assert [image.url for image in found.images] == ["https://cdn.acme.example/1.png"]
    for status, body in ((200, b""), (200, b"{}"), (200, b'{"urls": [1]}'), (500, b"oops")):
        refused = provider.read(Response(status, {}, body))
        assert isinstance(refused, Refused)
        assert refused.fate is Fate.UNKNOWN
