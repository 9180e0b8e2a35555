"""flowrunner: image generation and editing pipelines as checked-in YAML."""
