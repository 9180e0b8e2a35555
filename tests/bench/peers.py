"""The peers: the same graphs as their own idiomatic files, each installed from the package registry into an environment
of its own. They are measured, never imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .dags import Dag, chain, wide

VARIABLES = {
    "PYTHONPATH": ".",
    # Nobody is told that a peer was measured.
    "DO_NOT_TRACK": "1",
    "HAMILTON_TELEMETRY_ENABLED": "false",
    "PREFECT_LOCAL_STORAGE_PATH": "results",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # It begins a server of its own first, and gives up after 20 s: that is too short on a slow machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PF_HOME_DIRECTORY": ".promptflow",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    # And no service of it is left behind.
    "PF_TRACING_SKIP_LOCAL_SETUP": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`files` writes a graph down; `check` looks at it and does nothing, empty where the peer has no such command;
    `again` tells that `run` leaves alone what is done."""

    name: str
    requires: tuple[str, ...]
    """What is asked of the package registry; the peer itself comes first."""
    files: Callable[[Dag], Mapping[str, str]]
    version: str
    check: str = ""
    run: str
    again: bool = True
    graph: Callable[[int], Dag] = chain


def _doit(dag: Dag) -> dict[str, str]:
    return {
        "dodo.py": f"""\
from pathlib import Path

from doit.tools import run_once

DAG = {dag}


def task_step():
    for name, needs in DAG.items():
        yield {{
            "name": name,
            "actions": [(Path(name).touch,)],
            "file_dep": list(needs),
            "targets": [name],
            "uptodate": [] if needs else [run_once],
        }}
"""
    }


def _luigi(dag: Dag) -> dict[str, str]:
    return {
        "chain.py": f"""\
import luigi

DAG = {dag}


class Step(luigi.Task):
    name = luigi.Parameter()

    def requires(self):
        return [Step(name=need) for need in DAG[self.name]]

    def output(self):
        return luigi.LocalTarget(self.name)

    def run(self):
        with self.output().open("w"):
            pass


class Everything(luigi.WrapperTask):
    def requires(self):
        return Step(name=list(DAG)[-1])
"""
    }


def _kedro(dag: Dag) -> dict[str, str]:
    return {
        "pyproject.toml": """\
[tool.kedro]
package_name = "chain"
project_name = "chain"
kedro_init_version = "1.0.0"
""",
        "conf/base/catalog.yml": "",
        "conf/local/.keep": "",
        "src/chain/__init__.py": "",
        "src/chain/settings.py": "",
        "src/chain/pipeline_registry.py": f"""\
from kedro.pipeline import Pipeline, node

DAG = {dag}


def nothing(*_):
    return 1


def register_pipelines():
    return {{"__default__": Pipeline([node(nothing, list(needs) or None, name) for name, needs in DAG.items()])}}
""",
    }


def _hamilton(dag: Dag) -> dict[str, str]:
    steps = (
        f"def {name}({', '.join(f'{need}: int' for need in needs)}) -> int:\n    return 1\n"
        for name, needs in dag.items()
    )
    return {
        "chain.py": "\n\n".join(steps),
        "run.py": f"""\
import sys

import chain
from hamilton import driver

sys.setrecursionlimit(100_000)
built = driver.Builder().with_modules(chain).with_cache(path="cache").build()
built.execute(["{list(dag)[-1]}"])
""",
        "check.py": f"""\
import chain
from hamilton import driver

driver.Builder().with_modules(chain).build().validate_execution(["{list(dag)[-1]}"])
""",
    }


def _snakemake(dag: Dag) -> dict[str, str]:
    rules = (
        f"rule {name}:\n    input: {list(needs)}\n    output: touch('{name}.done')\n"
        for name, needs in {name: [f"{need}.done" for need in needs] for name, needs in dag.items()}.items()
    )
    return {"Snakefile": f"rule all:\n    input: {[f'{name}.done' for name in dag]}\n\n" + "\n".join(rules)}


def _promptflow(dag: Dag) -> dict[str, str]:
    last = list(dag)[-1]
    nodes = (
        f"- name: {name}\n  type: python\n  source: {{type: code, path: step.py}}\n"
        f"  inputs: {{text: '{f'${{{needs[0]}.output}}' if needs else 'x'}'}}\n"
        for name, needs in dag.items()
    )
    return {
        ".promptflow/pf.yaml": "telemetry: {enabled: false}\n",
        "step.py": "from promptflow.core import tool\n\n\n@tool\ndef step(text: str) -> str:\n    return text\n",
        "flow.dag.yaml": f"""\
inputs: {{}}
outputs:
  last: {{type: string, reference: '${{{last}.output}}'}}
nodes:
{"".join(nodes)}""",
    }


def _prefect(dag: Dag) -> dict[str, str]:
    return {
        "chain.py": f"""\
from prefect import flow, task
from prefect.cache_policies import INPUTS

DAG = {dag}


@task(cache_policy=INPUTS, persist_result=True)
def step(name, *needs):
    return name


@flow
def chain():
    done = {{}}
    for name, needs in DAG.items():
        done[name] = step(name, *(done[need] for need in needs))


chain()
"""
    }


PEERS = (
    Peer(name="doit", requires=("doit",), files=_doit, version="doit --version", check="doit list --all", run="doit"),
    Peer(
        name="luigi",
        requires=("luigi",),
        files=_luigi,
        version="python -c 'import luigi; print(luigi.__version__)'",
        run="luigi --module chain Everything --local-scheduler --log-level WARNING",
    ),
    Peer(
        name="kedro",
        requires=("kedro",),
        files=_kedro,
        version="kedro --version",
        check="kedro registry list",
        run="kedro run",
        again=False,
    ),
    Peer(
        name="Hamilton",
        requires=("sf-hamilton",),
        files=_hamilton,
        version="python -c 'import hamilton; print(hamilton.__version__)'",
        check="python check.py",
        run="python run.py",
    ),
    Peer(
        name="Snakemake, wide",
        requires=("snakemake",),
        files=_snakemake,
        version="snakemake --version",
        check="snakemake --dry-run --quiet",
        run="snakemake --cores 2 --quiet",
        graph=wide,
    ),
    Peer(
        name="promptflow",
        requires=("promptflow",),
        files=_promptflow,
        version="pf --version",
        check="pf flow validate --source .",
        run="pf flow test --flow .",
        again=False,
    ),
    Peer(
        name="prefect",
        requires=("prefect", "fastapi<0.120"),  # a newer one has not what it calls
        files=_prefect,
        version="prefect --version",
        run="python chain.py",
    ),
)
