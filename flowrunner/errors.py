"""The errors that end a command, each with its sentence and its exit code.

    FlowError                    1
    ├── InvalidPipeline          2   problems with positions
    ├── UsageError               2   a command line that does not fit
    ├── RunRefused               3   stopped before paying: budget, no key, frozen, a missing result
    └── StoreError               1   the store or the ledger cannot be read or written

A step's failure is no exception: see `flowrunner.call.Failure`.
"""

from collections.abc import Sequence

from flowrunner.problems import Problem, tidy


class FlowError(Exception):
    """A sentence for a person; `hint` is the next thing to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidPipeline(FlowError):
    """A pipeline, or a file that it reads, with its problems in order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tidy(problems)
        first = self.problems[0].message if self.problems else "it is not sound"
        super().__init__(first if len(self.problems) < 2 else f"{len(self.problems)} problems, the first: {first}")


class UsageError(FlowError):
    """The command line, or the arguments of an API function, ask for what cannot be."""

    exit_code = 2


class RunRefused(FlowError):
    """Nothing was sent for this: a limit, a missing key, `--frozen`, a result that is not here. `command` is what to
    call next, without its pipeline: `run --simulate`."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", *, command: str = "plan") -> None:
        super().__init__(message, hint)
        self.command = command


class StoreError(FlowError):
    """The store cannot be used; `path` is the file or folder."""

    def __init__(self, message: str, hint: str = "", *, path: str = "") -> None:
        super().__init__(message, hint)
        self.path = path
