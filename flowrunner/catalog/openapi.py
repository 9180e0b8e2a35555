"""Model files from what providers publish: OpenAPI 3 as JSON or YAML, or a page of documentation that holds it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flowrunner.catalog import guard, read, schema
from flowrunner.catalog.document import broken, documents
from flowrunner.catalog.inline import BadSchema, inlined

_HOSTS = {"api.aimlapi.com": "aimlapi", "api.1min.ai": "onemin"}
_IMAGE = re.compile(
    r"((input|init|source|base|control|reference|style|mask)_?)?(images?|mask)(_?(ur[il]s?|\d))*(_\d)?", re.IGNORECASE
)
_COUNTS = ("num_images", "number_of_images", "num_outputs", "n")
_SIZES = ("image_size", "size")


def import_document(data: bytes, name: str, *, provider: str | None = None, date: str = "") -> list[dict[str, Any]]:
    """The model files that an API document gives: one for each model id of each POST that takes JSON. `provider` is
    needed where the document's server is not known; `date` is when it was fetched. InvalidPipeline with the reason
    where it gives none."""
    found: dict[str, dict[str, Any]] = {}
    for tree in documents(data, name):
        try:
            for record in _records(tree, name, provider, date):
                _add(found, record)
        except ValueError as error:
            raise broken(str(error), name) from None
    if not found:
        raise broken("it describes no POST of JSON that asks for a model", name)
    return list(found.values())


def write(records: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Writes each model file to `<folder>/<provider>/<id>.json`; the paths, in order."""
    paths = []
    for record in records:
        read.of(record)
        path = folder / str(record["provider"]) / f"{record['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _add(found: dict[str, dict[str, Any]], record: dict[str, Any]) -> None:
    """One model may be published at two paths: with the same request they are one file, the path with a version; with
    another request the last part of the path tells them apart."""
    known = found.get(record["id"])
    if known is None:
        found[record["id"]] = record
    elif known["request"] == record["request"] and known["under"] == record["under"]:
        if _versioned(record["path"]) and not _versioned(known["path"]):
            known["path"] = record["path"]
    else:
        name = f"{record['id']}/{record['path'].rpartition('/')[2]}"
        if name in found:
            raise BadSchema(f"{record['id']} is described twice with different requests")
        found[name] = record | {"id": name}


def _versioned(path: str) -> bool:
    return re.match(r"/v\d", path) is not None


def _records(tree: Any, name: str, provider: str | None, date: str) -> Iterator[dict[str, Any]]:
    if not isinstance(tree, Mapping) or not isinstance(tree.get("paths"), Mapping):
        raise BadSchema("it is no OpenAPI document: it has no paths")
    if not str(tree.get("openapi", "")).startswith("3."):
        raise BadSchema(f"OpenAPI 3 is read, not {str(tree.get('openapi') or tree.get('swagger') or 'this')[:20]}")
    owner, prefix = _server(tree, provider)
    info = tree.get("info") if isinstance(tree.get("info"), Mapping) else {}
    title = " ".join(str(info[key]) for key in ("title", "version") if key in info) if isinstance(info, Mapping) else ""
    sources = [
        {"url": name, "note": f"Imported from {title or 'an OpenAPI document'}."} | ({"date": date} if date else {})
    ]
    for path, body in _posts(tree):
        request_body = inlined(body, tree)
        reason = guard.malformed(request_body)
        if reason:
            raise BadSchema(reason)
        for request in _alternatives(request_body):
            for record in _models(request, f"{prefix}{path}"):
                made = record | {"provider": owner, "sources": sources}
                _sound(made)
                yield made


def _server(tree: Mapping[str, Any], provider: str | None) -> tuple[str, str]:
    """The provider's name, and what its server's URL puts before each path."""
    servers = tree.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = urlsplit(str(first.get("url", "")) if isinstance(first, Mapping) else "")
    owner = provider or _HOSTS.get(url.hostname or "")
    if owner is None:
        raise BadSchema(f"{url.hostname or 'its server'} is no provider that is known: name the provider")
    return owner, url.path.rstrip("/")


def _posts(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Path and request schema of every POST that takes JSON; paths with parts to fill in are for polling."""
    for path, operations in tree["paths"].items():
        post = operations.get("post") if isinstance(operations, Mapping) else None
        if not isinstance(post, Mapping) or "{" in str(path):
            continue
        body = _followed(post.get("requestBody"), tree)
        content = body.get("content") if isinstance(body, Mapping) else None
        taken = content.get("application/json") if isinstance(content, Mapping) else None
        if isinstance(taken, Mapping) and isinstance(taken.get("schema"), Mapping):
            yield str(path), taken["schema"]


def _followed(part: Any, tree: Mapping[str, Any]) -> Any:
    reference = part.get("$ref") if isinstance(part, Mapping) else None
    try:
        return guard.resolve(tree, reference) if isinstance(reference, str) else part
    except guard.TooMuchError:
        raise BadSchema(f"$ref {str(reference)[:80]!r} leads nowhere") from None


def _alternatives(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A request that is one of several objects is as many requests."""
    key = next((key for key in ("oneOf", "anyOf") if key in request), None)
    parts = [part for part in request.get(key, ()) if "properties" in part] if key else []
    if not parts:
        yield request
    for part in parts:
        properties = request.get("properties", {}) | part["properties"]
        required = [*request.get("required", ()), *part.get("required", ())]
        yield {"type": "object", "properties": properties, "required": list(dict.fromkeys(required))}


def _models(request: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """One model file for each id that the request's `model` may be; without such a field the path is the id."""
    properties = request.get("properties", {})
    under = _under(properties)
    model = properties.get("model")
    ids = _choices(model) if model is not None else [path.strip("/")]
    if not ids:
        raise BadSchema(f"{path} does not say which models it has: its field model has no enum and no default")
    fixed = {key: _choices(part)[0] for key, part in properties.items() if under and len(_choices(part)) == 1}
    inner = properties[under] if under else request
    for one in ids:
        send = fixed | ({"model": one} if model is not None else {})
        kind = str(send.get("type", "")).rpartition("_")[2].lower() if under else ""
        yield _record(f"{one}/{kind}" if kind else one, path, send, under, inner)


def _under(properties: Mapping[str, Any]) -> str | None:
    """The one field of the body that holds the prompt and all the rest, where the body itself has no prompt."""
    holders = [key for key, part in properties.items() if "prompt" in part.get("properties", {})]
    return holders[0] if "prompt" not in properties and len(holders) == 1 else None


def _choices(part: Mapping[str, Any]) -> list[str]:
    """The texts that a field can be: its const, its enum, else its default."""
    values = [part["const"]] if "const" in part else part.get("enum") or [part.get("default")]
    return [value for value in values if isinstance(value, str)]


def _record(
    name: str, path: str, send: Mapping[str, Any], under: str | None, inner: Mapping[str, Any]
) -> dict[str, Any]:
    set_here = () if under else tuple(send)
    fields = {key: part for key, part in inner.get("properties", {}).items() if key not in set_here}
    required = [key for key in inner.get("required", ()) if key in fields]
    more = {key: inner[key] for key in ("additionalProperties", "anyOf", "allOf", "oneOf") if key in inner}
    return {
        "id": name,
        "title": str(inner.get("title") or name),
        "path": path,
        "send": dict(send),
        "under": under,
        "request": {"type": "object", "properties": fields, "required": required} | more,
        "stricter": {},
        "images": [key for key, part in fields.items() if _IMAGE.fullmatch(key) and _holds_text(part)],
        "files": [],
        "count": next((key for key in _COUNTS if key in fields), None),
        "seed": "seed" if "seed" in fields else None,
        "size": next((key for key in _SIZES if _has_sides(fields.get(key))), None),
        "price": None,
    }


def _holds_text(part: Mapping[str, Any]) -> bool:
    """Whether a field takes texts, alone or in a list."""
    for form in schema.branches({}, part):
        kinds = form.get("type")
        inner = form.get("items") if kinds == "array" else None
        if "string" in ([kinds] if isinstance(kinds, str) else kinds or ()) or (inner and _holds_text(inner)):
            return "enum" not in form
    return False


def _has_sides(part: Any) -> bool:
    return {"width", "height"} <= schema.properties(list(schema.branches({}, part))).keys()


def _sound(record: Mapping[str, Any]) -> None:
    """What would not load again is not written."""
    reason = guard.fault(read.of(record).request)
    if reason:
        raise BadSchema(f"{record['id']}: {reason}")
