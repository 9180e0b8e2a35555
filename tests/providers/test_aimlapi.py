import json
from typing import Any

import pytest

from flowrunner.artifact import Artifact
from flowrunner.call import Call, Input, Link, name
from flowrunner.catalog.model import Model
from flowrunner.errors import RunRefused
from flowrunner.providers import aimlapi
from flowrunner.providers.base import Fate, Finished, Refused, Request, Response

MODEL = Model(
    id="blackforestlabs/flux-2-edit",
    provider="aimlapi",
    title="FLUX.2 edit",
    path="/v1/images/generations",
    send={"model": "blackforestlabs/flux-2-edit"},
    request={"type": "object"},
    images=("image_urls",),
)
IMAGE = Artifact(sha256="ab" * 32, media_type="image/png", width=64, height=64)


def asked(**params: Any) -> Request:
    call = Call(provider="aimlapi", model=MODEL.id, adapter=aimlapi.adapter, params=params)
    return aimlapi.request(call, MODEL, placed)


def placed(leaf: Input) -> str:
    return leaf.text if isinstance(leaf, Link) else f"data:image/png;base64,{name(leaf)}"


def body_of(request: Request) -> dict[str, Any]:
    return dict(request.json or {})


def read(body: Any, status: int = 200, **headers: str) -> Finished | Refused:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    reading = aimlapi.read(Response(status, named, text))
    assert isinstance(reading, Finished | Refused)
    return reading


def finished(body: Any, **headers: str) -> Finished:
    reading = read(body, 200, **headers)
    assert isinstance(reading, Finished)
    return reading


def refused(body: Any, status: int = 200, **headers: str) -> Refused:
    reading = read(body, status, **headers)
    assert isinstance(reading, Refused)
    return reading


def test_the_body_is_what_the_model_sends_and_the_parameters() -> None:
    request = asked(prompt="in the rain", seed=7)
    assert request.path == "/v1/images/generations"
    assert request.json == {"model": MODEL.id, "prompt": "in the rain", "seed": 7}


def test_a_parameter_named_model_buys_no_other_model() -> None:
    assert body_of(asked(model="dearer", prompt="x"))["model"] == MODEL.id


def test_images_stand_as_links_and_data_uris() -> None:
    request = asked(prompt="x", image_urls=[Link("https://a.example/1.png"), IMAGE])
    assert body_of(request)["image_urls"] == [
        "https://a.example/1.png",
        f"data:image/png;base64,sha256:{IMAGE.sha256}",
    ]


def test_an_asset_of_another_provider_is_refused_before_sending() -> None:
    with pytest.raises(RunRefused, match=r"cat\.png lies in another provider"):
        asked(prompt="x", image_urls=[Link("asset:images/cat.png")])


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        ({"credits_used": 120000}, 60_000_000),
        ({"tokens_used": 75601}, 37_800_500),
        ({"credits_used": 120000, "usd_spent": 0.06}, 60_000_000),
        ({"credits_used": 75601, "usd_spent": 0.038}, 38_000_000),
        ({"usd_spent": "0.0378005"}, 37_800_500),
        ({"credits_used": 0}, 0),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"credits_used": None, "usd_spent": True}, None),
        ({"credits_used": -5, "usd_spent": "much"}, None),
        ({"credits_used": [1], "usd_spent": 10**12}, None),
        (None, None),
    ],
)
def test_the_charge_is_read_exactly(usage: Any, nano: int | None) -> None:
    assert finished({"data": [{"url": "https://cdn.example/a.png"}], "meta": {"usage": usage}}).paid == nano


def test_the_charge_may_stand_in_the_headers_only() -> None:
    body = {"data": [{"url": "https://cdn.example/a.png"}], "meta": None}
    assert finished(body, x_aimlapi_credits_used="120000").paid == 60_000_000
    assert finished(body, x_aimlapi_usd_spent="0.06").paid == 60_000_000
    assert finished(body, x_aimlapi_usd_spent="1_0").paid is None
    assert finished(body, x_aimlapi_usd_spent="٣", x_aimlapi_credits_used="120000").paid == 60_000_000


def test_the_published_reply_is_read() -> None:
    reply = finished(
        {
            "data": [{"url": "https://cdn.aimlapi.com/generations/hedgehog/1.png", "b64_json": None}],
            "meta": {"usage": {"tokens_used": 120000, "usd_spent": 0.06}},
        },
        x_inference_id="inf-1",
    )
    assert [image.url for image in reply.images] == ["https://cdn.aimlapi.com/generations/hedgehog/1.png"]
    assert reply.images[0].handle == reply.images[0].url
    assert reply.usage == {"tokens_used": 120000, "usd_spent": "0.06"}
    assert reply.request_id == "inf-1"
    json.dumps(reply.usage)


def test_every_image_of_a_reply_is_kept_in_order_however_many_were_asked_for() -> None:
    urls = [f"https://cdn.example/{number}.png" for number in range(5)]
    assert [image.url for image in finished({"data": [{"url": url} for url in urls]}).images] == urls


@pytest.mark.parametrize(
    "body",
    [
        {"images": [{"url": "https://cdn.example/a.png", "width": 64, "content_type": "image/png"}]},
        {"images": ["https://cdn.example/a.png"]},
        {"data": {"url": "https://cdn.example/a.png"}},
        {"data": [], "images": {"url": "https://cdn.example/a.png"}},
        {"data": [None, {"url": None}, {"url": "https://cdn.example/a.png"}]},
    ],
)
def test_older_and_single_forms_are_read(body: Any) -> None:
    assert [image.url for image in finished(body).images] == ["https://cdn.example/a.png"]


@pytest.mark.parametrize("nothing", [None, {}, {"url": None, "b64_json": None}, {"url": ""}, {"b64_json": "%%%"}, 7])
def test_an_entry_without_an_image_is_counted(nothing: Any) -> None:
    entries = [{"url": "https://cdn.example/a.png"}, nothing, {"b64_json": "AQID"}]
    assert (finished({"data": entries}).empty, len(finished({"data": entries}).images)) == (1, 2)
    assert finished({"data": entries[:1]}).empty == 0


@pytest.mark.parametrize(
    "item",
    [{"b64_json": "AQID"}, {"url": None, "b64_json": "data:image/png;base64,AQID"}, {"url": "data:a/b;base64,AQID"}],
)
def test_an_image_inside_the_reply_has_bytes_and_no_handle(item: Any) -> None:
    (image,) = finished({"data": [item]}).images
    assert (image.data, image.url, image.handle) == (b"\x01\x02\x03", None, None)


def test_an_image_with_bytes_and_a_url_has_both_and_no_handle() -> None:
    """Nobody sees whether the URL is good while the bytes are."""
    (image,) = finished({"data": [{"url": "https://cdn.example/a.png", "b64_json": "AQID"}]}).images
    assert (image.data, image.url, image.handle) == (b"\x01\x02\x03", "https://cdn.example/a.png", None)
    (image,) = finished({"data": [{"url": "https://cdn.example/a.png", "b64_json": "%%%"}]}).images
    assert (image.data, image.url, image.handle) == (None, "https://cdn.example/a.png", "https://cdn.example/a.png")


def test_the_end_of_a_signed_url_is_known() -> None:
    url = "https://cdn.example/a.png?X-Tos-Date=20260327T100000Z&X-Tos-Expires=86400"
    assert finished({"data": [{"url": url}]}).images[0].expires == 1774692000.0


@pytest.mark.parametrize("data", [None, [], [{"url": None, "b64_json": None}], [{"b64_json": "%%%"}], "", {}])
def test_a_charged_reply_without_an_image_keeps_its_price(data: Any) -> None:
    lost = refused({"data": data, "meta": {"usage": {"credits_used": 120000}}}, x_inference_id="inf-1")
    assert (lost.fate, lost.paid, lost.request_id) == (Fate.CHARGED, 60_000_000, "inf-1")


@pytest.mark.parametrize("body", [{"data": None}, {}, [], None, 3, "x", {"data": [], "meta": 5}])
def test_an_empty_reply_that_names_no_price_is_unknown(body: Any) -> None:
    assert (refused(body).fate, refused(body).paid) == (Fate.UNKNOWN, None)


@pytest.mark.parametrize("body", [b"", b'{"data": [', b"<html>busy</html>", b'{"data": 1, "data": 2}', b"\xff\xfe"])
def test_an_unreadable_success_is_unknown_unless_a_header_names_the_charge(body: bytes) -> None:
    assert "cannot be read" in refused(body).message
    assert refused(body).fate is Fate.UNKNOWN
    assert refused(body, x_aimlapi_usd_spent="0.06").fate is Fate.CHARGED


def test_a_duplicate_key_in_a_reply_is_never_resolved_silently() -> None:
    assert refused(b'{"data":[{"url":"https://a.example/1.png","url":"http://169.254.169.254/"}]}').fate is Fate.UNKNOWN


def test_an_error_inside_a_success_is_told() -> None:
    assert "content policy" in refused({"error": {"message": "refused by content policy"}}).message


def test_images_that_were_all_flagged_are_refused() -> None:
    body = {"images": [{"url": "https://cdn.example/black.png"}], "has_nsfw_concepts": [True]}
    assert "flagged" in refused(body).message
    assert refused(body).fate is Fate.MODERATED
    assert finished(body | {"has_nsfw_concepts": [False]}).images


def test_an_error_status_is_refused_with_the_name_of_the_key() -> None:
    assert "AIMLAPI_API_KEY" in refused({"message": "no"}, 401).hint


@pytest.mark.parametrize("status", [302, 400, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("where", ["header", "body"])
def test_a_refusal_that_states_a_charge_was_charged(status: int, where: str) -> None:
    body: dict[str, Any] = {"message": "no", "requestId": "r-1"}
    body |= {"meta": {"usage": {"usd_spent": 0.0315}}} if where == "body" else {}
    headers = {"x_aimlapi_usd_spent": "0.0315"} if where == "header" else {}
    lost = refused(body, status, retry_after="0", **headers)
    assert (lost.fate, lost.paid, lost.retry_after, lost.hint) == (Fate.CHARGED, 31_500_000, None, "")
    assert (lost.told, lost.request_id) == (f"HTTP {status}: {lost.message}", "r-1")


def test_a_charge_changes_nothing_about_moderation_and_keys() -> None:
    moderated = refused({"message": "flagged as NSFW"}, 400, x_aimlapi_usd_spent="0.06")
    assert (moderated.fate, moderated.paid) == (Fate.MODERATED, 60_000_000)
    keyless = refused({"message": "no"}, 401, x_aimlapi_usd_spent="0.06")
    assert (keyless.fate, keyless.paid) == (Fate.STOP_RUN, 60_000_000)
    assert "AIMLAPI_API_KEY" in keyless.hint


def test_a_refusal_that_states_a_charge_of_nothing_is_one_without_a_charge() -> None:
    free = refused({"message": "busy", "meta": {"usage": {"usd_spent": 0}}}, 503, retry_after="0")
    assert (free.fate, free.paid) == (Fate.TRY_LATER, None)


def test_there_is_nothing_to_upload_to() -> None:
    with pytest.raises(LookupError, match="data URIs"):
        aimlapi.upload("a.png", "image/png", b"")
    with pytest.raises(LookupError, match="no uploads"):
        aimlapi.uploaded(Response(200, {}, b""))
