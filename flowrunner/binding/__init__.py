"""Binding: a cell with its templates rendered and its references resolved, one Call for each sample.

The one door through which validate, plan and run see a request: what is not known yet stands as Pending, and a call
with a Pending in it has no key.
"""

from flowrunner.binding.binder import Binder
from flowrunner.binding.bound import Bound, BoundCheck, Known, input_artifacts, standing

__all__ = ["Binder", "Bound", "BoundCheck", "Known", "input_artifacts", "standing"]
