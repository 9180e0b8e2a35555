"""How each picture of a run came to be, in IPTC's terms."""

from running_cases import Show

from flowrunner.provenance import origins
from flowrunner.xmp import SourceType

CHAIN = """steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: x}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: y, image_urls: [$a]}}
  c: {model: image/pad, with: {image: $b, width: 2000, height: 2000}}
  d: {model: image/pad, with: {image: photo.png, width: 2000, height: 2000}}
  e: {model: blackforestlabs/flux-2-edit, with: {prompt: y, image_urls: [photo.png]}}
"""


def test_each_picture_says_whether_a_model_had_a_part_in_it() -> None:
    results = Show(CHAIN).run()
    found = origins(results)
    sources = {
        name: found[made.sha256].source for name, result in results.items() for made in result.candidates if made
    }
    composite = SourceType.COMPOSITE
    assert sources == {"a": SourceType.TRAINED, "b": composite, "c": composite, "d": None, "e": composite}


def test_it_names_the_model_and_the_key_of_the_very_request() -> None:
    results = Show(CHAIN).run()
    (outcome,) = results["b"].outcomes
    assert outcome is not None
    found = origins(results)[outcome.artifacts[0].sha256]
    assert (found.model, found.key) == ("blackforestlabs/flux-2-edit", outcome.key)
