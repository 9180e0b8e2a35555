"""The files of a starter project, as they are written by `init`."""

PIPELINE = """\
# yaml-language-server: $schema=../schemas/pipeline.schema.json
flowrunner: 1
name: first
description: A picture made from words, and an edit of it.
provider: aimlapi
budget: {max_usd: 1} # of one run

steps:
  lamp:
    model: blackforestlabs/flux-2-pro
    with:
      prompt: A brass desk lamp on an oak desk, soft morning light
      image_size: {width: 1024, height: 768}
      seed: 7

  evening:
    model: blackforestlabs/flux-2-edit
    with:
      prompt: Make it evening; the lamp is lit
      image_urls: [$lamp] # the picture of that step
      image_size: {size_of: $lamp}

outputs:
  hero: $evening
"""

SETTINGS = """\
# Settings of this project; the file also marks its root. Keys do not belong here: they come from the environment
# (AIMLAPI_API_KEY, ONEMIN_API_KEY) or from ~/.config/flowrunner/config.toml.

# timeout = 300 # seconds for a call, where a pipeline says nothing

# [providers.aimlapi]
# concurrency = 4
# requests_per_minute = 60

# Prices that nobody publishes, or that you have of your own:
# [prices]
# "onemin:black-forest-labs/flux-2-pro/edit" = {per = "image", first = "0.05", next = "0.05"}
"""

WORKFLOW = """\
# Checks pipelines in every pull request, those of forks included: it needs no key, sends nothing, and may only read.
name: flowrunner

on:
  pull_request:

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    env:
      FLOWRUNNER: flowrunner==VERSION # what pip installs: a version, or the URL that you have it from
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      - run: pip install "$FLOWRUNNER"
      - run: flowrunner validate pipelines --format github
      # Fails where a lock does not cover its pipeline: run it where the key is, and commit the lock.
      - run: flowrunner plan pipelines --frozen
"""

IGNORED = ("outputs/", ".flowrunner/")
"""Lines of .gitignore."""

ATTRIBUTES = ("*.lock.yaml merge=union",)
"""Lines of .gitattributes: branches that change different cells merge by themselves."""
