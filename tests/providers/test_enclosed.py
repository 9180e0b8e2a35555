"""Pictures in a reply are read from its bytes, and what comes of it is what a strict reading of the JSON gives."""

import base64
import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.providers import aimlapi, enclosed, replies
from flowrunner.providers.base import Finished, Response
from flowrunner.providers.enclosed import Base64

MIB = 2**20
LONG = base64.b64encode(bytes(range(256)) * 250).decode()


def read(body: str | bytes) -> Any:
    return replies.parse(body.encode() if isinstance(body, str) else body)


def test_a_long_text_is_read_from_the_bytes() -> None:
    body = json.dumps({"data": [{"b64_json": LONG, "n": 1.5}], "said": 'a "word"'})
    found = read(body)
    picture = found["data"][0]["b64_json"]
    assert isinstance(picture, Base64)
    assert replies.decoded(picture) == base64.b64decode(LONG)
    assert (str(picture), found["data"][0]["n"], found["said"]) == ("(64,000 bytes)", Decimal("1.5"), 'a "word"')


def test_a_data_uri_still_begins_like_one() -> None:
    found = read(json.dumps({"url": f"data:image/png;base64,{LONG}"}))["url"]
    assert str(found) == "data:image/png;base64,(64,000 bytes)"
    assert replies.decoded(found) == base64.b64decode(LONG)


@pytest.mark.parametrize(
    "text",
    [
        LONG[:-1],
        LONG + "=",
        LONG[:900] + "=" + LONG[901:],
        LONG[:900] + " " + LONG[900:],
        LONG[:900] + "\n" + LONG[900:],
        LONG[:900] + "é" + LONG[904:],
        LONG[:900] + '"' + LONG[904:],
        LONG[:900] + "\\" + LONG[904:],
        LONG[:900].replace("/", "_") + "-" + LONG[901:],
        f"data:image/png,{LONG}",
        f"data:a,b;base64,{LONG}",
        f"data:{'x' * 200};base64,{LONG}",
        "A picture of a lamp. " * 5000,
    ],
)
def test_what_is_not_base64_is_read_as_json(text: str) -> None:
    found = read(json.dumps({"text": text}))["text"]
    assert type(found) is str
    assert found == text


@pytest.mark.parametrize(
    "body",
    [
        f'{{"a": "{LONG}", "a": 1}}',
        f'{{"{LONG}": 1, "{LONG}": 2}}',
        f'{{"a": "{LONG}"',
        f'{{"a": "{LONG}',
        f'["{LONG}" "b"]',
        f'{{"a": "{LONG}",}}',
        f'{{"a": "{LONG}"}} "b"',
        f'["\\ud800", "{LONG}"]',
        f'{{"a": NaN, "b": "{LONG}"}}',
        "[" * 80 + f'"{LONG}"' + "]" * 80,
    ],
)
def test_json_that_is_none_is_none_with_a_picture_in_it_either(body: str) -> None:
    with pytest.raises(replies.Unreadable):
        read(body)


def test_a_key_is_never_a_picture() -> None:
    assert read(f'{{"{LONG}":1, "{LONG[4:]}" :2}}') == {LONG: 1, LONG[4:]: 2}


TEXTS = st.one_of(st.text(max_size=6), st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()))
TREES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=10,
)


def spelled(tree: Any) -> Any:
    """The tree with each picture as the text that it was."""
    if isinstance(tree, Base64):
        head = str(tree).partition("(")[0]
        return head + base64.b64encode(tree.data).decode()
    if isinstance(tree, dict):
        return {key: spelled(item) for key, item in tree.items()}
    return [spelled(item) for item in tree] if isinstance(tree, list) else tree


def plainly(tree: Any) -> Any:
    """Base64 that another encoder would spell otherwise is spelled as it would."""
    if isinstance(tree, str):
        data = replies.decoded(tree)
        return tree if data is None or tree.startswith("data:") else base64.b64encode(data).decode()
    if isinstance(tree, dict):
        return {key: plainly(item) for key, item in tree.items()}
    return [plainly(item) for item in tree] if isinstance(tree, list) else tree


@given(TREES, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_the_reply_both_ways_of_reading_agree(tree: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(enclosed, "LONG", 10**9)
        try:
            plain = read(body)
        except replies.Unreadable:
            plain = None
        patched.setattr(enclosed, "LONG", 0)
        try:
            found = read(body)
        except replies.Unreadable:
            found = None
    assert plainly(spelled(found)) == plainly(plain)


def test_a_reply_of_countless_texts_is_not_looked_through() -> None:
    body = b'["' + b'","' * 100_000 + LONG.encode() + b'"]'
    found = read(body)
    assert found[-1] == LONG
    assert sum(1 for _ in enclosed._long_texts(body)) == 0
    assert sum(1 for _ in enclosed._long_texts(b'["' + b'\\"' * 200_000 + b'"]')) == 0


def test_a_picture_of_megabytes_is_in_memory_as_the_reply_and_as_itself() -> None:
    picture = bytes(4 * MIB)
    body = json.dumps({"data": [{"url": None, "b64_json": base64.b64encode(picture).decode()}]}).encode()
    response = Response(200, {}, body)
    aimlapi.read(response)
    tracemalloc.start()
    try:
        found = aimlapi.read(response)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, Finished)
    assert found.images[0].data == picture
    assert most < 1.2 * len(picture)
