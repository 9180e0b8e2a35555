"""The one error of local image operations."""

from flowrunner.errors import FlowError


class OperationError(FlowError):
    """What an operation cannot do with these pictures and parameters, in one sentence; the step fails with it."""
