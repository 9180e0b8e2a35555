import base64
import os
import pickle
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from flowrunner.credentials import Operator, Secret
from flowrunner.errors import FlowError, RunRefused, UsageError

KEY = "sk-CANARY-7f3a/9c51+e2d8=4b06"


def operator(home: Path, **environment: str) -> Operator:
    return Operator(environment, home)


def configured(home: Path, text: str, mode: int = 0o600) -> Operator:
    path = home / ".config" / "flowrunner" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return operator(home)


def key_of(found: Operator, provider: str = "aimlapi") -> str:
    secret = found.key(provider)
    assert secret is not None
    return secret.reveal()


def refusal(found: Operator, what: str = "key") -> FlowError:
    with pytest.raises(FlowError) as caught:
        getattr(found, what)("aimlapi")
    return caught.value


def test_a_key_comes_from_the_environment(tmp_path: Path) -> None:
    assert key_of(operator(tmp_path, AIMLAPI_API_KEY=KEY)) == KEY
    assert key_of(operator(tmp_path, MY_OWN_API_KEY=KEY), "my-own") == KEY


def test_a_key_comes_from_the_users_own_file(tmp_path: Path) -> None:
    found = configured(tmp_path, f'[providers.aimlapi]\nkey = "{KEY}"\nbase_url = "https://gateway.example/v2/"\n')
    assert key_of(found) == KEY
    assert found.base_url("aimlapi") == "https://gateway.example/v2"
    assert found.key("onemin") is None


def test_the_environment_stands_before_the_file(tmp_path: Path) -> None:
    configured(tmp_path, '[providers.aimlapi]\nkey = "from-the-file"\n')
    assert key_of(operator(tmp_path, AIMLAPI_API_KEY=KEY)) == KEY
    assert key_of(operator(tmp_path, AIMLAPI_API_KEY="")) == "from-the-file"


def test_without_a_key_there_is_none(tmp_path: Path) -> None:
    assert operator(tmp_path).key("aimlapi") is None
    assert operator(tmp_path, AIMLAPI_API_KEY="  ").key("aimlapi") is None
    assert configured(tmp_path, "").key("aimlapi") is None


def test_a_final_line_feed_is_no_part_of_a_key(tmp_path: Path) -> None:
    assert key_of(operator(tmp_path, AIMLAPI_API_KEY=f"{KEY}\r\n")) == KEY


@pytest.mark.parametrize("key", [f"{KEY} x", f"{KEY}\nX: 1", f"{KEY}\x00", f"{KEY}é", "k" * 5000])
def test_what_cannot_be_a_key_is_refused_without_showing_it(tmp_path: Path, key: str) -> None:
    error = refusal(operator(tmp_path, AIMLAPI_API_KEY=key))
    assert isinstance(error, RunRefused)
    assert error.message == "AIMLAPI_API_KEY holds a character that no key has"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o700 | 0o001])
def test_a_file_that_others_may_open_is_refused_with_the_command_that_closes_it(tmp_path: Path, mode: int) -> None:
    error = refusal(configured(tmp_path, f'[providers.aimlapi]\nkey = "{KEY}"\n', mode))
    assert isinstance(error, RunRefused)
    assert error.hint == "chmod 600 ~/.config/flowrunner/config.toml"


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = configured(tmp_path, "")
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert "another user" in refusal(found).message


def test_a_file_that_is_none_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".config" / "flowrunner" / "config.toml"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert "not a plain file" in refusal(operator(tmp_path)).message
    path.unlink()
    path.mkdir()
    assert "config.toml" in refusal(operator(tmp_path)).message


@pytest.mark.parametrize(
    "text",
    [
        f"[providers.aimlapi]\nkey = {KEY}\n",
        f'[providers.aimlapi]\nsecret = "{KEY}"\n',
        "[providers.aimlapi]\nkey = 12345678\n",
        f'key = "{KEY}"\n',
        f'providers = "{KEY}"\n',
        f'[providers]\naimlapi = "{KEY}"\n',
        "a = " + "[" * 2000,
    ],
)
def test_a_mistake_in_the_file_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    error = refusal(configured(tmp_path, text))
    assert isinstance(error, UsageError)
    assert KEY not in f"{error.message} {error.hint}"
    assert "12345678" not in error.message


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    class Closed(dict[str, str]):
        def get(self, *_: object) -> str:
            raise AssertionError("the environment was read")

    found = Operator(Closed(), tmp_path)
    assert found.mask("text") == "text"
    with pytest.raises(AssertionError, match="was read"):
        found.key("aimlapi")


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example",
        "https://gateway.example:8443/v1",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
    ],
)
def test_an_origin_is_https_or_on_this_machine(tmp_path: Path, url: str) -> None:
    assert operator(tmp_path, AIMLAPI_BASE_URL=f"{url}/").base_url("aimlapi") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "ftp://gateway.example",
        "gateway.example",
        "https://",
        "https://user:pass@gateway.example",
        "https://gateway.example?x=1",
        "https://gateway.example/#x",
        "https://gateway.example:99999",
        "https://gateway.example:0",
        "https://gate way.example",
        "https://gateway.example\\@evil.example",
        "https://b\u00fccher.example",
        "https://[::1",
    ],
)
def test_any_other_origin_is_refused(tmp_path: Path, url: str) -> None:
    error = refusal(operator(tmp_path, AIMLAPI_BASE_URL=url), "base_url")
    assert isinstance(error, UsageError)
    assert error.message.startswith("AIMLAPI_BASE_URL is not ")


def test_a_proxy_may_have_a_password_which_is_a_secret(tmp_path: Path) -> None:
    found = operator(tmp_path, AIMLAPI_PROXY="http://me:pass%40word@proxy.example:3128")
    assert found.proxy("aimlapi") == "http://me:pass%40word@proxy.example:3128"
    assert found.mask("pass%40word pass@word") == "*** ***"
    assert operator(tmp_path).proxy("aimlapi") is None
    assert "AIMLAPI_PROXY is not an origin" in refusal(operator(tmp_path, AIMLAPI_PROXY="proxy:3128"), "proxy").message


@pytest.mark.parametrize(
    "spelled",
    [
        KEY,
        quote(KEY),
        quote(KEY, safe=""),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        KEY[::-1],
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        base64.b64encode(f"u:{KEY}\n".encode()).decode(),
        base64.b64encode(f"{KEY}, and more".encode()).decode(),
        base64.urlsafe_b64encode(f"x{KEY}xx".encode()).decode(),
        KEY.replace("/", "\\/"),
        KEY.replace("+", "\\u002B").replace("=", "\\u003d"),
        "".join(f"\\u{ord(character):04x}" for character in KEY),
        KEY.replace("/", "\\\\\\/").replace("+", "\\\\u002b"),
        base64.b64encode(f"{KEY}???".encode()).decode().replace("/", "\\/"),
    ],
)
def test_a_key_that_was_read_is_masked_however_it_is_spelled(tmp_path: Path, spelled: str) -> None:
    found = operator(tmp_path, AIMLAPI_API_KEY=KEY)
    found.key("aimlapi")
    masked = found.mask(f"before {spelled} after")
    assert "***" in masked
    assert KEY not in masked
    assert len(masked) < len(f"before {spelled} after") - len(KEY) // 2


def test_escapes_around_a_masked_key_and_without_one_stay_as_they_are(tmp_path: Path) -> None:
    found = operator(tmp_path, AIMLAPI_API_KEY=KEY)
    found.key("aimlapi")
    said = '{"said": "caf\\u00e9 \\"%s\\" in\\n https:\\/\\/x.y"}'
    assert found.mask(said) == said
    assert found.mask(said % KEY.replace("/", "\\/")) == said % "***"


def test_a_key_in_a_text_full_of_backslashes_is_found_soon(tmp_path: Path) -> None:
    found = operator(tmp_path, AIMLAPI_API_KEY=KEY)
    found.key("aimlapi")
    full = "\\" * 1_000_000 + "u" + KEY.replace("/", "\\/")
    begun = time.process_time()
    assert KEY.replace("/", "\\/") not in found.mask(full)
    assert time.process_time() - begun < 20


def test_a_word_too_short_for_a_key_does_not_blot_out_the_text(tmp_path: Path) -> None:
    found = operator(tmp_path, AIMLAPI_API_KEY="test")
    assert key_of(found) == "test"
    assert found.mask("a test") == "a test"


def test_a_secret_shows_itself_to_reveal_only() -> None:
    secret = Secret(KEY)
    assert f"{secret} {secret!r} {[secret]}" == "Secret(***) Secret(***) [Secret(***)]"
    assert secret.reveal() == KEY
    with pytest.raises(TypeError, match="not written down"):
        pickle.dumps(secret)
