"""Several processes on one store, one name and one limit: together they pay what one of them might have."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import environment

from flowrunner.money import parse
from flowrunner.store.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parent))
from provider_server import KEY, Answer, Seen, provider, published

PIPELINE = """\
flowrunner: 1
name: shared
provider: aimlapi
budget: {{total_usd: {total}}}
axes: {{n: [{numbers}]}}
steps:
  a:
    across: n
    model: blackforestlabs/flux-2-pro
    with: {{prompt: "{who} {{{{ axis.n }}}}", image_size: {{width: 1024, height: 768}}}}
"""
WHO = ("one", "two", "three")
EACH = 6
PRICE = parse("0.0315")


class Together:
    """Answers nobody before everybody has asked, so that all spend at once; who was refused before is not waited for
    long."""

    def __init__(self) -> None:
        self.come: set[str] = set()
        self.all_here = threading.Event()

    def answer(self, seen: Seen, body: dict[str, Any]) -> Answer:
        self.come.add(body["prompt"].split()[0])
        if len(self.come) == len(WHO):
            self.all_here.set()
        self.all_here.wait(timeout=5)
        self.all_here.set()
        return published(seen, body)


@pytest.mark.slow
@pytest.mark.parametrize("affordable", [8, 18])
def test_processes_share_the_limit_of_a_pipeline_to_the_cent(tmp_path: Path, affordable: int) -> None:
    (tmp_path / "flowrunner.toml").touch()
    numbers = ", ".join(f"v{n}" for n in range(EACH))
    for who in WHO:
        total = f'"{affordable * 0.0315:.4f}"'
        (tmp_path / f"{who}.yaml").write_text(PIPELINE.format(total=total, numbers=numbers, who=who))
    with provider(Together().answer) as seen:
        env = environment(tmp_path, {"AIMLAPI_API_KEY": KEY, "AIMLAPI_BASE_URL": seen.origin})
        words = [sys.executable, "-m", "flowrunner", "run", "--concurrency", "2", "--format", "json"]
        runs = [subprocess.Popen([*words, f"{who}.yaml"], cwd=tmp_path, env=env, stdout=-1, stderr=-1) for who in WHO]
        told = [json.loads(run.communicate()[0]) for run in runs]
    assert EACH <= len(seen.posts) <= affordable
    assert sum(document["paid_calls"] for document in told) == len(seen.posts)
    codes = {run.returncode for run in runs}
    assert codes == {0} if affordable == EACH * len(WHO) else 3 in codes <= {0, 3}
    with Ledger.open(tmp_path / ".flowrunner", create=False) as ledger:
        assert ledger.spent("shared") == len(seen.posts) * PRICE <= affordable * PRICE
