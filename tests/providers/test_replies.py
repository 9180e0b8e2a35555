import json
from decimal import Decimal
from typing import Any

import pytest

from flowrunner.providers import replies
from flowrunner.providers.base import Fate, Refused, Response


def refusal(status: int, body: str = "", **headers: str) -> Refused:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replies.refused(Response(status, named, body.encode()), provider="aimlapi", variable="AIMLAPI_API_KEY")


def said(body: str) -> str:
    return refusal(400, body).message


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 413, 414, 415, 422, 431, 451])
def test_a_rejected_request_was_not_executed(status: int) -> None:
    assert refusal(status).fate is Fate.NOT_EXECUTED


def test_a_wrong_key_stops_the_run_and_names_the_variable() -> None:
    refused = refusal(401, '{"message": "This request requires a valid API key."}')
    assert refused.fate is Fate.STOP_RUN
    assert "AIMLAPI_API_KEY" in refused.hint


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, '{"message": "You\'ve run out of credits. Please top up your balance."}'),
        (403, '{"title": "Forbidden", "status": 403, "message": "You\'ve run out of funds."}'),
        (403, '{"message": "INSUFFICIENT_CREDITS"}'),
        (403, '{"error": "not_enough_credits"}'),
        (402, ""),
    ],
)
def test_no_credits_stop_the_run_and_point_at_the_bill(status: int, body: str) -> None:
    refused = refusal(status, body)
    assert refused.fate is Fate.STOP_RUN
    assert "top up" in refused.hint


def test_another_403_stops_one_call_only() -> None:
    for said in ("Your region is not supported.", "Not accredited", "unbalanced"):
        refused = refusal(403, f'{{"message": "{said}"}}')
        assert (refused.fate, refused.hint) == (Fate.NOT_EXECUTED, "")


@pytest.mark.parametrize("said", ["Free-tier limit reached", "DAILY_LIMIT_REACHED"])
def test_a_limit_of_the_free_tier_is_not_waited_for(said: str) -> None:
    refused = refusal(429, f'{{"message": "{said}"}}', retry_after="5")
    assert (refused.fate, refused.retry_after) == (Fate.NOT_EXECUTED, None)


@pytest.mark.parametrize("status", [425, 429])
def test_too_early_and_too_many_may_be_sent_again(status: int) -> None:
    refused = refusal(status, '{"message": "Too Many Requests"}')
    assert (refused.fate, refused.retry_after) == (Fate.TRY_LATER, None)


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("7", "", 7.0),
        ("0", "", 0.0),
        ("3600", "", 120.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 120.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", "", None),
        ("Sat, 21 Nov 2026 10:00:30 -0000", "Sat, 21 Nov 2026 10:00:00 GMT", None),
        ("-5", "", None),
        ("soon", "now", None),
        ("٣", "", None),
    ],
)
def test_retry_after_counts_from_the_replys_own_clock_and_is_clamped(
    retry_after: str, date: str, seconds: float | None
) -> None:
    assert refusal(429, retry_after=retry_after, date=date).retry_after == seconds


def test_a_wait_beyond_the_clamp_is_told() -> None:
    assert "asks to wait 60 min" in refusal(429, retry_after="3600").hint
    told = refusal(429, retry_after="86400", date="Wed, 21 Oct 2026 07:28:00 GMT").hint
    assert told.endswith("asks to wait 24 h, until 2026-10-22 07:28 UTC")


def test_503_may_be_sent_again_only_when_it_says_when() -> None:
    assert refusal(503, retry_after="1").fate is Fate.TRY_LATER
    dated = {"retry_after": "Sat, 21 Nov 2026 10:00:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    assert refusal(503, **dated).fate is Fate.TRY_LATER
    assert refusal(503).fate is Fate.UNKNOWN
    assert refusal(503).hint == "without Retry-After it does not say that nothing was done"


@pytest.mark.parametrize("said", ["", "x", "-5", "1e9", "0.5,1", "²", "Mon, 32 Jan 2026 00:00:00 GMT"])
def test_503_with_a_retry_after_that_names_no_time_says_as_little_as_without(said: str) -> None:
    refused = refusal(503, retry_after=said, date="Sat, 21 Nov 2026 10:00:00 GMT")
    assert (refused.fate, refused.retry_after) == (Fate.UNKNOWN, None)
    assert refused.hint == "with a Retry-After that names no time it does not say that nothing was done"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 409, 418, 499, 500, 502, 504, 520, 599])
def test_what_proves_nothing_is_unknown(status: int) -> None:
    assert refusal(status).fate is Fate.UNKNOWN


def test_a_redirect_names_its_target_without_path_and_query() -> None:
    refused = refusal(307, location="https://evil.example/steal?token=abc")
    assert "https://evil.example;" in refused.message
    assert "token" not in refused.message
    assert "AIMLAPI_BASE_URL" in refused.hint
    assert "another path" in refusal(301, location="/elsewhere").message


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"message": "Body validation error!", "statusCode": "400"}', "Body validation error!"),
        ('{"error": {"message": "No such model", "code": 1}}', "No such model"),
        ('{"error": "rate_limit", "message": "slow down"}', "slow down"),
        ('{"error": "rate_limit"}', "rate_limit"),
        ('{"title": "Bad"}', "Bad"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "not an integer"}]}', "body.seed: not an integer"),
        (
            '{"message": "Body validation error!", "errors": [{"path": ["size"], "message": "too big"}, "and more"]}',
            "Body validation error!; size: too big; and more",
        ),
        ('{"message": "No!", "meta": [{"path": ["size"], "message": "too big"}]}', "No!; size: too big"),
        ('{"message": "No!", "meta": {"errors": [{"path": ["size"], "message": "too big"}]}}', "No!; size: too big"),
        ('{"message": null}', "HTTP 400 Bad Request"),
        ("[]", "HTTP 400 Bad Request"),
        ("plain words", "plain words"),
        ("<html><script>…</script></html>", "HTTP 400 Bad Request"),
        ("", "HTTP 400 Bad Request"),
        ('{"message": "cut', '{"message": "cut'),
    ],
)
def test_the_providers_sentence_is_found_in_any_usual_shape(body: str, sentence: str) -> None:
    assert said(body) == sentence


def test_a_long_sentence_is_cut() -> None:
    assert len(said('{"message": "%s"}' % ("x" * 5000))) == 1000
    assert refusal(599).message == "HTTP 599"
    assert len(refusal(400, '{"message": "%s"}' % ("x" * 5000)).told) == len("HTTP 400: …") + 200


def test_a_refusal_by_moderation_is_told_apart() -> None:
    assert refusal(400, '{"message": "Prompt violates the content policy"}').fate is Fate.MODERATED
    assert refusal(403, '{"message": "flagged as NSFW"}').fate is Fate.MODERATED


@pytest.mark.parametrize(
    "said", ["safety_tolerance: Invalid enum value", "Body validation error! moderation: Expected 'a'"]
)
def test_a_sentence_about_a_field_of_that_name_is_no_moderation(said: str) -> None:
    assert refusal(400, json.dumps({"message": said})).fate is Fate.NOT_EXECUTED


def test_the_request_id_comes_from_the_header_or_the_body() -> None:
    assert refusal(500, '{"requestId": "b"}', x_inference_id="h").request_id == "h"
    assert refusal(500, '{"requestId": "b"}').request_id == "b"
    assert refusal(500, '{"requestId": 7}').request_id == ""
    assert len(refusal(500, x_inference_id="x" * 9000).request_id) == 128


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b'{"a": 1', "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e99999999999999999999]", "not JSON"),
        (b"[" * 65 + b"]" * 65, "deeply"),
        (b"[" * 200_000, "deeply"),
        (b'["\\ud800"]', "character"),
        (b'{"\\udc00": 1}', "character"),
        (b'"\xff"', "UTF-8"),
        (b"9" * 5000, "not JSON"),
    ],
)
def test_json_that_could_be_read_two_ways_is_unreadable(body: bytes, reason: str) -> None:
    with pytest.raises(replies.Unreadable, match=reason):
        replies.parse(body)


def test_fractions_are_exact_and_go_back_to_json_as_text() -> None:
    value = replies.parse(b'\xef\xbb\xbf{"usd": 0.0378005, "n": [2]}')
    assert value == {"usd": Decimal("0.0378005"), "n": [2]}
    assert replies.plain(value) == {"usd": "0.0378005", "n": [2]}
    assert replies.parse(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    ("stated", "nano"),
    [
        ("0.0126", 12_600_000),
        (" 3 ", 3_000_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("1.26e-2", 12_600_000),
        (Decimal("1E+1"), 10_000_000_000),
        (2, 2_000_000_000),
        ("0", 0),
        *(
            (odd, None)
            for odd in ("1_0", "٣", "３", "+1", "-1", "", "1,5", "0.1, 0.1", "0x1", "NaN", "Infinity", "1e", ".")
        ),
        *((odd, None) for odd in (-1, True, None, 0.5, [1], Decimal("NaN"), "1e999999999", Decimal("1e999999999"))),
    ],
)
def test_a_charge_is_ascii_digits_with_a_point_and_an_exponent(stated: Any, nano: int | None) -> None:
    assert replies.charge(stated, Decimal(1)) == nano


def test_a_charge_beyond_all_reason_is_not_stated() -> None:
    assert replies.charge("10000", Decimal(1)) == replies.DEAREST
    assert [replies.charge(text, Decimal(1)) for text in ("10000.000000001", "999999999")] == [None, None]
    assert replies.charge(20_000_000_001, Decimal("0.0000005")) is None


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("X-Amz-Date=20260327T100000Z&X-Amz-Expires=604800", 1775210400.0),
        ("X-Tos-Expires=86400&X-Tos-Date=20260327T100000Z&x=1", 1774692000.0),
        ("X-Amz-Expires=604800", None),
        ("X-Amz-Date=20261327T100000Z&X-Amz-Expires=60", None),
        ("Expires=1775210400&Signature=x", 1775210400.0),
        ("Expires=never", None),
        ("", None),
    ],
)
def test_a_signed_url_says_when_it_ends(query: str, end: float | None) -> None:
    assert replies.expires(f"https://s3.example/a.png?{query}") == end


def test_base64_is_read_bare_and_as_a_data_uri() -> None:
    assert replies.decoded("AQID") == b"\x01\x02\x03"
    assert replies.decoded("AQ\nID") == b"\x01\x02\x03"
    assert replies.decoded("data:image/png;base64,AQID") == b"\x01\x02\x03"
    assert [replies.decoded(text) for text in ("AQI", "AQI=", "AQ", "AQ==")] == [b"\x01\x02"] * 2 + [b"\x01"] * 2
    assert replies.decoded("-_-_") == replies.decoded("+/+/") == b"\xfb\xff\xbf"
    assert [replies.decoded(text) for text in ("", "A", "é", "data:image/png,AQID", "http://x")] == [None] * 5
