"""1min.ai's side of the wire: `POST /api/features` and `POST /api/assets`.

Sources: docs.1min.ai, the pages of the FLUX.2 editor and generator, of the AI Feature API and of the Asset API. What
errors look like is not published; clients read `message`, and one quotes the sentence about a model and its feature.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flowrunner.catalog import Catalog, Model
from flowrunner.digest import sha256
from flowrunner.simulator.rules import broken, chosen
from flowrunner.simulator.shelf import Thing
from flowrunner.simulator.studio import Studio
from flowrunner.simulator.wire import (
    SAMPLE,
    Asked,
    Clock,
    Rejected,
    Reply,
    Upload,
    answer,
    identity,
    parsed,
    stamp,
    uploaded,
)

PROVIDER = "onemin"
_BUCKET = "asset.1min.ai"
_LIFETIME = timedelta(days=7)
"""How long a result's link lives: published nowhere, this is what the links in a client's tests say."""


def run(asked: Asked, catalog: Catalog, studio: Studio, clock: Clock) -> Reply:
    """The record of a finished feature; for an invalid request an error."""
    try:
        return _served(asked, catalog, studio, clock)
    except Rejected as refusal:
        return answer(refusal.status, {"message": str(refusal)})


def _served(asked: Asked, catalog: Catalog, studio: Studio, clock: Clock) -> Reply:
    _admit(asked)
    body = parsed(asked.body)
    model = _model(catalog, body)
    params = body.get(model.under) if model.under else body
    if not isinstance(params, dict):
        raise Rejected(f"{model.under} is missing or is no object")
    if faults := broken(model, params):
        raise Rejected(*faults)
    name = studio.take(model, params, asked.headers.get(SAMPLE, "")).names[0]
    # A result is an asset itself: it can be the input of the next feature.
    key = studio.alias(name, f"images/{name}")
    record = {
        "uuid": asked.id,
        "model": model.send.get("model"),
        "type": model.send.get("type"),
        "status": "SUCCESS",
        "createdAt": stamp(clock()),
        "aiRecordDetail": {"promptObject": params, "resultObject": [key]},
        "temporaryUrl": f"{studio.url(name)}?{_signature(clock)}",
    }
    return answer(200, {"aiRecord": record})


def keep(asked: Asked, _: Catalog, studio: Studio, clock: Clock) -> Reply:
    """Takes an asset in; gives its key."""
    try:
        _admit(asked)
        upload = uploaded(asked, "asset")
    except Rejected as refusal:
        return answer(refusal.status, {"message": str(refusal)})
    key = f"images/{sha256(upload.data)}_{upload.name}"
    studio.shelf.put(key, Thing(upload.data, upload.media_type))
    asset = {
        "fieldname": "asset",
        "originalname": upload.name,
        "encoding": "7bit",
        "mimetype": upload.media_type,
        "size": len(upload.data),
        "bucket": _BUCKET,
        "key": key,
        "acl": "private",
        "contentType": upload.media_type,
        "location": f"https://s3.us-east-1.amazonaws.com/{_BUCKET}/{key}",
        "etag": f'"{sha256(upload.data)[:32]}"',
    }
    return answer(200, {"asset": asset, "fileContent": _file(key, upload, clock)})


def _file(key: str, upload: Upload, clock: Clock) -> dict[str, Any]:
    return {
        "uuid": identity(f"file {key}"),
        "path": key,
        "type": upload.media_type,
        "name": upload.name,
        "content": "",
        "status": "ACTIVE",
        "metadata": {"token": 0, "character": 0},
        "createdAt": stamp(clock()),
    }


def _admit(asked: Asked) -> None:
    if not asked.headers.get("api-key", "").strip():
        raise Rejected("Invalid API key", status=401)


def _model(catalog: Catalog, body: Mapping[str, Any]) -> Model:
    models = [model for model in catalog.models if model.provider == PROVIDER]
    if model := chosen(catalog, models, body):
        return model
    features = {str(model.send.get("type")) for model in models}
    if body.get("type") not in features:
        raise Rejected(f"type must be one of {', '.join(sorted(features))}")
    raise Rejected(f"Invalid model {str(body.get('model'))[:200]} for AI feature {body['type']}!")


def _signature(clock: Clock) -> str:
    """The part of a presigned link that says until when it holds."""
    return f"X-Amz-Date={clock():%Y%m%dT%H%M%SZ}&X-Amz-Expires={_LIFETIME // timedelta(seconds=1)}"
