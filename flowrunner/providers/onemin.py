"""1min.ai: https://api.1min.ai, one endpoint for all features, and a store of assets that takes the input images.

Its documentation describes requests and successes; error bodies and other values of `status` are not published.
"""

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from flowrunner.call import Call, Input, replaced
from flowrunner.catalog.model import Model
from flowrunner.providers import replies
from flowrunner.providers.base import (
    Credential,
    Delivery,
    Fate,
    Finished,
    Limits,
    Reading,
    Refused,
    Request,
    Response,
    Transport,
    body,
)

name = "onemin"
adapter = 1
base_url = "https://api.1min.ai"
credential = Credential("ONEMIN_API_KEY", "API-KEY")
transport = Transport.UPLOAD
# 180 requests a minute is the default that an archived copy of its documentation names. How long an asset is kept is
# not published: after an hour an image is uploaded again.
limits = Limits(concurrency=4, requests_per_minute=180, lifetime=3600.0)

_ASSET = "asset:"
_NAME = 64


def request(call: Call, model: Model, place: Callable[[Input], str]) -> Request:
    """The paid POST: an asset by its bare key, anything else (the feature page allows a full URL) as it is."""
    params = replaced(call.params, lambda leaf: place(leaf).removeprefix(_ASSET))
    return Request(path=model.path, json=body(model, params))


def read(response: Response) -> Reading:
    """What a complete reply says. Credits are not stated in it, so `paid` is never known."""
    if not 200 <= response.status < 300:
        return replies.refused(response, provider=name, variable=credential.variable)
    try:
        said = replies.parse(response.body)
    except replies.Unreadable as error:
        return _unknown(response, None, f"the answer cannot be read: {error}")
    record = replies.mapping(replies.mapping(said).get("aiRecord"))
    if record.get("status") != "SUCCESS":
        return _unknown(response, said, _standing(said, record.get("status")))
    places = _deliveries(said, record)
    images = tuple(filter(None, places))
    if not images:
        return _unknown(response, said, "it succeeded, but the answer links to no image")
    return Finished(images=images, empty=len(places) - len(images), request_id=_id(response, said))


def upload(name: str, media_type: str, data: bytes) -> Request:
    """The request that puts an image into the asset store. Of the name only its last part is sent."""
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", last).lstrip(".-")[-_NAME:] or "image"
    return Request(path="/api/assets", part="asset", file=(clean, media_type, data))


def uploaded(response: Response) -> str | Refused:
    """`asset:KEY` of a finished upload."""
    if not 200 <= response.status < 300:
        return replies.refused(response, provider=name, variable=credential.variable)
    try:
        said = replies.mapping(replies.parse(response.body))
    except replies.Unreadable as error:
        return _unknown(response, None, f"the answer to the upload cannot be read: {error}")
    keys = (replies.mapping(said.get("asset")).get("key"), replies.mapping(said.get("fileContent")).get("path"))
    key = next((key for key in keys if isinstance(key, str) and key), None)
    return f"{_ASSET}{key}" if key else _unknown(response, said, "the answer to the upload names no asset")


def _deliveries(said: Any, record: Any) -> list[Delivery | None]:
    """Each result with the link in its place, None where there is none. That a result may itself be an input
    (`imageUrl` takes an asset's path, and results are such paths) is stated nowhere; it is passed on as one, and only
    for as long as its link lives."""
    paths = _texts(replies.mapping(record.get("aiRecordDetail")).get("resultObject"))
    # The published example has the link inside the record; beside it is tolerated.
    links = _texts(record.get("temporaryUrl")), _texts(replies.mapping(said).get("temporaryUrl"))
    found = next(filter(any, links), [path if path.startswith("https://") else "" for path in paths])
    return [_delivery(link, path) if link else None for link, path in zip_longest(found, paths, fillvalue="")]


def _delivery(link: str, path: str) -> Delivery:
    handle = link if not path or "://" in path else f"{_ASSET}{path}"
    return Delivery(url=link, handle=handle, expires=replies.expires(link))


def _texts(value: Any) -> list[str]:
    """The texts of a list, empty in the place of what is none."""
    return [text if isinstance(text, str) else "" for text in replies.items(value)]


def _standing(said: Any, status: Any) -> str:
    said = replies.sentence(said) or replies.sentence(replies.mapping(said).get("aiRecord"))
    state = f"its status is {status}, not SUCCESS" if isinstance(status, str) else "the answer holds no finished record"
    return f"{state}: {said}" if said else state


def _unknown(response: Response, said: Any, message: str) -> Refused:
    return Refused(
        fate=Fate.MODERATED if replies.moderates(message) else Fate.UNKNOWN,
        message=message,
        status=response.status,
        request_id=_id(response, said),
    )


def _id(response: Response, said: Any) -> str:
    uuid = replies.mapping(replies.mapping(said).get("aiRecord")).get("uuid")
    return uuid[:128] if isinstance(uuid, str) else replies.request_id(response, said)
