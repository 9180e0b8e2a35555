import re
from pathlib import Path

import pytest
from command_projects import ANNOYING, CHAIN, FAULTY, LOCAL, PICKED, UNPRICED
from shapes import PLAN, fits, several
from support import cli, golden, picture, project

from flowrunner.digest import sha256
from flowrunner.missing import Search

GOLDEN = Path(__file__).parent / "golden"
SIZE = "image_size: {width: 512, height: 512}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, {"chain.yaml": CHAIN, "picked.yaml": PICKED})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("plan-chain", "chain.yaml"),
        ("plan-picked", "picked.yaml"),
        ("plan-cells", "picked.yaml --cells"),
        ("plan-simulated", "picked.yaml --simulate"),
        ("plan-only", "picked.yaml --only scene/lamp --max-usd 2"),
        ("plan-markdown", "picked.yaml --format markdown"),
    ],
)
def test_a_plan_reads_as_it_should(folder: Path, name: str, line: str) -> None:
    result = cli("plan", *line.split(), cwd=folder)
    assert (result.exit_code, result.err) == (0, "")
    golden(GOLDEN / f"{name}.txt", result.out)


def test_a_plan_after_a_run_says_what_changed_and_where(folder: Path) -> None:
    assert cli("run", "chain.yaml", "--simulate", cwd=folder).exit_code == 0
    project(folder, {"chain.yaml": CHAIN.replace("A suit", "A linen suit")})
    result = cli("plan", "chain.yaml", "--simulate", cwd=folder)
    golden(GOLDEN / "plan-changed.txt", result.out)


def test_a_plan_with_nothing_to_do_names_no_next_command(folder: Path) -> None:
    assert cli("run", "chain.yaml", "--simulate", cwd=folder).exit_code == 0
    result = cli("plan", "chain.yaml", "--simulate", cwd=folder)
    assert result.exit_code == 0
    assert result.out.endswith("\ntotal  nothing to pay\n")


def test_a_lock_that_is_gone_comes_back_with_a_run_that_pays_nothing(folder: Path) -> None:
    cli("run", "chain.yaml", "--simulate", cwd=folder)
    (folder / ".flowrunner/simulated/chain.lock.yaml").unlink()
    result = cli("plan", "chain.yaml", "--simulate", cwd=folder)
    assert result.out.endswith("\ntotal  nothing to pay\nnext   flowrunner run chain.yaml --simulate\n")
    cli("run", "chain.yaml", "--simulate", cwd=folder)
    assert "next" not in cli("plan", "chain.yaml", "--simulate", cwd=folder).out


def test_machines_get_the_promised_shape(folder: Path) -> None:
    result = cli("plan", "picked.yaml", "--format", "json", cwd=folder)
    fits(result.json, PLAN)
    assert [cell["decision"] for cell in result.json["cells"]] == ["run", "run", "await", "await", "await"]
    assert result.json["totals"]["after_picks"] == {
        "calls": 2,
        "estimate_usd": "0.0504",
        "unpriced": 0,
        "priced_usd": "0.0504",
    }


def test_several_pipelines_are_a_list_even_of_one_folder(folder: Path) -> None:
    (folder / "chain.yaml").unlink()
    result = cli("plan", ".", "--format", "json", cwd=folder)
    fits(result.json, several(PLAN))
    assert result.err == "1 pipeline in .\n"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_blank_line_stands_between_the_plans_of_several_pipelines(folder: Path, form: str) -> None:
    """Without one GitHub takes the head of the second for a row of the first one's table."""
    names = ["chain.yaml", "picked.yaml"]
    alone = [cli("plan", name, "--format", form, cwd=folder).out for name in names]
    assert cli("plan", *names, "--format", form, cwd=folder).out == "\n".join(alone)


def test_a_pipeline_that_is_at_fault_does_not_hide_the_others(folder: Path) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = cli("plan", "faulty.yaml", "chain.yaml", "--format", "json", cwd=folder)
    first, second = result.json["pipelines"]
    assert result.exit_code == 2
    assert first["problems"][0]["file"] == "faulty.yaml"
    assert second["totals"]["run"] == 1


@pytest.mark.parametrize(
    ("line", "why", "following"),
    [
        (
            "chain.yaml --frozen",
            "3 of 3 cells are not in chain.lock.yaml as they are now: portrait, dressed, small",
            "run chain.yaml",
        ),
        ("chain.yaml --max-usd 0.01", "the limit of this run is $0.01", "plan chain.yaml --cells --max-usd 0.01"),
        (
            "chain.yaml --max-calls 1",
            "2 calls are needed, and --max-calls is 1",
            "plan chain.yaml --cells --max-calls 1",
        ),
        (
            "unpriced.yaml --max-usd 1",
            "nobody has told the price of black-forest-labs/flux-2-pro/generate",
            "run unpriced.yaml --allow-unpriced=black-forest-labs/flux-2-pro/generate --max-usd 1.00",
        ),
    ],
)
def test_what_a_run_would_refuse_the_plan_refuses(folder: Path, line: str, why: str, following: str) -> None:
    project(folder, {"unpriced.yaml": UNPRICED})
    result = cli("plan", *line.split(), cwd=folder)
    assert result.exit_code == 3
    assert why in result.err
    assert result.err.endswith(f"Nothing was sent, nothing was paid.\nnext  flowrunner {following}\n")
    for form in ("json", "markdown"):
        assert cli("plan", *line.split(), "--format", form, cwd=folder).err == result.err
    assert cli("plan", *line.split(), "--format", "json", cwd=folder).json["refusal"]["message"] in result.err


def test_a_call_without_a_price_is_never_counted_as_free(folder: Path) -> None:
    project(folder, {"unpriced.yaml": UNPRICED})
    result = cli("plan", "unpriced.yaml", "--allow-unpriced", "--max-usd", "1", cwd=folder)
    assert "price unknown" in result.out
    assert "\ntotal  1 call of unknown price\n" in result.out
    totals = cli("plan", "unpriced.yaml", "--format", "json", cwd=folder).json["totals"]
    assert (totals["unpriced"], totals["estimate_usd"], totals["priced_usd"]) == (1, None, None)


MIXED = """
flowrunner: 1
provider: aimlapi
steps:
  known: {model: blackforestlabs/flux-2-pro, variants: 2, with: {prompt: x, image_size: {width: 1024, height: 1024}}}
  other: {model: blackforestlabs/flux-2-max, variants: 3, pick: human, with: {prompt: x}}
  after: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_size: square, image_urls: [$other]}}
  later: {model: "blackforestlabs/{{ axis.model }}", across: model, with: {prompt: y}, after: after}
axes: {model: [flux-2, flux-2-max]}
"""


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_plan_tells_known_prices_and_how_many_calls_have_none(tmp_path: Path, form: str) -> None:
    project(tmp_path, {"mixed.yaml": MIXED})
    result = cli("plan", "mixed.yaml", "--format", form, cwd=tmp_path)
    golden(GOLDEN / f"plan-mixed-{form}.txt", result.out)


def test_machines_are_told_both_parts_of_a_price(tmp_path: Path) -> None:
    project(tmp_path, {"mixed.yaml": MIXED})
    totals = cli("plan", "mixed.yaml", "--format", "json", cwd=tmp_path).json["totals"]
    assert (totals["calls"], totals["estimate_usd"], totals["unpriced"], totals["priced_usd"]) == (5, None, 3, "0.063")
    assert totals["after_picks"]["estimate_usd"] is None
    assert (totals["after_picks"]["unpriced"], totals["after_picks"]["calls"]) == (1, 3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--max-usd 0.05", "about $0.063 and 3 calls of unknown price are needed, and the limit of this run is $0.05"),
        ("--max-usd 1", "about $0.063 and 3 calls of unknown price are needed, and the limit of this run is $1.00"),
        ("--max-calls 4", "5 calls are needed, and --max-calls is 4; they cost about $0.063 and 3 calls of unknown"),
    ],
)
def test_a_refusal_names_the_limit_and_what_it_would_have_cost(tmp_path: Path, options: str, says: str) -> None:
    project(tmp_path, {"mixed.yaml": MIXED})
    for command in ("plan", "run"):
        result = cli(command, "mixed.yaml", *options.split(), cwd=tmp_path)
        assert (result.exit_code, says in result.err) == (3, True)
        assert "Nothing was sent, nothing was paid.\nnext  flowrunner " in result.err


@pytest.mark.parametrize("limit", ["--max-usd 0.1", "--max-calls 3"])
def test_a_limit_holds_for_all_pipelines_of_a_command_together(folder: Path, limit: str) -> None:
    project(folder, {"other.yaml": CHAIN.replace("T-Rex", "dodo")})
    assert cli("plan", "other.yaml", *limit.split(), cwd=folder).exit_code == 0
    result = cli("plan", "chain.yaml", "other.yaml", *limit.split(), "--format", "json", cwd=folder)
    first, second = (found["refusal"] for found in result.json["pipelines"])
    assert (result.exit_code, first) == (3, None)
    assert " needed, and earlier pipelines of this command leave " in second["message"]


def test_what_is_refused_takes_nothing_of_the_limit_of_a_command(folder: Path) -> None:
    project(folder, {"free.yaml": LOCAL})
    picture(folder / "photo.png")
    result = cli("plan", "chain.yaml", "free.yaml", "--max-calls", "1", "--format", "json", cwd=folder)
    assert [bool(found["refusal"]) for found in result.json["pipelines"]] == [True, False]


def test_pipelines_of_one_name_share_its_budget_in_one_plan(tmp_path: Path) -> None:
    text = CHAIN.replace("provider:", "budget: {total_usd: 0.1}\nprovider:")
    project(tmp_path, {"one.yaml": text, "two.yaml": text.replace("T-Rex", "dodo")})
    assert cli("plan", "two.yaml", cwd=tmp_path).exit_code == 0
    result = cli("plan", "one.yaml", "two.yaml", cwd=tmp_path)
    assert result.exit_code == 3
    assert "earlier pipelines of this command take about $0.057, about $0.057 more is needed" in result.err


def test_the_lower_of_two_limits_counts_and_is_named(tmp_path: Path) -> None:
    project(tmp_path, {"one.yaml": MIXED.replace("provider:", "budget: {max_usd: 0.02}\nprovider:")})
    assert "is $0.02 (budget.max_usd)" in cli("plan", "one.yaml", "--max-usd", "5", cwd=tmp_path).err
    assert "is $0.01 (--max-usd)" in cli("plan", "one.yaml", "--max-usd", "0.01", cwd=tmp_path).err


def test_a_locked_result_that_is_not_here_is_missing(folder: Path) -> None:
    cli("run", "chain.yaml", "--simulate", cwd=folder)
    for path in (folder / ".flowrunner/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    (folder / ".flowrunner/ledger.db").unlink()
    assert cli("plan", "chain.yaml", "--simulate", "--frozen", cwd=folder).exit_code == 0
    result = cli("plan", "chain.yaml", "--simulate", cwd=folder)
    assert result.exit_code == cli("run", "chain.yaml", "--simulate", cwd=folder).exit_code == 3
    assert re.search(r"^missing  dressed .* not here$", result.out, re.MULTILINE)
    anew = "next   flowrunner run chain.yaml --force portrait --force dressed --simulate\n"
    assert result.out.endswith(f"\nlack   pay simulated $0.057 for different pictures with --force\n{anew}")
    for name in ("portrait", "dressed"):
        cli("run", "chain.yaml", "--simulate", "--only", name, "--force", name, cwd=folder)
    assert cli("plan", "chain.yaml", "--simulate", cwd=folder).exit_code == 0


def test_a_missing_picture_of_one_sample_costs_what_the_suggested_run_pays_for_all_of_them(tmp_path: Path) -> None:
    text = CHAIN.replace(
        "{model: blackforestlabs/flux-2-pro,", "{model: blackforestlabs/flux-2-pro, variants: 4, pick: first,"
    )
    project(tmp_path, {"chain.yaml": text})
    cli("run", "chain.yaml", "--simulate", cwd=tmp_path)
    results, objects = tmp_path / "outputs/simulated/chain", tmp_path / ".flowrunner/objects"
    for name in ("portrait.1.png", "dressed.png", "small.png"):
        digest = sha256((results / name).read_bytes())
        (objects / digest[:2] / digest[2:]).unlink()
    told = cli("plan", "chain.yaml", "--simulate", cwd=tmp_path).out
    suggested = re.search(r"^next   flowrunner run (.*)$", told, re.MULTILINE)
    assert suggested
    total = cli("plan", *suggested[1].split(), cwd=tmp_path).out
    assert "\nlack   pay simulated $0.152 for different pictures with --force\n" in told
    assert "\ntotal  5 calls, simulated $0.152\n" in total


def test_each_cell_is_looked_at_once_however_many_pictures_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = "{{model: blackforestlabs/flux-2-edit, with: {{prompt: x, image_urls: [$e{}], {}}}}}"
    first = f"  e0: {{model: blackforestlabs/flux-2, with: {{prompt: x, {SIZE}}}}}\n"
    edits = "".join(f"  e{number + 1}: {edit.format(number, SIZE)}\n" for number in range(5))
    outputs = "".join(f"  o{number}: $e{number}\n" for number in range(6))
    project(tmp_path, {"long.yaml": f"flowrunner: 1\nprovider: aimlapi\nsteps:\n{first}{edits}outputs:\n{outputs}"})
    cli("run", "long.yaml", "--simulate", cwd=tmp_path)
    for path in (path for path in (tmp_path / ".flowrunner/objects").rglob("*") if path.is_file()):
        path.unlink()
    asked = []
    real = Search._makers

    def makers(search: Search, name: str) -> list[str]:
        asked.append(name)
        return real(search, name)

    monkeypatch.setattr(Search, "_makers", makers)
    result = cli("plan", "long.yaml", "--simulate", cwd=tmp_path)
    assert "long.yaml  6 cells: 6 missing" in result.out
    assert sorted(asked) == [f"e{number}" for number in range(6)]


@pytest.mark.slow
def test_ten_thousand_cells_fit_on_a_screen(tmp_path: Path) -> None:
    axis = ", ".join(f"v{number}" for number in range(100))
    text = LOCAL.replace("name: local", f"axes: {{a: [{axis}], b: [{axis}]}}").replace(
        "{model", "{across: [a, b], model"
    )
    project(tmp_path, {"many.yaml": text})
    picture(tmp_path / "photo.png")
    result = cli("plan", "many.yaml", cwd=tmp_path)
    assert result.out.count("\n") < 10
    assert "10,000 cells" in result.out


def test_a_plan_writes_nothing_but_what_it_said_and_reads_no_key(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    cli("plan", "chain.yaml", cwd=folder, env={"AIMLAPI_API_KEY": "bad key"})
    assert [path for path in sorted(folder.rglob("*")) if ".flowrunner" not in path.parts] == before
    assert not list((folder / ".flowrunner").rglob("*.db"))


def test_an_input_without_a_value_is_asked_for(folder: Path) -> None:
    project(
        folder,
        {
            "asks.yaml": CHAIN.replace("steps:", "inputs: {season: {}}\nsteps:").replace(
                "A suit", "'{{ inputs.season }}'"
            )
        },
    )
    result = cli("plan", "asks.yaml", cwd=folder)
    assert result.exit_code == 2
    assert "error: input season has no value\n     = give it: -i season=…" in result.err
    assert cli("plan", "asks.yaml", "-i", "season=winter", cwd=folder).exit_code == 0


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_text_from_outside_reaches_no_terminal_as_it_is(folder: Path, form: str) -> None:
    project(folder, {"bad.yaml": ANNOYING})
    result = cli("plan", "bad.yaml", "--cells", "--format", form, cwd=folder)
    assert result.exit_code == 0
    assert not set("\x1b\x07\u202e") & set(result.out + result.err)
    assert form != "markdown" or "<script>" not in result.out
