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

REVIEW = """\
# Reviews the pipelines of every pull request, those of forks included: it needs no key, sends nothing to a provider,
# and may only read. The job's summary says what would change and for how much. To have that as a comment that is kept
# up to date, write `pull-requests: write` below `contents: read`.
name: flowrunner

on:
  pull_request:

permissions:
  contents: read

concurrency:
  group: flowrunner-${{ github.ref }}
  cancel-in-progress: true

jobs:
  review:
    name: review
    runs-on: ubuntu-24.04
    timeout-minutes: 15
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          fetch-depth: 0 # the base, too, with which the change is compared
          persist-credentials: false
      - uses: $/.github/actions/flowrunner
        with:
          paths: pipelines
          install: flowrunner==VERSION
"""

SPENDING = """\
# Pays for what a recipe still needs, when somebody asks for it here, and opens a pull request with the lock and the
# previews. The key is a secret of the environment `pictures`, whose protection rules say who may approve a run.
name: pictures

on:
  workflow_dispatch:
    inputs:
      pipeline:
        description: The pipeline, as in pipelines/first.yaml
        required: true
      max_usd:
        description: The most that this run may cost, in dollars
        default: "1"

permissions: {}

concurrency:
  group: pictures # one at a time: what one run pays, the next one need not
  cancel-in-progress: false

jobs:
  run:
    name: run
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    environment: pictures
    permissions:
      contents: write # pushes a branch
      pull-requests: write # opens the pull request
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - name: Install
        run: |
          python3 -m venv "$RUNNER_TEMP/flowrunner"
          "$RUNNER_TEMP/flowrunner/bin/pip" install --quiet flowrunner==VERSION
      - name: Run
        env:
          AIMLAPI_API_KEY: ${{ secrets.AIMLAPI_API_KEY }}
          PIPELINE: ${{ inputs.pipeline }}
          MAX_USD: ${{ inputs.max_usd }}
        # 4: somebody has to choose first. 1: some pictures failed; the others are paid for and kept.
        run: |
          code=0
          "$RUNNER_TEMP/flowrunner/bin/flowrunner" run --yes --max-usd "$MAX_USD" -- "$PIPELINE" || code=$?
          case $code in 0 | 1 | 4) ;; *) exit "$code" ;; esac
      - name: Keep the pictures, and what was paid
        if: always()
        uses: actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0
        with:
          name: pictures-${{ github.run_id }}
          path: |
            outputs/
            .flowrunner/
          include-hidden-files: true
      - name: Open a pull request
        env:
          GH_TOKEN: ${{ github.token }}
          PIPELINE: ${{ inputs.pipeline }}
          BRANCH: pictures/${{ github.run_id }}
          BASE: ${{ github.ref_name }}
        run: |
          git add -- '*.lock.yaml' '*.previews/*'
          if git diff --cached --quiet; then echo 'nothing has changed'; exit; fi
          git config user.name 'github-actions[bot]'
          git config user.email '41898282+github-actions[bot]@users.noreply.github.com'
          gh auth setup-git
          git switch --create "$BRANCH"
          git commit --message "Pictures of $PIPELINE"
          git push origin "$BRANCH"
          gh pr create --base "$BASE" --head "$BRANCH" --title "Pictures of $PIPELINE" \\
              --body "Made by run $GITHUB_RUN_ID of this workflow, where the pictures themselves lie for now."
"""

IGNORED = ("outputs/", ".flowrunner/")
"""Lines of .gitignore."""

ATTRIBUTES = ("*.lock.yaml merge=union",)
"""Lines of .gitattributes: branches that change different cells merge by themselves."""
