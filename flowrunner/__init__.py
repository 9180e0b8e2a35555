"""flowrunner: image generation and editing pipelines as checked-in YAML.

    import flowrunner

    found = flowrunner.plan("pipelines/hero.yaml", simulate=True)
    result = flowrunner.run("pipelines/hero.yaml", simulate=True)

Everything is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowrunner.api import Options, arun, check, load, plan, run, validate

    __version__: str

__all__ = ["Options", "__version__", "arun", "check", "load", "plan", "run", "validate"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("flowrunner")
    if name in __all__:
        from flowrunner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
