"""One profile for all property tests: the same examples everywhere, and no clock that a busy machine could lose to.

`FLOWRUNNER_EXPLORE=1` looks for new examples instead.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "flowrunner",
    derandomize=not os.environ.get("FLOWRUNNER_EXPLORE"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("flowrunner")
