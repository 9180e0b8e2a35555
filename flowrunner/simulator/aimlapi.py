"""AIML API's side of the wire: `POST /v1/images/generations`.

Sources: the OpenAPI file of each model (github.com/aimlapi/api-docs, docs/api-references/image-models/flux) for
requests and successes; docs/errors-and-messages for errors; docs/capabilities/request-tracing-and-cost.md for headers.
"""

import re
from collections.abc import Mapping
from typing import Any

from flowrunner import money
from flowrunner.catalog import Catalog, Model
from flowrunner.catalog.price import estimate
from flowrunner.simulator.rules import broken, chosen
from flowrunner.simulator.studio import Studio, Taken
from flowrunner.simulator.wire import SAMPLE, Asked, Clock, Rejected, Reply, answer, identity, parsed, stamp

PROVIDER = "aimlapi"
_BEARER = re.compile(r"Bearer +\S+", re.IGNORECASE)
_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_NANO_A_CREDIT = 500
"""A dollar buys 2,000,000 credits (docs/faq/how-can-i-track-my-funds.md)."""
_NO_KEY = (
    "This request requires a valid API key. You can create a new API key on the Billing page:"
    " https://aimlapi.com/app/keys"
)


def generate(asked: Asked, catalog: Catalog, studio: Studio, clock: Clock) -> Reply:
    """Pictures for a valid request; for others the documented error."""
    try:
        return _served(asked, catalog, studio)
    except Rejected as refusal:
        return answer(refusal.status, _refusal(asked, refusal, clock), _traced(asked))


def _served(asked: Asked, catalog: Catalog, studio: Studio) -> Reply:
    if not _BEARER.fullmatch(asked.headers.get("authorization", "").strip()):
        raise Rejected(_NO_KEY, status=401)
    body = parsed(asked.body)
    model = _model(catalog, asked.path, body)
    params = {name: value for name, value in body.items() if name not in model.send}
    if faults := broken(model, params):
        raise Rejected("Body validation error!", *faults)
    taken = studio.take(model, params, asked.headers.get(SAMPLE, ""))
    charge = _charge(model, params, taken)
    data = [{"url": studio.url(name), "b64_json": None} for name in taken.names]
    return answer(200, {"data": data, "meta": _meta(charge)}, {**_traced(asked), **_priced(charge)})


def _model(catalog: Catalog, path: str, body: Mapping[str, Any]) -> Model:
    # The pages of two models also list the path without /v1.
    short = path.removeprefix("/v1")
    models = [
        model for model in catalog.models if model.provider == PROVIDER and model.path.removeprefix("/v1") == short
    ]
    if model := chosen(catalog, models, body):
        return model
    known = " | ".join(f"'{model.send.get('model')}'" for model in models)
    named = f"received {body['model']!r:.200}" if "model" in body else "it is missing"
    raise Rejected("Body validation error!", f"model: Invalid enum value. Expected {known}, {named}")


def _refusal(asked: Asked, refusal: Rejected, clock: Clock) -> dict[str, str]:
    # The example of the documentation shows the status as text.
    return {
        "message": str(refusal),
        "path": asked.path,
        "requestId": asked.id,
        "statusCode": str(refusal.status),
        "timestamp": stamp(clock()),
    }


def _traced(asked: Asked) -> dict[str, str]:
    trace = asked.headers.get("x-client-request-id", "")
    echo = {"x-client-request-id": trace} if _TRACE.fullmatch(trace) else {}
    return {"x-inference-id": identity(f"inference {asked.id}"), **echo}


def _charge(model: Model, params: Mapping[str, Any], taken: Taken) -> money.Nano | None:
    """By the catalogue's price and the sizes that were drawn; None where the catalogue knows no price."""
    width, height = taken.size
    drawn = {**params, model.size: {"width": width, "height": height}} if model.size else params
    return estimate(model, drawn, taken.inputs)


def _meta(charge: money.Nano | None) -> dict[str, Any] | None:
    if charge is None:
        return None
    return {"usage": {"credits_used": _credits(charge), "usd_spent": float(money.text(charge))}}


def _priced(charge: money.Nano | None) -> dict[str, str]:
    if charge is None:
        return {}
    return {"x-aimlapi-credits-used": str(_credits(charge)), "x-aimlapi-usd-spent": money.text(charge)}


def _credits(charge: money.Nano) -> int:
    """Whole credits, rounded up."""
    return -(-charge // _NANO_A_CREDIT)
