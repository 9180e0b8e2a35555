"""flowrunner: image generation and editing pipelines as checked-in YAML.

    import flowrunner

    found = flowrunner.plan("pipelines/hero.yaml", simulate=True)
    result = flowrunner.run("pipelines/hero.yaml", simulate=True)

Everything is loaded when it is first used.
"""

TYPE_CHECKING = False  # typing's own name for it would load typing
if TYPE_CHECKING:
    from typing import Any

    from flowrunner.api import Options, arun, check, load, plan, run, validate

__version__ = "0.1.0"
__all__ = ["Options", "__version__", "arun", "check", "load", "plan", "run", "validate"]


def __getattr__(name: str) -> "Any":
    if name in __all__:
        from flowrunner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
