"""How a command ends: exceptions become sentences and exit codes here, and nowhere else."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flowrunner import escape, problems
from flowrunner.errors import FlowError, InvalidPipeline, RunRefused

NOTHING = "Nothing was sent, nothing was paid."
LOST = "The ledger can no longer tell of this run: what it has paid is not known."
INTERRUPTED = 130
_BUG = 1
_WORST_FIRST = (2, INTERRUPTED, 3, 1, 4, 0)


def combined(codes: Iterable[int]) -> int:
    """The exit code of several pipelines: 2, 130, 3, 1, 4, 0."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), 0)


def told(fault: BaseException, *, spent: str = "", next_command: str = "") -> int:
    """Says on stderr what went wrong, what was `spent` and what to do next; the exit code."""
    lines = [_sentence(fault, spent)]
    lines += [f"next  {next_command}"] if next_command else []
    print("\n".join(lines), file=sys.stderr)
    return code(fault)


def code(fault: BaseException) -> int:
    if isinstance(fault, KeyboardInterrupt):
        return INTERRUPTED
    return fault.exit_code if isinstance(fault, FlowError) else _BUG


def document(fault: BaseException, pipeline: str) -> dict[str, Any]:
    """The same for a machine, in the place of what a command would have printed for this pipeline."""
    return {"pipeline": pipeline} | document_of_none(fault)


def document_of_none(fault: BaseException) -> dict[str, Any]:
    """The same where a command is about no pipeline, or about several of which none was reached."""
    message, hint = _disk(fault) if isinstance(fault, OSError) else _bug(fault), ""
    if isinstance(fault, FlowError):
        message, hint = fault.message, fault.hint
    elif isinstance(fault, KeyboardInterrupt):
        message = "interrupted"
    found = fault.problems if isinstance(fault, InvalidPipeline) else []
    error = {"message": problems.bounded(message), "hint": problems.bounded(hint), "exit_code": code(fault)}
    return {"error": error, "problems": problems.as_json(found)}


def _sentence(fault: BaseException, spent: str) -> str:
    if isinstance(fault, InvalidPipeline):
        told = [problems.as_text(fault.problems), *_traceback(fault), f"{tally(fault.problems)}. {spent or NOTHING}"]
        return "\n".join(told)
    if isinstance(fault, KeyboardInterrupt):
        return f"interrupted\n{spent}" if spent else "interrupted"
    word = "refused" if isinstance(fault, RunRefused) else "error"
    if isinstance(fault, FlowError):
        lines = [f"{word}: {escape.line(fault.message, 1000)}"]
        lines += [f"     = {escape.line(fault.hint, 600)}"] if fault.hint else []
    elif isinstance(fault, OSError):
        lines = [f"error: {escape.line(_disk(fault), 1000)}"]
    else:
        lines = [f"this is a bug in flowrunner: {escape.line(_bug(fault), 600)}"]
        lines += [] if _shows_where() else ["     = FLOWRUNNER_DEBUG=1 shows where"]
    return "\n".join([*lines, *_traceback(fault), *([spent] if spent else [])])


def tally(found: list[problems.Problem]) -> str:
    """`2 errors in 1 file`."""
    files = {problem.span.file if problem.span else problem.file for problem in found}
    return problems.tally(found, len(files))


def _disk(fault: OSError) -> str:
    reason = fault.strerror or type(fault).__name__
    return f"{fault.filename}: {reason}" if fault.filename else reason


def _bug(fault: BaseException) -> str:
    return _masked(f"{type(fault).__name__}: {fault}".removesuffix(": "))


def _shows_where() -> bool:
    return os.environ.get("FLOWRUNNER_DEBUG") == "1"


def _traceback(fault: BaseException) -> list[str]:
    """Where it happened, for whoever asks for that."""
    if not _shows_where():
        return []
    import traceback

    return [escape.block(_masked("".join(traceback.format_exception(fault)))).rstrip()]


def _masked(text: str) -> str:
    """Without any key that this command may have read. A key that cannot be read was not shown either."""
    from flowrunner.credentials import Operator
    from flowrunner.providers.registry import PROVIDERS

    operator = Operator(os.environ, Path(os.environ.get("HOME") or "/nonexistent"))
    for provider in PROVIDERS:
        for read in (operator.key, operator.proxy):
            try:
                read(provider)
            except FlowError:
                continue
    return operator.mask(text)
