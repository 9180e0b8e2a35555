import re
from pathlib import Path

import pytest
from command_projects import CHAIN, PICKED
from shapes import PICK, fits, several
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run waits for two choices."""
    folder = project(tmp_path_factory.mktemp("made"), {"picked.yaml": PICKED, "chain.yaml": CHAIN})
    assert cli("run", "picked.yaml", "--simulate", cwd=folder).exit_code == 4
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    import shutil

    return shutil.copytree(made, tmp_path / "copy")


def _without_digests(text: str) -> str:
    return re.sub(r"  [0-9a-f]{6}  ", "  abcdef  ", text)


def test_what_waits_is_listed_with_its_candidates(folder: Path) -> None:
    result = cli("pick", "picked.yaml", "--simulate", cwd=folder)
    assert (result.exit_code, result.err) == (4, "")
    golden(GOLDEN / "pick-list.txt", _without_digests(result.out))


def test_without_simulate_another_lock_is_meant(folder: Path) -> None:
    result = cli("pick", "picked.yaml", cwd=folder)
    assert result.exit_code == 0
    assert result.out.startswith("nothing waits in picked")


def test_a_choice_behind_another_one_suggests_that_first(tmp_path: Path) -> None:
    first = "model: image/resize, pick: human, with: {image: photo.png, width: 40}"
    then = "model: image/resize, pick: human, with: {image: $small, width: 20}"
    project(tmp_path, {"p.yaml": f"flowrunner: 1\nsteps:\n  small: {{{first}}}\n  tiny: {{{then}}}\n"})
    picture(tmp_path / "photo.png")
    hints = []
    for _ in range(2):
        hints.append(cli("pick", "p.yaml", "tiny", "1", cwd=tmp_path).err.splitlines()[1])
        assert cli("run", "p.yaml", cwd=tmp_path).exit_code == 4
    assert hints == ["     = flowrunner run p.yaml", "     = flowrunner pick p.yaml"]


def test_choices_that_come_after_a_run_are_told(folder: Path) -> None:
    later = "2 choices come once the pictures are made\nnext  flowrunner run picked.yaml\n"
    assert cli("pick", "picked.yaml", cwd=folder).out == f"nothing waits in picked: {later}"
    assert cli("pick", "chain.yaml", cwd=folder).out == "nothing waits in chain\n"


def test_machines_get_the_promised_shape(folder: Path) -> None:
    result = cli("pick", "picked.yaml", "--simulate", "--format", "json", cwd=folder)
    fits(result.json, PICK)
    assert [cell["cell"] for cell in result.json["waiting"]] == ["scene/lamp", "scene/vase"]
    fits(cli("pick", ".", "--simulate", "--format", "json", cwd=folder).json, several(PICK))


def test_what_the_checks_say_stands_below_each_candidate(folder: Path) -> None:
    path = folder / "picked.yaml"
    check = '    check: [{size: {width: 512}}, {not_flat: 120}, {colors: {hex: "#010203"}, level: warn}]\n'
    path.write_text(path.read_text().replace("    pick: human\n", f"    pick: human\n{check}"))
    result = cli("pick", "picked.yaml", "--simulate", cwd=folder)
    assert result.exit_code == 4
    golden(GOLDEN / "pick-checks.txt", re.sub(r"[0-9]+\.[0-9] levels", "12.3 levels", _without_digests(result.out)))
    found = cli("pick", "picked.yaml", "--simulate", "--format", "json", cwd=folder).json
    fits(found, PICK)
    asserted = found["waiting"][0]["candidates"][0]["checks"]
    assert [one["result"] for one in asserted] == ["pass", "fail", "warn"]


def test_a_choice_that_its_checks_fail_is_told(folder: Path) -> None:
    path = folder / "picked.yaml"
    path.write_text(path.read_text().replace("    pick: human\n", "    pick: human\n    check: [{size: {width: 9}}]\n"))
    said = cli("pick", "picked.yaml", "scene/lamp", "2", "--simulate", cwd=folder).out.splitlines()[1]
    assert said == "      = its checks fail it: size: width 512, asked for 9; choose another, or loosen the check"


def test_a_choice_is_recorded_with_its_reason_and_the_run_goes_on(folder: Path) -> None:
    first = cli("pick", "picked.yaml", "scene/lamp", "2", "--why", "the shade", "--simulate", cwd=folder)
    assert first.exit_code == 0
    assert first.out.startswith("pick  scene/lamp  2  ")
    assert first.out.endswith('next  flowrunner pick picked.yaml scene/vase N --why "…" --simulate\n')
    second = cli("pick", "picked.yaml", "scene/vase", "1", "--simulate", cwd=folder)
    assert second.out.endswith("next  flowrunner run picked.yaml --simulate\n")
    assert cli("run", "picked.yaml", "--simulate", cwd=folder).exit_code == 0


@pytest.mark.parametrize("choice", ["2", "none"])
def test_a_reason_of_several_lines_is_kept_as_one(folder: Path, choice: str) -> None:
    told = cli(
        "pick", "picked.yaml", "scene/lamp", choice, "--why", 'the "shade"\n\tand: # it\n', "--simulate", cwd=folder
    )
    assert told.out.splitlines()[0].endswith('  the "shade" and: # it')


def test_choices_come_from_a_file_or_from_stdin(folder: Path) -> None:
    lines = "# best ones\nscene/lamp 1 the shade\n\nscene/vase none too dark\n"
    (folder / "picks.txt").write_text(lines)
    for source in ("picks.txt", "-"):
        result = cli("pick", "picked.yaml", "--from", source, "--simulate", cwd=folder, stdin=lines)
        assert result.exit_code == 0
        assert "pick  scene/vase  none of them  too dark\n" in result.out


def test_a_refused_candidate_goes_on_waiting_and_shows_why(folder: Path) -> None:
    cli("pick", "picked.yaml", "scene/lamp", "none", "--why", "all too dark", "--simulate", cwd=folder)
    result = cli("pick", "picked.yaml", "--simulate", cwd=folder)
    assert "\n  none will do: all too dark; a changed prompt or --force makes others\n" in result.out
    again = cli("run", "picked.yaml", "--simulate", cwd=folder)
    sheet = "outputs/simulated/picked/scene/lamp/candidates.png"
    others = "a changed prompt or --force makes others"
    assert f"wait  scene/lamp  none of 2 would do: {sheet}  (all too dark; {others})\n" in again.out


def test_where_no_candidate_will_do_the_next_run_makes_others(folder: Path) -> None:
    cli("pick", "picked.yaml", "scene/vase", "1", "--simulate", cwd=folder)
    said = cli("pick", "picked.yaml", "scene/lamp", "none", "--simulate", cwd=folder).out
    assert said.endswith("next  flowrunner run picked.yaml --force scene/lamp --simulate\n")
    lines = "scene/lamp none\nscene/vase none\n"
    said = cli("pick", "picked.yaml", "--from", "-", "--simulate", cwd=folder, stdin=lines).out
    assert said.endswith("next  flowrunner run picked.yaml --force scene --simulate\n")


def test_whoever_refused_all_candidates_is_not_asked_again(folder: Path) -> None:
    def following(*words: str, stdin: str = "") -> str:
        return cli(*words, "--simulate", cwd=folder, stdin=stdin).out.splitlines()[-1].removeprefix("next").strip()

    vase = 'flowrunner pick picked.yaml scene/vase N --why "…" --simulate'
    assert following("pick", "picked.yaml", "scene/lamp", "none") == vase
    assert following("run", "picked.yaml") == following("pick", "picked.yaml") == vase
    assert following("plan", "picked.yaml") == "flowrunner pick picked.yaml --simulate"
    others = "flowrunner run picked.yaml --force scene --simulate"
    assert following("pick", "picked.yaml", "scene/vase", "none") == others
    assert [following(verb, "picked.yaml") for verb in ("pick", "plan", "run")] == [others] * 3


def test_candidates_that_are_made_anew_are_not_taken_for_those_that_were_refused(folder: Path) -> None:
    cli("pick", "picked.yaml", "--from", "-", "--simulate", cwd=folder, stdin="scene/lamp none\nscene/vase none\n")
    said = cli("run", "picked.yaml", "--force", "scene/lamp", "--simulate", cwd=folder).out
    assert "none would do" not in next(line for line in said.splitlines() if line.startswith("wait  scene/lamp"))
    listed = cli("pick", "picked.yaml", "--simulate", "--format", "json", cwd=folder).json["waiting"]
    assert {cell["cell"]: cell["state"] for cell in listed} == {"scene/lamp": "new", "scene/vase": "none"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scene/lamp 9", "scene/lamp has no candidate 9"),
        ("scene/lamp 0", "scene/lamp has no candidate 0\n     = choose 1, 2 or none"),
        ("scene/lamp ²", "'²' is no choice"),
        ("scene/lamp", "which candidate of scene/lamp?"),
        ("scene/lamb 1", "there is no cell scene/lamb"),
        ("frame/lamp 1", "frame/lamp takes candidate 1 by itself"),
        ("scene/lamp first", "'first' is no choice"),
        ("--from absent.txt", "absent.txt cannot be read"),
        ("--from -", "- holds no pick"),
        ("scene/lamp 1 --from -", "--from and a choice on the command line"),
        ("--why because", "--why without a choice"),
    ],
)
def test_what_is_no_choice_is_refused_and_nothing_is_written(folder: Path, line: str, message: str) -> None:
    lock = folder / ".flowrunner/simulated/picked.lock.yaml"
    before = lock.read_bytes()
    result = cli("pick", "picked.yaml", *line.split(), "--simulate", cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert message in result.err
    assert lock.read_bytes() == before


def test_what_is_to_be_called_first_is_simulated_as_well(folder: Path) -> None:
    path = folder / "picked.yaml"
    path.write_text(path.read_text().replace("on a desk", "on an oak desk"))
    said = [cli("pick", "picked.yaml", "scene/lamp", *choice, "--simulate", cwd=folder).err for choice in ([], ["2"])]
    assert said[0].endswith("= flowrunner pick picked.yaml scene/lamp N --simulate\n")
    assert said[1].endswith("= flowrunner run picked.yaml --simulate\n")


@pytest.mark.parametrize("line", ["scene/lamp 0", f"scene/lamp {'1' * 5000}"])
def test_a_number_in_a_file_of_choices_is_refused_as_it_is_on_the_command_line(folder: Path, line: str) -> None:
    result = cli("pick", "picked.yaml", "--from", "-", "--simulate", cwd=folder, stdin=f"{line}\n")
    assert (result.exit_code, result.out) == (2, "")
    assert "bug" not in result.err


def test_the_only_candidate_is_not_taken_for_number_nought(folder: Path) -> None:
    single = PICKED.replace("variants: 2", "variants: 1").replace("name: picked", "name: single")
    project(folder, {"single.yaml": single})
    cli("run", "single.yaml", "--simulate", cwd=folder)
    result = cli("pick", "single.yaml", "scene/lamp", "0", "--simulate", cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert "scene/lamp has no candidate 0\n     = choose 1 or none" in result.err


def test_a_choice_in_json_gives_what_still_waits(folder: Path) -> None:
    result = cli("pick", "picked.yaml", "scene/lamp", "1", "--simulate", "--format", "json", cwd=folder)
    fits(result.json, PICK)
    assert [cell["cell"] for cell in result.json["waiting"]] == ["scene/vase"]


def test_what_is_suggested_names_the_path_the_inputs_and_the_lock_that_were_meant(tmp_path: Path) -> None:
    given = "inputs: {word: {default: a}}\nsteps:"
    project(tmp_path, {"below/picked.yaml": PICKED.replace("steps:", given, 1), "flowrunner.toml": ""})
    meant = ("below/picked.yaml", "scene/lamp", "-i", "word=two words", "--simulate")
    none = cli("pick", *meant, "1", cwd=tmp_path).err
    tail = "-i 'word=two words' --simulate"
    assert none.endswith(f"has no candidates yet\n     = flowrunner run below/picked.yaml {tail}\n")
    assert cli("pick", *meant, cwd=tmp_path).err.endswith(f"= flowrunner pick below/picked.yaml scene/lamp N {tail}\n")


def test_a_choice_in_a_folder_is_made_in_the_one_pipeline_of_it(folder: Path) -> None:
    several = cli("pick", ".", "scene/lamp", "2", "--simulate", cwd=folder)
    assert (several.exit_code, several.out) == (2, "")
    assert "     = name one of them: chain.yaml, picked.yaml\n" in several.err
    (folder / "chain.yaml").unlink()
    assert cli("pick", ".", "scene/lamp", "2", "--simulate", cwd=folder).out.startswith("pick  scene/lamp  2  ")
