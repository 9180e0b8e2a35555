"""The providers: a module each, a line each."""

from collections.abc import Mapping

from flowrunner.providers import aimlapi, onemin
from flowrunner.providers.base import Provider

LOCAL = "image"
"""The provider of local operations: no origin, no key, no price."""

PROVIDERS: Mapping[str, Provider] = {
    "aimlapi": aimlapi,
    "onemin": onemin,
}
