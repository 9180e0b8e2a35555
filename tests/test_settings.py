from pathlib import Path

import pytest

from flowrunner import settings
from flowrunner.catalog.model import Per
from flowrunner.errors import FlowError, InvalidPipeline
from flowrunner.problems import Problem, as_text
from flowrunner.settings import Pace, Settings, StoreSettings

PROVIDERS = ("aimlapi", "onemin")
WHOLE = """\
timeout = 120

[providers.aimlapi]
concurrency = 8
requests_per_minute = 90
timeout = 12.5

[prices]
"aimlapi:blackforestlabs/flux-2" = {per = "megapixel", first = 0.0126, next = "0.0126", counts = ["outputs", "inputs"]}

[prices."onemin:black-forest-labs/flux-2-pro/edit"]
per = "image"
first = 1

[store]
path = "cache"
remote = "/mnt/pictures"
read_only = true
"""


def read(text: str) -> Settings:
    return settings.of(text, providers=PROVIDERS)


def problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidPipeline) as caught:
        read(text)
    return caught.value.problems


def problem(text: str) -> Problem:
    (found,) = problems(text)
    return found


def test_a_whole_file_is_read() -> None:
    found = read(WHOLE)
    assert found.pace("aimlapi") == Pace(concurrency=8, requests_per_minute=90, timeout=12.5)
    assert found.store == StoreSettings(path=Path("cache"), remote=Path("/mnt/pictures"), read_only=True)
    flux, pro = found.prices.values()
    assert (flux.per, flux.first, flux.next) == (Per.MEGAPIXEL, 12_600_000, 12_600_000)
    assert (pro.first, pro.next) == (1_000_000_000, 1_000_000_000)


def test_what_is_not_set_is_as_usual() -> None:
    assert read("") == Settings()
    assert read("").pace("aimlapi") == Pace()
    assert read("").timeout_of("aimlapi") == 300


def test_a_providers_own_timeout_stands_before_the_projects() -> None:
    found = read(WHOLE)
    assert (found.timeout_of("aimlapi"), found.timeout_of("onemin")) == (12.5, 120)


@pytest.mark.parametrize(
    "line",
    [
        "concurrency = 0",
        "concurrency = -5",
        "concurrency = 100000",
        "concurrency = true",
        "concurrency = 2.5",
        'concurrency = "4"',
        "requests_per_minute = 0",
        "timeout = 0",
        "timeout = 3601",
        "timeout = 1e308",
        'timeout = "5s"',
        "timeout = nan",
        "timeout = inf",
        "timeout = [1]",
    ],
)
def test_a_number_out_of_bounds_is_an_error_that_names_them(line: str) -> None:
    found = problem(f"[providers.aimlapi]\n{line}\n")
    name = line.split(" ", maxsplit=1)[0]
    assert found.message.startswith(f"{name} is not a")
    assert " from 1 to " in found.message
    assert found.span is not None
    assert (found.span.line, found.span.text) == (2, name)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("timout = 5", "there is no setting timout", "did you mean timeout?"),
        ("[providers.aimlapi]\nconcurency = 5", "there is no setting concurency", "did you mean concurrency?"),
        ("[providers.aimlpi]\nconcurrency = 5", "there is no provider aimlpi", "did you mean aimlapi?"),
        ("[aimlapi]\nconcurrency = 5", "there is no setting aimlapi", "write [providers.aimlapi]"),
        ("[store]\nfolder = 'x'", "there is no setting folder", "there are path, remote, read_only"),
        ("providers = 3", "providers is not a table", "write [providers.NAME]"),
        ("[providers]\naimlapi = 3", "aimlapi is not a table", "write [providers.aimlapi]"),
        ("prices = []", "prices is not a table", "write [prices]"),
        ("store = 'x'", "store is not a table", "write [store]"),
        ("[store]\npath = ''", "path is not a path", ""),
        ("[store]\nread_only = 'yes'", "read_only is not true or false", ""),
        ("[prices]\nflux-2 = {}", "flux-2 names no model of a provider", 'write "PROVIDER:MODEL" = {…}'),
        ('[prices]\n"aimlapi:" = {}', "aimlapi: names no model of a provider", 'write "PROVIDER:MODEL" = {…}'),
    ],
)
def test_a_mistake_is_told_with_what_to_write(text: str, message: str, hint: str) -> None:
    found = problem(text)
    assert (found.message, found.hint) == (message, hint)
    assert found.span is not None


@pytest.mark.parametrize(
    "price",
    [
        '{per = "imag", first = "1"}',
        '{per = "image"}',
        '{per = "image", first = "-1"}',
        '{per = "image", first = nan}',
        "3",
    ],
)
def test_a_price_that_is_none_is_told_at_its_model(price: str) -> None:
    found = problem(f'[prices]\n"aimlapi:flux" = {price}\n')
    assert found.message.startswith("no price: ")
    assert found.span is not None
    assert found.span.line == 2


def test_all_mistakes_are_told_together_in_order() -> None:
    found = problems("timeout = 0\ncolour = 1\n[providers.aimlapi]\nconcurrency = 0\nspeed = 1\n")
    assert [fault.span and fault.span.line for fault in found] == [1, 2, 4, 5]


@pytest.mark.parametrize("name", ["key", "api_key", "token", "base_url", "url", "proxy", "secret"])
def test_a_key_or_an_origin_in_a_project_is_refused_without_showing_it(name: str) -> None:
    found = problem(f'[providers.aimlapi]\n{name} = "sk-CANARY"\n')
    assert found.code == "settings-key"
    assert "line 2" in found.message
    assert "AIMLAPI_API_KEY" in found.hint
    assert "~/.config/flowrunner/config.toml" in found.hint
    assert "sk-CANARY" not in as_text([found])


def test_a_broken_line_with_a_key_is_not_shown_either() -> None:
    assert "sk-CANARY" not in as_text(problems("[providers.aimlapi]\nkey = sk-CANARY\n"))


def test_what_is_not_toml_is_shown_in_its_place() -> None:
    found = problem("timeout = 5\nstore = \n")
    assert found.message.startswith("not TOML: ")
    assert found.span is not None
    assert found.span.line == 2
    assert problem("a = 1\na = 2").message.startswith("not TOML")
    assert problem("a = " + "[" * 5000).message.startswith("it is not usable")
    assert problem("a = 1e99999999999999999999").message.startswith("it is not usable")


@pytest.mark.parametrize(
    "text",
    [
        "providers.aimlapi.concurrency = 0",
        "providers = {aimlapi = {concurrency = 0}}",
        "[providers]\naimlapi.concurrency = 0",
        "[providers.'aimlapi']\n\"concurrency\" = 0",
        "  [ providers . aimlapi ]  # here\n  concurrency=0",
    ],
)
def test_a_key_is_found_however_its_table_is_written(text: str) -> None:
    found = problem(text)
    assert found.span is not None
    assert found.span.line == len(text.split("\n"))


def test_a_project_without_a_file_has_the_usual_settings(tmp_path: Path) -> None:
    assert settings.load(tmp_path, providers=PROVIDERS, environment={}) == Settings()


def test_a_projects_file_is_read_from_its_root(tmp_path: Path) -> None:
    (tmp_path / "flowrunner.toml").write_text(WHOLE)
    assert settings.load(tmp_path, providers=PROVIDERS, environment={}) == read(WHOLE)


def test_the_remote_of_the_environment_stands_before_the_files(tmp_path: Path) -> None:
    (tmp_path / "flowrunner.toml").write_text(WHOLE)
    found = settings.load(tmp_path, providers=PROVIDERS, environment={"FLOWRUNNER_REMOTE": "/mnt/other"})
    assert found.store == StoreSettings(path=Path("cache"), remote=Path("/mnt/other"), read_only=True)
    assert found.pace("aimlapi").concurrency == 8


def test_a_file_that_is_not_utf8_or_leads_out_of_the_project_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "project" / "flowrunner.toml"
    file.parent.mkdir()
    file.write_bytes(b"timeout = \xff")
    with pytest.raises(InvalidPipeline):
        settings.load(file.parent, providers=PROVIDERS, environment={})
    (tmp_path / "outside.toml").write_text("")
    file.unlink()
    file.symlink_to(tmp_path / "outside.toml")
    with pytest.raises(FlowError, match="outside the project"):
        settings.load(file.parent, providers=PROVIDERS, environment={})
