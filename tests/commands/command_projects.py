"""The pipelines that the tests of commands run."""

SMALL = "image_size: {width: 512, height: 512}"
CHAIN = f"""\
flowrunner: 1
name: chain
provider: aimlapi
steps:
  portrait: {{model: blackforestlabs/flux-2-pro, with: {{prompt: A T-Rex, {SMALL}, seed: 7}}}}
  dressed:
    model: blackforestlabs/flux-2-edit
    with: {{prompt: A suit, image_urls: [$portrait], image_size: {{size_of: $portrait}}}}
  small: {{model: image/resize, with: {{image: $dressed, width: 64}}}}
outputs: {{hero: $small}}
"""
PICKED = f"""\
flowrunner: 1
name: picked
provider: aimlapi
budget: {{max_usd: 5}}
axes: {{product: [lamp, vase]}}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2
    variants: 2
    pick: human
    with: {{prompt: "A {{{{ axis.product }}}} on a desk", {SMALL}, seed: 42}}
  frame:
    across: product
    model: blackforestlabs/flux-2-edit
    with: {{prompt: Extend it, image_urls: [$scene], {SMALL}}}
  sheet: {{model: image/contact-sheet, with: {{images: [$frame.*], labels: coordinates}}}}
"""
CHECKED = """\
flowrunner: 1
name: checked
axes: {shade: ["#335577", "#775533"]}
steps:
  card:
    across: shade
    model: image/resize
    with: {image: photo.png, width: 96, height: 72}
    check:
      - size: {width: 96, height: 72}
      - not_flat: true
        level: warn
  framed:
    across: shade
    model: image/pad
    with: {image: $card, width: 128, height: 96, color: "{{ axis.shade }}"}
    check:
      - colors: {hex: "#335577", at_least: 0.2}
  sheet:
    model: image/contact-sheet
    with: {images: [$framed.*], labels: none}
    check: [format: webp]
"""
LOCAL = """\
flowrunner: 1
name: local
steps:
  small: {model: image/resize, with: {image: photo.png, width: 32}}
"""
FAULTY = """\
flowrunner: 1
name: faulty
provider: aimlapi
steps:
  portrait: {model: blackforestlabs/flux-2-pro, with: {promt: A T-Rex}}
"""
UNPRICED = """\
flowrunner: 1
provider: onemin
steps:
  one: {model: black-forest-labs/flux-2-pro/generate, with: {prompt: A T-Rex}}
"""
HOSTILE = "\\e[31mred\\u202e\\x07 ::set-output:: <script> |`"
"""As it is written in double quotes of YAML: colours, a bidi override, a bell, a workflow command, HTML, Markdown."""
ANNOYING = f"""\
flowrunner: 1
name: "n{HOSTILE}"
description: "d{HOSTILE}"
provider: aimlapi
axes: {{product: ["{HOSTILE}a", b]}}
steps:
  portrait:
    across: product
    model: blackforestlabs/flux-2-pro
    pick: human
    with: {{prompt: "{HOSTILE} {{{{ axis.product }}}}", {SMALL}}}
"""
