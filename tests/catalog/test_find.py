"""Which model an id means, and what is said where it means none."""

from collections.abc import Mapping

import pytest
from catalogue import CATALOG

from flowrunner.catalog import Catalog, Model, NotFound

SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}}


def made(provider: str, name: str, title: str = "", *, request: Mapping[str, object] | None = None) -> Model:
    return Model(
        id=name,
        provider=provider,
        title=title,
        request=request or SCHEMA,
        trusted=request is None,
        file="schemas/m.json",
    )


TWO = Catalog([made("aimlapi", "flux"), made("onemin", "flux"), made("onemin", "only")])


@pytest.mark.parametrize(
    ("name", "provider", "default", "owner"),
    [
        ("flux", "onemin", "aimlapi", "onemin"),
        ("flux", None, "aimlapi", "aimlapi"),
        ("only", None, "aimlapi", "onemin"),
        ("only", None, None, "onemin"),
        ("only", None, "somebody", "onemin"),
    ],
)
def test_the_steps_provider_then_the_pipelines_then_the_only_one(
    name: str, provider: str | None, default: str | None, owner: str
) -> None:
    found = TWO.find(name, provider, default)
    assert isinstance(found, Model)
    assert (found.id, found.provider) == (name, owner)


def missing(catalog: Catalog, name: str, provider: str | None = None, default: str | None = None) -> tuple[str, str]:
    found = catalog.find(name, provider, default)
    assert isinstance(found, NotFound)
    return found.message, found.hint


def test_an_id_that_several_have_names_them() -> None:
    assert missing(TWO, "flux") == (
        "aimlapi and onemin have flux",
        "add `provider: aimlapi` or `provider: onemin`",
    )


def test_a_provider_that_lacks_the_model_is_told_from_those_that_have_it() -> None:
    assert missing(TWO, "only", "aimlapi") == ("aimlapi has no only", "onemin has it")


def test_a_provider_that_nobody_knows_gets_the_nearest_name() -> None:
    assert missing(TWO, "flux", "aimlap") == ("no provider aimlap", "write aimlapi")
    assert missing(TWO, "flux", "xyz") == ("no provider xyz", "aimlapi and onemin")


@pytest.mark.parametrize("default", [None, "onemin", "aimlapi"])
def test_the_bare_id_of_two_models_names_both(default: str | None) -> None:
    message, hint = missing(CATALOG, "black-forest-labs/flux-2-pro", None, default)
    assert message == "black-forest-labs/flux-2-pro stands for 2 models"
    assert hint == "write black-forest-labs/flux-2-pro/edit or black-forest-labs/flux-2-pro/generate"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("flux-2-pro", "blackforestlabs/flux-2-pro"),
        ("blackforestlabs/flux2-edit", "blackforestlabs/flux-2-edit"),
        ("resize", "image/resize"),
        ("image/anotate", "image/annotate"),
        ("edit", "black-forest-labs/flux-2-pro/edit"),
    ],
)
def test_a_near_miss_gets_the_id_that_was_meant(written: str, meant: str) -> None:
    assert missing(CATALOG, written) == (f"no model {written}", f"did you mean {meant}?")


def test_what_is_near_nothing_gets_the_command_that_lists() -> None:
    assert missing(CATALOG, "midjourney") == ("no model midjourney", "`flowrunner models` lists all")


def test_of_two_files_for_one_model_the_later_stands() -> None:
    found = Catalog([made("p", "m", "ours"), made("p", "m", "theirs")]).find("m")
    assert isinstance(found, Model)
    assert found.title == "theirs"


def test_siblings_are_the_other_models_of_the_provider() -> None:
    only = TWO.find("only")
    assert isinstance(only, Model)
    assert [(other.provider, other.id) for other in TWO.siblings(only)] == [("onemin", "flux")]


def test_a_strangers_schema_is_judged_when_it_is_asked_for_and_not_before() -> None:
    away = {"type": "object", "properties": {"a": {"$ref": "https://example.com/s.json"}}}
    catalog = Catalog([made("p", "m", request=away)])
    assert len(catalog.models) == 1
    found = catalog.find("m")
    assert isinstance(found, NotFound)
    assert found.code == "model-file"
    assert found.message.startswith("schemas/m.json: request.a: $ref 'https://example.com/s.json' leads out")
    assert catalog.find("m") == found
