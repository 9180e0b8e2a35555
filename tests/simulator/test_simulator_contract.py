"""Every model of both providers, held against its published schema as the simulator reads it."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image

from flowrunner import imagehead
from flowrunner.catalog import Catalog, Model
from flowrunner.catalog.load import load
from flowrunner.simulator.contract import LARGEST, Simulator
from flowrunner.simulator.wire import Reply

CATALOG = load()
BEARER = {"Authorization": "Bearer any"}
KEY = {"API-KEY": "any"}
AIML = [model for model in CATALOG.models if model.provider == "aimlapi"]
ONEMIN = [model for model in CATALOG.models if model.provider == "onemin"]
SMALL = {"width": 512, "height": 544}
ORIGIN = "https://cdn.simulated.invalid"


def picture(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def valid(model: Model, **more: Any) -> dict[str, Any]:
    """A small valid request's parameters."""
    params: dict[str, Any] = {"prompt": "A lamp"}
    if model.images:
        (name,) = model.images
        url = "https://images.example/in.png"
        params[name] = [url] if model.parameters[name]["type"] == "array" else url
    return params | ({model.size: SMALL} if model.size else {}) | more


def post(
    model: Model, params: Any, simulator: Simulator | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    body = {**model.send, model.under: params} if model.under else {**model.send, **params}
    keyed = {**(KEY if model.provider == "onemin" else BEARER), **(headers or {})}
    return (simulator or Simulator(CATALOG)).handle("POST", model.path, keyed, json.dumps(body).encode())


def pictures(simulator: Simulator, reply: Reply) -> list[bytes]:
    assert reply.status == 200, reply.body
    said = json.loads(reply.body)
    urls = [item["url"] for item in said["data"]] if "data" in said else [said["aiRecord"]["temporaryUrl"]]
    return [simulator.handle("GET", url.removeprefix(ORIGIN), {}, b"").body for url in urls]


def drawn(model: Model, params: Any, simulator: Simulator | None = None) -> list[bytes]:
    simulator = simulator or Simulator(CATALOG)
    return pictures(simulator, post(model, params, simulator))


def named(short: str) -> Model:
    return next(model for model in (*AIML, *ONEMIN) if model.short == short)


def upload(simulator: Simulator, data: bytes, name: str = "cat.png") -> dict[str, Any]:
    head = f'--b\r\nContent-Disposition: form-data; name="asset"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    body = head.encode() + data + b"\r\n--b--\r\n"
    headers = {**KEY, "Content-Type": "multipart/form-data; boundary=b"}
    reply = simulator.handle("POST", "/api/assets", headers, body)
    assert reply.status == 200, reply.body
    said: dict[str, Any] = json.loads(reply.body)
    return said


def each(models: list[Model]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", models, ids=lambda model: model.short)


@each(AIML + ONEMIN)
def test_a_valid_request_gives_one_marked_picture(model: Model) -> None:
    (data,) = drawn(model, valid(model))
    assert imagehead.simulated(data)
    assert imagehead.artifact(data).media_type == {"jpeg": "image/jpeg"}.get(
        model.parameters["output_format"]["default"], "image/png"
    )


@each(AIML)
def test_a_picture_has_the_size_that_was_asked_for(model: Model) -> None:
    seen = imagehead.head(drawn(model, valid(model))[0])
    assert (seen.width, seen.height) == (512, 544)


@each([model for model in AIML + ONEMIN if model.count])
def test_as_many_pictures_come_as_were_asked_for_and_their_seeds_count_up(model: Model) -> None:
    simulator = Simulator(CATALOG)
    first, second = drawn(model, valid(model, num_images=2, seed=5), simulator)
    (alone,) = drawn(model, valid(model, num_images=1, seed=6), simulator)
    assert first != second
    assert Image.open(io.BytesIO(second)).crop((20, 20, 200, 300)) == Image.open(io.BytesIO(alone)).crop(
        (20, 20, 200, 300)
    )


@pytest.mark.parametrize(
    ("model", "wanted"),
    [(model, wanted) for model in AIML + ONEMIN for wanted in model.parameters["output_format"]["enum"]],
    ids=lambda value: value if isinstance(value, str) else value.short,
)
def test_every_published_format_is_drawn(model: Model, wanted: str) -> None:
    (data,) = drawn(model, valid(model, output_format=wanted))
    assert imagehead.simulated(data)
    assert imagehead.head(data).media_type == f"image/{wanted.replace('jpg', 'jpeg')}"


@each([named("flux-2-pro/generate")])
@pytest.mark.parametrize("ratio", ["1:1", "16:9", "9:16", "3:2", "2:3", "4:5", "5:4"])
def test_a_ratio_gives_about_a_megapixel_in_steps_of_16(model: Model, ratio: str) -> None:
    seen = imagehead.head(drawn(model, valid(model, aspect_ratio=ratio))[0])
    across, down = (int(part) for part in ratio.split(":"))
    assert seen.width / seen.height == pytest.approx(across / down, rel=0.03)
    assert seen.width * seen.height == pytest.approx(2**20, rel=0.03)
    assert seen.width % 16 == seen.height % 16 == 0


@pytest.mark.parametrize(
    ("name", "size"),
    {
        "square_hd": (1024, 1024),
        "square": (512, 512),
        "portrait_4_3": (768, 1024),
        "portrait_16_9": (576, 1024),
        "landscape_4_3": (1024, 768),
        "landscape_16_9": (1024, 576),
    }.items(),
)
def test_a_named_size_has_its_pixels(name: str, size: tuple[int, int]) -> None:
    seen = imagehead.head(drawn(named("flux-2-pro"), {"prompt": "a", "image_size": name})[0])
    assert (seen.width, seen.height) == size


@pytest.mark.parametrize(("given", "size"), [({}, (1024, 768)), ({"width": 512}, (512, 768)), (None, (1024, 768))])
def test_sides_that_are_not_given_take_their_published_defaults(given: Any, size: tuple[int, int]) -> None:
    params = {"prompt": "a"} if given is None else {"prompt": "a", "image_size": given}
    seen = imagehead.head(drawn(named("flux-2-pro"), params)[0])
    assert (seen.width, seen.height) == size


def violations(model: Model) -> Iterator[tuple[str, Any]]:
    """For each published rule of each parameter one value that breaks it."""
    for name, schema in model.parameters.items():
        yield from ((name, value) for value in _breaking(schema))
    if model.size:
        yield from ((model.size, {"width": side, "height": 512}) for side in (480, 2080, 520, 512.5))
        yield model.size, "4k"


def _breaking(schema: Mapping[str, Any]) -> Iterator[Any]:
    if "enum" in schema:
        yield "no such value"
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if "minItems" in schema:
        yield []
    if schema.get("type") == "array" and "maxItems" in schema:
        yield [{"path": "a"} if schema["items"].get("type") == "object" else "https://a.example/b"] * (
            schema["maxItems"] + 1
        )
    yield {"boolean": "yes", "string": 7, "number": "7", "integer": "7", "array": "x"}.get(schema.get("type", ""), [])


BROKEN = [(model, name, value) for model in AIML + ONEMIN for name, value in violations(model)]


@pytest.mark.parametrize(
    ("model", "name", "value"), BROKEN, ids=[f"{model.short}-{name}-{str(value)[:12]}" for model, name, value in BROKEN]
)
def test_a_broken_rule_is_answered_with_an_error_that_names_the_parameter(model: Model, name: str, value: Any) -> None:
    reply = post(model, valid(model, **{name: value}))
    assert reply.status == 400
    assert name in json.loads(reply.body)["message"]


MISSING = [(model, name) for model in AIML + ONEMIN for name in model.required]


@pytest.mark.parametrize(("model", "name"), MISSING, ids=[f"{model.short}-{name}" for model, name in MISSING])
def test_a_missing_parameter_is_an_error_that_names_it(model: Model, name: str) -> None:
    params = valid(model)
    del params[name]
    reply = post(model, params)
    assert reply.status == 400
    assert name in json.loads(reply.body)["message"]


def test_an_error_of_aimlapi_has_the_documented_body() -> None:
    said = json.loads(post(named("flux-2-pro"), {}).body)
    assert said.keys() == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert said["message"].startswith("Body validation error!\n")
    assert (said["path"], said["statusCode"]) == ("/v1/images/generations", "400")


@each(AIML + ONEMIN)
def test_a_field_that_no_schema_defines_is_taken(model: Model) -> None:
    assert post(model, valid(model, guidence=19, num_image=1, loars=[])).status == 200


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Basic abc", "key"])
def test_a_missing_key_is_refused_in_the_documented_words(authorization: str) -> None:
    reply = post(named("flux-2-pro"), valid(named("flux-2-pro")), headers={"Authorization": authorization})
    assert reply.status == 401
    assert "valid API key" in json.loads(reply.body)["message"]


@pytest.mark.parametrize("path", ["/api/features", "/api/assets"])
def test_1min_refuses_a_missing_key(path: str) -> None:
    assert Simulator(CATALOG).handle("POST", path, {}, b"{}").status == 401


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    body = json.dumps({"model": "flux-9", "prompt": "a"}).encode()
    message = json.loads(Simulator(CATALOG).handle("POST", "/v1/images/generations", BEARER, body).body)["message"]
    assert "Invalid enum value" in message
    assert "'blackforestlabs/flux-2-pro'" in message
    assert "received 'flux-9'" in message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "IMAGE_PAINTER"}, "type must be one of"),
        ({"type": "IMAGE_GENERATOR", "model": "m"}, "Invalid model m for AI feature IMAGE_GENERATOR!"),
        ({"type": "IMAGE_GENERATOR", "model": "black-forest-labs/flux-2-pro"}, "promptObject is missing"),
    ],
)
def test_1min_refuses_what_is_no_feature(body: dict[str, Any], message: str) -> None:
    reply = Simulator(CATALOG).handle("POST", "/api/features", KEY, json.dumps(body).encode())
    assert reply.status == 400
    assert message in json.loads(reply.body)["message"]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/api/features"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(path: str, body: bytes) -> None:
    assert Simulator(CATALOG).handle("POST", path, {**BEARER, **KEY}, body).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/images/generations", 405),
        ("POST", "/files/x.png", 405),
        ("POST", "/v1/images/edits", 404),
        ("GET", "/", 404),
        ("GET", "/files/nothing.png", 404),
    ],
)
def test_other_paths_and_methods_are_refused(method: str, path: str, status: int) -> None:
    reply = Simulator(CATALOG).handle(method, path, BEARER, b"")
    assert reply.status == status
    assert reply.headers["x-flowrunner-simulated"] == "1"


def test_a_body_over_the_limit_is_refused() -> None:
    assert Simulator(CATALOG).handle("POST", "/api/assets", KEY, bytes(LARGEST + 1)).status == 413


def test_the_path_without_a_version_works_too() -> None:
    body = json.dumps({"model": "blackforestlabs/flux-2-pro", **valid(named("flux-2-pro"))}).encode()
    assert Simulator(CATALOG).handle("POST", "/images/generations?a=b", BEARER, body).status == 200


def test_a_valid_trace_id_comes_back_and_another_does_not() -> None:
    model = named("flux-2-pro")
    good = post(model, valid(model), headers={"X-Client-Request-Id": "run-7:a.b_c"})
    bad = post(model, valid(model), headers={"X-Client-Request-Id": "no spaces"})
    assert good.headers["x-client-request-id"] == "run-7:a.b_c"
    assert "x-client-request-id" not in bad.headers
    assert good.headers["x-inference-id"] == bad.headers["x-inference-id"]


@pytest.mark.parametrize(
    ("short", "size", "dollars", "amount"),
    [
        ("flux-2", {"width": 1472, "height": 512}, 0.0126, 25200),
        ("flux-2-lora", {"width": 1472, "height": 512}, 0.02205, 44100),
        ("flux-2-pro", {"width": 1472, "height": 512}, 0.0315, 63000),
    ],
)
def test_the_charge_of_a_published_example_is_met(short: str, size: Any, dollars: float, amount: int) -> None:
    reply = post(named(short), valid(named(short), image_size=size))
    assert json.loads(reply.body)["meta"]["usage"] == {"credits_used": amount, "usd_spent": dollars}
    assert reply.headers["x-aimlapi-credits-used"] == str(amount)
    assert float(reply.headers["x-aimlapi-usd-spent"]) == dollars


def test_a_model_without_a_price_states_no_charge() -> None:
    (unpriced, *_) = [model for model in AIML if model.price is None]
    reply = post(unpriced, valid(unpriced))
    assert json.loads(reply.body)["meta"] is None
    assert "x-aimlapi-usd-spent" not in reply.headers


def test_the_same_content_gives_the_same_bytes_however_it_arrives() -> None:
    simulator, data = Simulator(CATALOG), picture()
    model = named("flux-2-pro/edit")
    ways = [upload(simulator, data)["asset"]["key"], upload(simulator, data, "other.png")["fileContent"]["path"]]
    ways.append(data_uri(data))
    assert len({drawn(model, {"prompt": "a", "imageUrl": way}, simulator)[0] for way in ways}) == 1


def test_a_picture_of_the_simulator_is_the_same_input_as_its_own_bytes() -> None:
    simulator, edit = Simulator(CATALOG), named("flux-2-edit")
    reply = post(named("flux-2"), valid(named("flux-2")), simulator)
    url = json.loads(reply.body)["data"][0]["url"]
    by_bytes = data_uri(pictures(simulator, reply)[0])
    both = [drawn(edit, valid(edit, image_urls=[way]), simulator)[0] for way in (url, by_bytes)]
    assert both[0] == both[1]
    assert both[0] != drawn(edit, valid(edit), simulator)[0]


def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "import json, sys; from flowrunner.catalog.load import load;"
        "from flowrunner.simulator.contract import Simulator;"
        "reply = Simulator(load()).handle('POST', sys.argv[1], json.loads(sys.argv[2]), sys.argv[3].encode());"
        "sys.stdout.buffer.write(reply.body)"
    )
    body = json.dumps(
        {"model": "blackforestlabs/flux-2-edit", **valid(named("flux-2-edit"), image_urls=[data_uri(picture())])}
    )
    asked = ("/v1/images/generations", json.dumps(BEARER), body)
    done = subprocess.run(
        [sys.executable, "-c", code, *asked], capture_output=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    here = Simulator(CATALOG).handle("POST", asked[0], BEARER, body.encode())
    assert done.stdout == here.body


@each([named("flux-2"), named("flux-2-pro/generate")])
def test_seeds_tell_pictures_apart(model: Model) -> None:
    assert len({drawn(model, valid(model, seed=seed))[0] for seed in (1, 2, 3)}) == 3


def test_a_result_of_1min_is_an_asset_for_the_next_edit() -> None:
    simulator = Simulator(CATALOG)
    said = json.loads(post(named("flux-2-pro/generate"), {"prompt": "a"}, simulator).body)["aiRecord"]
    assert said["status"] == "SUCCESS"
    assert "X-Amz-Expires=" in said["temporaryUrl"]
    (key,) = said["aiRecordDetail"]["resultObject"]
    assert post(named("flux-2-pro/edit"), {"prompt": "b", "imageUrl": key}, simulator).status == 200


@pytest.mark.parametrize(("size", "wanted"), [((640, 200), (640, 200)), ((4096, 1024), (2048, 512))])
def test_an_edit_of_1min_keeps_its_inputs_size_up_to_a_bound(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    simulator = Simulator(CATALOG)
    key = upload(simulator, picture(size=size))["asset"]["key"]
    seen = imagehead.head(drawn(named("flux-2-pro/edit"), {"prompt": "a", "imageUrl": key}, simulator)[0])
    assert (seen.width, seen.height) == wanted


def test_an_asset_that_was_never_given_is_refused() -> None:
    reply = post(named("flux-2-pro/edit"), {"prompt": "a", "imageUrl": "images/cat.png"})
    assert reply.status == 400
    assert "images/cat.png" in json.loads(reply.body)["message"]


@pytest.mark.parametrize("folder", ["", "development/"])
def test_an_asset_of_the_providers_own_store_is_taken_unseen_as_the_published_example_has_it(folder: str) -> None:
    key = f"{folder}images/2025_12_04_18_10_29_882_cat.png"
    assert post(named("flux-2-pro/edit"), {"prompt": "a", "imageUrl": key}).status == 200


@pytest.mark.parametrize(
    "way",
    [
        data_uri(b"no picture"),
        data_uri(picture()[:-20]),
        "data:image/png;base64,AA",
        "data:text/plain,a",
        f"{ORIGIN}/files/{'0' * 64}.png",
        f"images/{'0' * 64}_cat.png",
    ],
)
def test_an_input_that_cannot_be_read_is_refused(way: str) -> None:
    assert post(named("flux-2-pro/edit"), {"prompt": "a", "imageUrl": way}).status == 400
    assert post(named("flux-2-edit"), valid(named("flux-2-edit"), image_urls=[way])).status == 400


def test_an_upload_is_described_as_documented() -> None:
    data = b"\r\n--\r\n\x00any bytes\r\n"
    said = upload(Simulator(CATALOG), data, "my cat.png")
    assert said["asset"]["key"] == said["fileContent"]["path"]
    assert said["asset"]["key"].endswith("_my-cat.png")
    assert (said["asset"]["size"], said["fileContent"]["status"]) == (len(data), "ACTIVE")


def own(**more: Any) -> Simulator:
    """A simulator whose catalogue has one model more, as a project's own model file gives it."""
    request = {"properties": {"prompt": {"type": "string"}, **more}, "type": "object"}
    send, path = {"model": "own/model"}, "/v1/images/generations"
    model = Model(id="own/model", provider="aimlapi", title="", path=path, send=send, request=request, trusted=False)
    return Simulator(Catalog([*CATALOG.models, model]))


def asked_of(simulator: Simulator, **params: Any) -> Reply:
    body = json.dumps({"model": "own/model", "prompt": "a", **params}).encode()
    return simulator.handle("POST", "/v1/images/generations", BEARER, body)


def test_a_model_of_the_project_is_served_too() -> None:
    assert asked_of(own()).status == 200


def test_a_schema_that_is_not_fit_for_use_is_never_applied() -> None:
    reply = asked_of(own(prompt={"$ref": "https://schemas.example/x"}))
    assert reply.status == 400
    assert "$ref" in json.loads(reply.body)["message"]


@pytest.mark.parametrize("params", [{"output_format": "gif"}, {"aspect_ratio": "auto"}, {"image": {"a": 1}}])
def test_values_that_the_simulator_does_not_know_break_nothing(params: dict[str, Any]) -> None:
    assert asked_of(own(), **params).status in {200, 400}
