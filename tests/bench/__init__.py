"""What flowrunner costs, beside the floor below it and the peers around it: `uv run python -m tests.bench`."""
