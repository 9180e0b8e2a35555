import json
import re

import pytest

from flowrunner.artifact import Artifact
from flowrunner.call import Call
from flowrunner.call import name as name_of
from flowrunner.catalog.model import Model
from flowrunner.providers.base import Finished, Inline, Refused, Response, Transport
from flowrunner.providers.registry import LOCAL, PROVIDERS

JUNK = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"data": {"a": [[]]}}',
    b'{"aiRecord": {"status": {}}}',
    b'{"id": 1, "status": "queued"}',
]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_listed_under_its_own_name(name: str) -> None:
    assert PROVIDERS[name].name == name
    assert name != LOCAL


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_providers_origin_is_https_and_its_key_has_the_usual_name(name: str) -> None:
    provider = PROVIDERS[name]
    assert re.fullmatch(r"https://[a-z0-9.-]+", provider.base_url)
    assert provider.credential.variable == f"{name.upper()}_API_KEY"
    assert "key" in provider.credential.form.format("key")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_request_is_json_that_holds_what_the_model_sends(name: str) -> None:
    model = Model(id="m", provider=name, title="", path="/x", send={"model": "M"}, request={})
    call = Call(provider=name, model="m", adapter=PROVIDERS[name].adapter, params={"prompt": "p"})
    request = PROVIDERS[name].request(call, model, name_of)
    assert json.loads(json.dumps(request.json)) == {"model": "M", "prompt": "p"}
    assert request.path == "/x"


@pytest.mark.parametrize("name", [name for name in PROVIDERS if PROVIDERS[name].transport is Transport.DATA_URI])
def test_a_picture_that_becomes_a_text_on_its_way_is_handed_on_as_it_is(name: str) -> None:
    model = Model(id="m", provider=name, title="", path="/x", send={}, request={})
    image = Artifact(sha256="0" * 64, media_type="image/png", width=1, height=1)
    params = {"images": [image], "mask": image}
    call = Call(provider=name, model="m", adapter=PROVIDERS[name].adapter, params=params)
    inline = Inline("image/png", b"bytes")
    request = PROVIDERS[name].request(call, model, lambda _: inline)
    assert request.json is not None
    assert request.json["mask"] is request.json["images"][0] is inline


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 302, 400, 401, 403, 404, 429, 500, 504, 999])
@pytest.mark.parametrize("body", JUNK)
def test_no_reply_raises(name: str, status: int, body: bytes) -> None:
    assert isinstance(PROVIDERS[name].read(Response(status, {}, body)), Finished | Refused)
