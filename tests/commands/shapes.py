"""The shapes that `--format json` promises, as schemas. Fields may be added."""

from typing import Any

JSON = dict[str, Any]


def obj(**fields: JSON) -> JSON:
    return {"type": "object", "properties": fields, "required": list(fields)}


def listed(items: JSON) -> JSON:
    return {"type": "array", "items": items}


def words(*values: str | None) -> JSON:
    return {"enum": list(values)}


TEXT: JSON = {"type": "string"}
MAYBE_TEXT: JSON = {"type": ["string", "null"]}
WHOLE: JSON = {"type": "integer", "minimum": 0}
PLACE: JSON = {"type": ["integer", "null"], "minimum": 1}
YES_NO: JSON = {"type": "boolean"}
KEY: JSON = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
MONEY: JSON = {"type": "string", "pattern": r"^\d+\.\d{2,9}$"}
MAYBE_MONEY: JSON = {"anyOf": [MONEY, {"type": "null"}]}
MAYBE_KEY: JSON = {"anyOf": [KEY, {"type": "null"}]}
DECISION = words("reuse", "run", "await", "skip", "missing")

PROBLEM = obj(
    code=TEXT,
    severity=words("error", "warning"),
    message=TEXT,
    hint=TEXT,
    file=TEXT,
    line=PLACE,
    column=PLACE,
    end_line=PLACE,
    end_column=PLACE,
    cells=listed(TEXT),
)
VALIDATE = obj(problems=listed(PROBLEM))
FIELD = obj(path=TEXT, before={}, after={}, file=MAYBE_TEXT, line=PLACE, was_file=MAYBE_TEXT, was_line=PLACE)
DIFF = obj(
    base=TEXT,
    head=MAYBE_TEXT,
    pipeline=TEXT,
    was=MAYBE_TEXT,
    state=words("same", "changed", "new", "removed"),
    cells=listed(
        obj(
            cell=TEXT,
            change=words("unchanged", "render", "new", "removed", "renamed", "accepted"),
            because=listed(TEXT),
            was=MAYBE_TEXT,
            pick=words("kept", "stale", "needed", None),
            fields=listed(FIELD),
            calls=WHOLE,
            estimate_usd=MAYBE_MONEY,
            paid_usd=MAYBE_MONEY,
        )
    ),
    totals=obj(
        unchanged=WHOLE,
        render=WHOLE,
        new=WHOLE,
        removed=WHOLE,
        renamed=WHOLE,
        accepted=WHOLE,
        calls=WHOLE,
        estimate_usd=MAYBE_MONEY,
        unpriced=WHOLE,
        after_picks=obj(calls=WHOLE, estimate_usd=MAYBE_MONEY),
        to_choose=listed(TEXT),
    ),
    rules=listed(FIELD),
    base_problems=listed(PROBLEM),
)
PLAN = obj(
    pipeline=TEXT,
    cells=listed(
        obj(
            cell=TEXT,
            step=TEXT,
            coordinates={"type": "object"},
            model=MAYBE_TEXT,
            provider=MAYBE_TEXT,
            decision=DECISION,
            reason=TEXT,
            because=listed(TEXT),
            calls=listed(obj(key=MAYBE_KEY, decision=DECISION, held=MAYBE_TEXT)),
            estimate_usd=MAYBE_MONEY,
        )
    ),
    totals=obj(
        run=WHOLE,
        reuse=WHOLE,
        skip=WHOLE,
        missing=WHOLE,
        calls=WHOLE,
        estimate_usd=MAYBE_MONEY,
        unpriced=WHOLE,
        priced_usd=MAYBE_MONEY,
        after_picks=obj(calls=WHOLE, estimate_usd=MAYBE_MONEY, unpriced=WHOLE, priced_usd=MAYBE_MONEY),
    )
    | {"required": ["run", "reuse", "await", "skip", "missing", "calls", "estimate_usd", "unpriced", "after_picks"]},
)
CHECKED: JSON = {
    "candidate": {"type": "integer", "minimum": 1},
    "check": TEXT,
    "level": words("fail", "warn"),
    "result": words("pass", "warn", "fail", "missing"),
    "measured": TEXT,
    "heatmap": MAYBE_TEXT,
}
IMAGE = obj(path=MAYBE_TEXT, sha256=KEY, media_type=TEXT, width=WHOLE, height=WHOLE, bytes=WHOLE, picked=YES_NO)
RUN = obj(
    run=MAYBE_TEXT,
    pipeline=TEXT,
    simulated=YES_NO,
    status=words("done", "failed", "waiting", "refused", "interrupted"),
    cells=listed(
        obj(
            cell=TEXT,
            status=words("done", "reused", "failed", "skipped", "waiting", "missing", "unknown", "pending"),
            reason=TEXT,
            keys=listed(KEY),
            images=listed(IMAGE),
            checks=listed(obj(**CHECKED)),
            paid_usd=MAYBE_MONEY,
            seconds={"type": "number"},
            error=MAYBE_TEXT,
        )
    ),
    outputs={"type": "object", "additionalProperties": listed(TEXT)},
    paid_calls=WHOLE,
    paid_usd=MAYBE_MONEY,
    unstated=WHOLE,
    maybe_billed=listed(TEXT),
    drifts=listed(obj(provider=TEXT, model=TEXT, calls=WHOLE, paid_calls=WHOLE, estimate_usd=MONEY, charged_usd=MONEY)),
)
PICK = obj(
    pipeline=TEXT,
    waiting=listed(
        obj(
            cell=TEXT,
            state=words("new", "stale", "none"),
            why=TEXT,
            sheet=MAYBE_TEXT,
            candidates=listed(
                obj(n=WHOLE, path=MAYBE_TEXT, sha256=KEY, width=WHOLE, height=WHOLE, checks=listed(obj(**CHECKED)))
            ),
        )
    ),
)
CHECK = obj(
    pipeline=TEXT,
    checks=listed(obj(cell=TEXT, picked=YES_NO, sha256=KEY, **CHECKED)),
    failed=listed(obj(cell=TEXT, reason=TEXT)),
    waiting=listed(TEXT),
    unmade=listed(TEXT),
    totals={"type": "object", "required": ["pass", "warn", "fail", "missing"]},
)
MODELS = obj(
    models=listed(obj(id=TEXT, provider=TEXT, title=TEXT, images=listed(TEXT), price={"type": ["object", "null"]}))
)
RUNS = obj(
    runs=listed(
        obj(
            run=TEXT,
            pipeline=TEXT,
            status=TEXT,
            simulated=YES_NO,
            started={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
            calls=WHOLE,
            paid_usd=MAYBE_MONEY,
            unstated=WHOLE,
            maybe_billed=WHOLE,
        )
    )
)


def several(shape: JSON) -> JSON:
    return obj(pipelines=listed(shape))


def fits(document: Any, shape: JSON) -> None:
    """Fails where the document has not the shape."""
    import jsonschema

    jsonschema.validate(document, shape)
