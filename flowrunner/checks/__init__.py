"""Checks on pictures: what a step asserts of its result, measured, with a picture of where it does not hold."""
