"""The operator's own: keys, origins and proxies, from the environment or the user's config file, never from a project.

Everything is read when it is asked for: validate, plan and diff ask for nothing, and so never see a key.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flowrunner.errors import RunRefused, UsageError

CONFIG = "~/.config/flowrunner/config.toml"
MASK = "***"

_KEYS = ("key", "base_url", "proxy")
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_LIMIT = 64 * 1024
_SHORTEST = 6
"""Characters: masking something shorter would blot out ordinary words."""
_ESCAPED = re.compile(r"\\u00([0-9a-fA-F]{2})")


class Secret:
    """A text that shows itself to `reveal` only."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written down")


class Operator:
    """What the person or the job that runs flowrunner has set for a provider. The environment comes first
    (`AIMLAPI_API_KEY`, `AIMLAPI_BASE_URL`, `AIMLAPI_PROXY`), then `[providers.aimlapi]` with `key`, `base_url` and
    `proxy` of the config file, which must be the user's own with mode 0600."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self._environment = environment
        self._config = home / ".config" / "flowrunner" / "config.toml"
        self._read: Mapping[str, Mapping[str, str]] | None = None
        self._forms: list[str] = []
        """The longest first: it may hold another one."""

    def key(self, provider: str) -> Secret | None:
        """A provider's key, None where there is none. RunRefused for one that cannot be a key."""
        text, source = self._value(provider, "key", "API_KEY")
        if not text:
            return None
        # httpx and h11 would quote a key with a line feed in it in their errors.
        if not re.fullmatch(r"[!-~]{1,4096}", text):
            raise RunRefused(f"{source} holds a character that no key has", "copy the key again, without blanks")
        self._remember(text)
        return Secret(text)

    def base_url(self, provider: str) -> str | None:
        """The origin in the place of the provider's published one, without a final slash."""
        text, source = self._value(provider, "base_url", "BASE_URL")
        return _checked(text, source, loopback_only=True).rstrip("/") if text else None

    def proxy(self, provider: str) -> str | None:
        text, source = self._value(provider, "proxy", "PROXY")
        if not text:
            return None
        password = urlsplit(_checked(text, source, userinfo=True)).password or ""
        self._remember(password)
        self._remember(unquote(password))
        return text

    def mask(self, text: str) -> str:
        """The text without any key that was read, as it is or encoded. Mask first and cut afterwards."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return self._mask_escaped(text) if "\\" in text else text

    @contextmanager
    def masked_logs(self) -> Iterator[None]:
        """Keeps keys out of what the HTTP library logs meanwhile: at DEBUG it writes down each reply's headers, and a
        careless server repeats the request's."""
        import logging

        def masked(record: logging.LogRecord) -> bool:
            record.msg, record.args = self.mask(record.getMessage()), ()
            return True

        loggers = [logging.getLogger(name) for name in _LOGGERS]
        for logger in loggers:
            logger.addFilter(masked)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(masked)

    def _mask_escaped(self, text: str) -> str:
        r"""JSON may write any character of a key as an escape, as PHP does with `\/` and .NET with `\u002B`, and JSON
        within JSON twice: whoever reads it has the key again. Most texts hold none, and that is seen at once."""
        bare = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\u00" in text else text
        bare = bare.replace("\\", "")
        for form in self._forms:
            if form.replace("\\", "") in bare:
                text = re.sub("".join(map(_escapable, form)), MASK, text)
        return text

    def _value(self, provider: str, name: str, suffix: str) -> tuple[str, str]:
        """The value, empty where there is none, and where it comes from."""
        variable = f"{provider.upper().replace('-', '_')}_{suffix}"
        if given := self._environment.get(variable, "").strip():
            return given, variable
        if self._read is None:
            self._read = _config(self._config)
        return self._read.get(provider, {}).get(name, "").strip(), f"{name} of {provider} in {CONFIG}"

    def _remember(self, secret: str) -> None:
        if len(secret) >= _SHORTEST:
            self._forms = sorted({*self._forms, *_forms(secret)}, key=len, reverse=True)


def _forms(secret: str) -> Iterator[str]:
    """The spellings in which a secret may turn up in a text."""
    import json
    from base64 import b64encode, urlsafe_b64encode

    raw = secret.encode()
    yield from (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    yield from (raw.hex(), raw.hex().upper(), secret[::-1])
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            # Inside a longer text the first and the last character also hold bits of the neighbours.
            spelled = encode(b"\0" * before + raw).decode().rstrip("=")
            yield spelled[(0, 2, 3)[before] : len(spelled) - ((before + len(raw)) % 3 != 0)]


def _escapable(character: str) -> str:
    """A pattern for a character, as it is or escaped. The backslashes are bounded, for a reply may be full of them."""
    return rf"\\{{0,15}}(?:{re.escape(character)}|u(?i:{ord(character):04x}))"


def _checked(text: str, source: str, *, loopback_only: bool = False, userinfo: bool = False) -> str:
    """An origin: https, or http where nothing leaves the machine (a proxy speaks http). The value is not shown."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = re.fullmatch(r"https?://[!-\[\]-~]+", text) and port != 0 and re.fullmatch(r"[\w.:-]+", host)
    if not plain or parts.query or parts.fragment or (not userinfo and "@" in parts.netloc):
        raise UsageError(f"{source} is not an origin", "write it as https://host or https://host:port")
    if loopback_only and parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(f"{source} is not https", "http is for this machine only, as in http://127.0.0.1:8080")
    return text


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _config(path: Path) -> Mapping[str, Mapping[str, str]]:
    """The tables of the config file by provider. What is wrong with it is told without quoting it."""
    import tomllib

    try:
        document = tomllib.loads(_own_text(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunRefused(f"{CONFIG} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):  # no TOML, no UTF-8, or a number of thousands of digits
        raise UsageError(f"{CONFIG} is not TOML") from None
    tables = document.pop("providers", {})
    if document or not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{CONFIG} holds something else than [providers.NAME] tables")
    for provider, table in tables.items():
        for name, value in table.items():
            if name not in _KEYS or not isinstance(value, str):
                message = f"{CONFIG}: {name} of {provider} is not one of {', '.join(_KEYS)}, each a text"
                raise UsageError(message)
    return tables


def _own_text(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RunRefused(f"{CONFIG} is not a plain file")
        if os.name == "posix" and status.st_uid != os.getuid():
            raise RunRefused(f"{CONFIG} belongs to another user", f"chown {os.getuid()} {CONFIG}")
        if os.name == "posix" and status.st_mode & 0o077:
            raise RunRefused(f"{CONFIG} is open to other users", f"chmod 600 {CONFIG}")
        return file.read(_LIMIT).decode()
