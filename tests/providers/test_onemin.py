import json
from typing import Any

import pytest

from flowrunner.artifact import Artifact
from flowrunner.call import Call, Input, Link
from flowrunner.catalog.model import Model
from flowrunner.providers import onemin
from flowrunner.providers.base import Fate, Finished, Refused, Request, Response

MODEL = Model(
    id="black-forest-labs/flux-2-pro/edit",
    provider="onemin",
    title="FLUX.2 pro editor",
    path="/api/features",
    send={"type": "IMAGE_EDITOR", "model": "black-forest-labs/flux-2-pro"},
    under="promptObject",
    request={"type": "object"},
    images=("imageUrl",),
)
IMAGE = Artifact(sha256="ab" * 32, media_type="image/png", width=64, height=64)
PATH = "development/images/2026_edited.png"
LINK = f"https://s3.us-east-1.amazonaws.com/asset.1min.ai/{PATH}?X-Amz-Date=20260327T100000Z&X-Amz-Expires=604800"


def asked(**params: Any) -> Request:
    call = Call(provider="onemin", model=MODEL.id, adapter=onemin.adapter, params=params)
    return onemin.request(call, MODEL, placed)


def placed(leaf: Input) -> str:
    return leaf.text if isinstance(leaf, Link) else "asset:images/uploaded.png"


def image_of(request: Request) -> Any:
    return (request.json or {})["promptObject"]["imageUrl"]


def reply(body: Any, status: int = 200) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def record(results: Any = (PATH,), link: Any = LINK, status: Any = "SUCCESS", **more: Any) -> dict[str, Any]:
    inside = {"uuid": "a1b2", "status": status, "aiRecordDetail": {"resultObject": results}, "temporaryUrl": link}
    return {"aiRecord": {key: value for key, value in inside.items() if value is not None}} | more


def finished(body: Any) -> Finished:
    reading = onemin.read(reply(body))
    assert isinstance(reading, Finished)
    return reading


def refused(body: Any, status: int = 200) -> Refused:
    reading = onemin.read(reply(body, status))
    assert isinstance(reading, Refused)
    return reading


def test_the_parameters_go_under_the_prompt_object() -> None:
    request = asked(prompt="rain", steps=25)
    assert request.path == "/api/features"
    assert request.json == {
        "type": "IMAGE_EDITOR",
        "model": "black-forest-labs/flux-2-pro",
        "promptObject": {"prompt": "rain", "steps": 25},
    }


def test_an_image_is_an_asset_key_or_a_full_link() -> None:
    assert image_of(asked(imageUrl=Link("asset:images/cat.png"))) == "images/cat.png"
    assert image_of(asked(imageUrl=IMAGE)) == "images/uploaded.png"
    assert image_of(asked(imageUrl=Link("https://a.example/1.png"))) == "https://a.example/1.png"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("cat.png", "cat.png"),
        ("/home/anna/secret project/cat.png", "cat.png"),
        ("C:\\Users\\anna\\cat.png", "cat.png"),
        ("größe 1.png", "gr-e-1.png"),
        ("../..", "image"),
        (".hidden", "hidden"),
        ('a"\r\nX: 1.png', "a-X-1.png"),
        ("", "image"),
        ("x" * 300 + ".png", "x" * 60 + ".png"),
    ],
)
def test_an_uploads_name_holds_no_path(name: str, sent: str) -> None:
    request = onemin.upload(name, "image/png", b"bytes")
    assert (request.path, request.part, request.file) == ("/api/assets", "asset", (sent, "image/png", b"bytes"))


@pytest.mark.parametrize(
    "body",
    [
        {"asset": {"key": "images/1_cat.png"}, "fileContent": {"path": "images/1_cat.png"}},
        {"asset": {"key": "images/1_cat.png"}},
        {"asset": None, "fileContent": {"path": "images/1_cat.png"}},
    ],
)
def test_an_uploaded_image_is_known_by_its_asset_key(body: Any) -> None:
    assert onemin.uploaded(reply(body)) == "asset:images/1_cat.png"


@pytest.mark.parametrize(("body", "status"), [({}, 200), ([], 200), (b"<html>", 200), ({"message": "no"}, 413)])
def test_an_upload_that_names_no_asset_is_refused(body: Any, status: int) -> None:
    assert isinstance(onemin.uploaded(reply(body, status)), Refused)


def test_the_published_reply_is_read() -> None:
    answer = finished(record())
    (image,) = answer.images
    assert (image.url, image.handle, image.expires) == (LINK, f"asset:{PATH}", 1775210400.0)
    assert (answer.paid, answer.request_id) == (None, "a1b2")


def test_the_link_may_stand_beside_the_record() -> None:
    assert finished(record(link=None, temporaryUrl=LINK)).images[0].url == LINK


def test_several_results_meet_their_links_in_order() -> None:
    links = ["https://s3.example/1.png", "https://s3.example/2.png"]
    images = finished(record(results=["a/1.png", "a/2.png"], link=links)).images
    assert [(image.url, image.handle) for image in images] == [
        ("https://s3.example/1.png", "asset:a/1.png"),
        ("https://s3.example/2.png", "asset:a/2.png"),
    ]


def test_a_result_without_a_link_is_counted_and_gives_its_asset_to_no_other() -> None:
    answer = finished(record(results=["a/1.png", "a/2.png"], link=[None, "https://s3.example/2.png"]))
    assert [(image.url, image.handle) for image in answer.images] == [("https://s3.example/2.png", "asset:a/2.png")]
    assert (answer.empty, finished(record()).empty) == (1, 0)


def test_a_link_without_an_asset_is_its_own_handle() -> None:
    assert finished(record(results=None)).images[0].handle == LINK
    assert (
        finished(record(results="https://cdn.example/1.png", link=None)).images[0].handle == "https://cdn.example/1.png"
    )


@pytest.mark.parametrize("status", ["FAILED", "PENDING", "success", None, 3])
def test_any_other_status_is_unknown(status: Any) -> None:
    assert refused(record(status=status)).fate is Fate.UNKNOWN


def test_the_status_and_the_reason_are_told() -> None:
    assert refused(record(status="FAILED", message="blocked by moderation")).message == (
        "its status is FAILED, not SUCCESS: blocked by moderation"
    )


@pytest.mark.parametrize("body", [None, [], {}, 3, {"aiRecord": []}, b"", b"{", record(link=None), record(link=[7])])
def test_a_success_without_a_link_is_unknown(body: Any) -> None:
    assert refused(body).fate is Fate.UNKNOWN


def test_an_unknown_call_keeps_its_id() -> None:
    assert refused(record(link=None)).request_id == "a1b2"


def test_an_invalid_model_is_told_in_the_providers_words() -> None:
    answer = refused({"message": "Invalid model X for AI feature IMAGE_GENERATOR!"}, 400)
    assert (answer.fate, answer.message) == (Fate.NOT_EXECUTED, "Invalid model X for AI feature IMAGE_GENERATOR!")


def test_a_wrong_key_names_its_variable() -> None:
    assert "ONEMIN_API_KEY" in refused({"error": "Unauthorized"}, 401).hint
