"""AIML API: https://api.aimlapi.com, one synchronous POST whose reply names the images.

Field names, error bodies, headers and the rate of credits are those of its published documentation.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from flowrunner.call import Call, Input, Link, replaced
from flowrunner.catalog.model import Model
from flowrunner.errors import RunRefused
from flowrunner.money import Nano
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

name = "aimlapi"
adapter = 1
base_url = "https://api.aimlapi.com"
credential = Credential("AIMLAPI_API_KEY", "Authorization", "Bearer {}")
transport = Transport.DATA_URI
# No end is published for the URLs of its CDN. One hour is the shortest time that a provider of FLUX.2 with a store of
# its own promises (Replicate); an image older than that is sent again as bytes.
limits = Limits(concurrency=4, lifetime=3600.0)

CREDIT = Decimal("0.0000005")
"""Dollars: one dollar is 2,000,000 credits."""


def request(call: Call, model: Model, place: Callable[[Input], str]) -> Request:
    """The paid POST. RunRefused for an asset of another provider among the images."""
    params = replaced(call.params, lambda leaf: _placed(leaf, place))
    return Request(path=model.path, json=body(model, params))


def read(response: Response) -> Reading:
    """What a complete reply says: of images, of money, or of why there are none."""
    if not 200 <= response.status < 300:
        paid = _paid(response, replies.lenient(response.body))
        return replies.refused(response, provider=name, variable=credential.variable, paid=paid)
    try:
        said = replies.parse(response.body)
    except replies.Unreadable as error:
        return _lost(response, None, f"the answer cannot be read: {error}")
    items = _items(said)
    images = tuple(filter(None, map(_delivery, items)))
    if not images:
        return _lost(response, said, _emptiness(said))
    if _all_flagged(said):
        return _lost(response, said, "every image was flagged by the provider's safety checker")
    return Finished(
        images=images,
        empty=len(items) - len(images),
        paid=_paid(response, said),
        usage=replies.plain(_usage(said)) or None,
        request_id=replies.request_id(response, said),
    )


def upload(name: str, media_type: str, data: bytes) -> Request:
    """Images go into the request itself: there is no place to upload them to."""
    raise LookupError(f"{name} ({media_type}, {len(data)} bytes): aimlapi takes images as data URIs")


def uploaded(response: Response) -> str | Refused:
    """No upload is ever sent, so no reply of one can be read."""
    raise LookupError(f"HTTP {response.status}: aimlapi has no uploads")


def _placed(leaf: Input, place: Callable[[Input], str]) -> str:
    text = place(leaf)
    if not text.startswith("asset:"):
        return text
    shown = leaf.text if isinstance(leaf, Link) else "an uploaded image"
    raise RunRefused(f"{shown} lies in another provider's store", "give aimlapi an https link or an image file")


def _items(body: Any) -> list[Any]:
    """The images as a reply lists them: `data`, or the `images` of older models; an object may stand for a list."""
    fields = replies.mapping(body)
    return replies.items(fields.get("data")) or replies.items(fields.get("images"))


def _delivery(item: Any) -> Delivery | None:
    fields = {"url": item} if isinstance(item, str) else replies.mapping(item)
    url, inline = (text if isinstance(text, str) else "" for text in (fields.get("url"), fields.get("b64_json")))
    link = None if url.startswith("data:") else url or None
    data = replies.decoded(inline) or (None if link else replies.decoded(url))
    if data:
        return Delivery(data=data, url=link)  # it is not fetched, and may be gone: nothing to pass on
    return Delivery(url=link, handle=link, expires=replies.expires(link)) if link else None


def _all_flagged(body: Any) -> bool:
    flags = replies.mapping(body).get("has_nsfw_concepts")
    return isinstance(flags, list) and bool(flags) and all(flag is True for flag in flags)


def _emptiness(body: Any) -> str:
    fields = replies.mapping(body)
    said = replies.sentence({key: fields.get(key) for key in ("message", "error", "detail")})
    return f"the answer holds no image: {said}" if said else "the answer holds no image"


def _lost(response: Response, body: Any, message: str) -> Refused:
    """A success without an image: charged where the reply says so, else unknown."""
    paid = _paid(response, body)
    fate = Fate.CHARGED if paid else Fate.UNKNOWN
    return Refused(
        fate=Fate.MODERATED if replies.moderates(message) else fate,
        message=message,
        status=response.status,
        paid=paid,
        request_id=replies.request_id(response, body),
    )


def _usage(body: Any) -> Mapping[str, Any]:
    """`meta.usage` as published; a top-level `usage` as one page shows it."""
    fields = replies.mapping(body)
    return replies.mapping(replies.mapping(fields.get("meta")).get("usage")) or replies.mapping(fields.get("usage"))


def _paid(response: Response, body: Any) -> Nano | None:
    """What the reply says was charged. It may say so in six places, some of them rounded: the largest counts."""
    usage, headers = _usage(body), response.headers
    in_dollars = [usage.get("usd_spent"), headers.get("x-aimlapi-usd-spent")]
    in_credits = [usage.get("credits_used"), usage.get("tokens_used"), headers.get("x-aimlapi-credits-used")]
    charges = [replies.charge(value, Decimal(1)) for value in in_dollars]
    charges += [replies.charge(value, CREDIT) for value in in_credits]
    return max((charge for charge in charges if charge is not None), default=None)
