"""The table of commands, what every command obeys, and how mistakes and bugs end."""

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support import cli, environment, golden, project

from flowrunner.cli import COMMANDS, _parser, module_of
from flowrunner.commands import ending
from flowrunner.errors import FlowError, InvalidPipeline, RunRefused, UsageError
from flowrunner.problems import error

NAMES = list(COMMANDS)
CHAIN = """\
flowrunner: 1
provider: aimlapi
steps:
  one: {model: blackforestlabs/flux-2, with: {prompt: x, image_size: {width: 512, height: 512}}}
"""
HEAVY = {
    *("networkx", "httpx", "jinja2", "jsonschema", "referencing", "PIL", "numpy", "rich", "shtab", "yaml"),
    *("asyncio", "dataclasses", "importlib.metadata", "inspect", "logging", "platform", "socket", "sqlite3", "ssl"),
    *("subprocess", "tomllib"),
}
FAULTY = CHAIN.replace("512}", "500}")
WORDS = CHAIN.replace("prompt: x", "prompt: 'x {{ pipeline.name }}'")
ALLOWED: dict[str, set[str]] = {
    "models": set(),
    "models show blackforestlabs/flux-2": set(),
    "models --format json": set(),
    "schema": set(),
    "schema --check": set(),
    "init new": set(),
    "runs": {"sqlite3"},
    "store gc": {"sqlite3"},
    "store fsck": {"sqlite3"},
    "store push": set(),
    "validate one.yaml": {"yaml"},
    "validate words.yaml": {"yaml", "jinja2", "inspect"},
    # jsonschema tells what is wrong with a request; that nothing is wrong is known without it.
    "validate faulty.yaml": {"yaml", "jsonschema", "referencing", "dataclasses", "inspect", "platform"},
    "plan one.yaml": {"yaml", "sqlite3"},
    "accept one.yaml one --undo": {"yaml", "sqlite3"},
    "pick one.yaml": {"yaml", "sqlite3"},
    "diff one.yaml": {"yaml", "subprocess"},
    "check one.yaml": {"yaml", "sqlite3"},
    "graph one.yaml": {"yaml"},
    "report one.yaml": {"yaml", "sqlite3", "logging"},
    # httpx brings rich for a command line of its own, where it is installed.
    "run one.yaml --simulate": HEAVY - {"shtab", "jinja2", "jsonschema", "networkx", "numpy", "referencing"},
}
"""What a command line may load beside the standard library and flowrunner itself."""
QUICK = ("models", "validate one.yaml", "plan one.yaml", "diff one.yaml", "run one.yaml --simulate")


def _loaded(line: str, cwd: Path) -> set[str]:
    """The modules that a command line brings in, in a process of its own."""
    script = (
        "import sys\nbefore = set(sys.modules)\nfrom flowrunner.cli import main\n"
        f"main({line.split()!r})\n"
        "print(*(set(sys.modules) - before), file=sys.stderr)"
    )
    env = environment(cwd)
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=() if line in QUICK else pytest.mark.slow) for line in ALLOWED]
)
def test_a_command_loads_only_what_it_needs(tmp_path: Path, line: str) -> None:
    project(tmp_path, {"one.yaml": CHAIN, "faulty.yaml": FAULTY, "words.yaml": WORDS})
    assert _loaded(line, tmp_path) & HEAVY <= ALLOWED[line]


def test_a_plan_without_checks_loads_nothing_that_measures_pictures(tmp_path: Path) -> None:
    project(tmp_path, {"one.yaml": CHAIN})
    assert {"flowrunner.checks.judge", "flowrunner.report.markdown"} & _loaded("plan one.yaml", tmp_path) == set()


def test_a_check_before_paying_loads_nothing_of_what_comes_after(tmp_path: Path) -> None:
    project(tmp_path, {"one.yaml": CHAIN})
    later = ["checks.judge", "imaging.sheet", "planning", "previews", "report", "running", "simulator", "xmp"]
    later += ["store.ledger", "store.lockread", "store.locktext"]
    assert not {f"flowrunner.{name}" for name in later} & _loaded("validate one.yaml", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_loads_nothing_heavy(tmp_path: Path, name: str) -> None:
    loaded = _loaded(f"{name} --help", tmp_path)
    assert loaded & HEAVY == set()
    assert {"flowrunner.project", "flowrunner.graph", "flowrunner.catalog.load"} & loaded == set()


@pytest.mark.parametrize("line", ["", "-h", "--help", "--version"])
def test_what_needs_no_command_loads_nothing(tmp_path: Path, line: str) -> None:
    assert _loaded(line, tmp_path) == {"flowrunner", "flowrunner.cli"}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(tmp_path: Path, name: str) -> None:
    result = cli(name, "--help", cwd=tmp_path)
    assert result.exit_code == 0
    assert result.out.startswith(f"usage: flowrunner {name} ")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_refuses_an_option_that_it_has_not(tmp_path: Path, name: str) -> None:
    result = cli(name, "--frobnicate", "x", cwd=tmp_path)
    assert (result.exit_code, result.out) == (2, "")
    assert result.err.startswith(f"error: flowrunner {name}: there is no option --frobnicate")


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_a_module_with_two_doors_and_a_docstring(name: str) -> None:
    module = module_of(name)
    assert module.__doc__
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_help_lists_every_command_and_option_and_needs_no_command(tmp_path: Path) -> None:
    bare = cli(cwd=tmp_path)
    for words in (["-h"], ["--help"], ["--version", "--help"]):
        assert cli(*words, cwd=tmp_path) == bare
    assert all(f"\n  {name} " in bare.out for name in NAMES)
    assert all(option in bare.out for option in _parser().options)
    golden(Path(__file__).parent / "golden" / "help.txt", bare.out)


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert cli("--version", cwd=tmp_path).out == f"flowrunner {version('flowrunner')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_commands_options_and_files(tmp_path: Path, shell: str) -> None:
    script = cli("--print-completion", shell, cwd=tmp_path).out
    assert all(name in script for name in NAMES)
    assert "simulate" in script


def test_bash_completes_file_names_for_a_path(tmp_path: Path) -> None:
    script = cli("--print-completion", "bash", cwd=tmp_path).out
    assert "_shtab_flowrunner_validate_pos_0_COMPGEN=_shtab_compgen_files" in script


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("validat", "there is no command validat", "did you mean validate?"),
        ("frobnicate", "there is no command frobnicate", "flowrunner --help lists the commands"),
        ("--verson", "flowrunner: there is no option --verson", "did you mean --version?"),
        ("run x.yaml --simulat", "flowrunner run: there is no option --simulat", "did you mean --simulate?"),
        ("run x.yaml --max-usd=lots", "flowrunner run: --max-usd: 'lots' is not an amount of dollars", ""),
        ("run x.yaml --concurrency 0", "flowrunner run: --concurrency: 0 is not a whole number from 1 to 256", ""),
        ("run", "flowrunner run: PATH is missing", ""),
        ("run x.yaml --only", "flowrunner run: --only: a value is missing", ""),
        ("run x.yaml --yes=no", "flowrunner run: --yes: it takes no value", ""),
        ("run x.yaml -i season", "-i season is no input", "write -i NAME=VALUE"),
        ("run x.yaml -i a=1 -i a=2", "-i a is given twice", ""),
        ("plan x.yaml --format xml", "flowrunner plan: --format: xml is none of text, json, markdown", ""),
        ("simulate --latency soon", "flowrunner simulate: --latency: soon is not a number of seconds", ""),
        ("graph x.yaml y.yaml", "flowrunner graph: nothing takes 'y.yaml'", ""),
        ("runs shaw r-1", "flowrunner runs: there is no command shaw", "did you mean show?"),
        ("models show", "flowrunner models show: ID is missing", ""),
        ("models show flux-2-pro", "no model flux-2-pro", "did you mean blackforestlabs/flux-2-pro?"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_with_what_to_write(
    tmp_path: Path, line: str, message: str, hint: str
) -> None:
    result = cli(*line.split(), cwd=project(tmp_path, {}))
    assert (result.exit_code, result.out) == (2, "")
    first, *rest = result.err.splitlines()
    assert first.startswith(f"error: {message}")
    assert hint in "\n".join(rest)


def test_options_may_stand_among_paths(tmp_path: Path) -> None:
    project(tmp_path, {"one.yaml": CHAIN, "two.yaml": CHAIN})
    result = cli("plan", "one.yaml", "--max-usd", "1", "two.yaml", "--allow-unpriced", "--format", "json", cwd=tmp_path)
    assert [found["pipeline"] for found in result.json["pipelines"]] == ["one.yaml", "two.yaml"]


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 4, 1, 3, 130, 2], 2), ([0, 4, 1, 3, 130], 130), ([1, 3], 3), ([4, 1], 1), ([0, 4], 4), ([], 0)],
)
def test_of_several_exit_codes_the_worst_is_told(codes: list[int], code: int) -> None:
    assert ending.combined(codes) == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FlowError("x"), 1),
        (UsageError("x"), 2),
        (InvalidPipeline([error("x", "y")]), 2),
        (RunRefused("x"), 3),
        (KeyboardInterrupt(), 130),
        (PermissionError(13, "Permission denied", "/secret"), 1),
        (OSError(28, "No space left on device"), 1),
        (ValueError("x"), 1),
    ],
)
def test_every_exception_has_its_exit_code_and_no_traceback(
    fault: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending.told(fault) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("fault", [UsageError("x"), InvalidPipeline([error("x", "y")]), RunRefused("x")])
def test_where_any_error_comes_from_is_shown_on_request(
    fault: FlowError, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWRUNNER_DEBUG", "1")
    ending.told(fault, spent=ending.NOTHING)
    told = capsys.readouterr().err
    assert f"{type(fault).__name__}: " in told
    assert told.endswith(f"{ending.NOTHING}\n")


def _interrupt(_: object) -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal was not heard")


def test_a_signal_ends_any_command_in_a_sentence_and_machines_in_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrunner.commands.models.run", _interrupt)
    before = signal.getsignal(signal.SIGTERM)
    result = cli("models", "--format", "json", cwd=tmp_path)
    assert (result.exit_code, result.err, result.json["error"]["message"]) == (130, "interrupted\n", "interrupted")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_pipeline_that_cannot_be_read_is_told_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(path))

    project(tmp_path, {"sub/a.yaml": "", "sub/b.yaml": ""})
    monkeypatch.setattr("flowrunner.project.find_root", refuse)
    result = cli("plan", "sub/a.yaml", "sub/b.yaml", "--format", "json", cwd=tmp_path)
    told = [(one["pipeline"], one["error"]["message"]) for one in result.json["pipelines"]]
    assert told == [(f"sub/{name}.yaml", f"sub/{name}.yaml cannot be read: Permission denied") for name in "ab"]
    assert result.exit_code == 2


def test_documents_name_a_pipeline_by_its_path_from_the_project_wherever_it_is_called(tmp_path: Path) -> None:
    project(tmp_path, {"sub/a.yaml": "flowrunner: 1\nsteps: {}\n"})
    for name in ("a.yaml", "none.yaml"):
        assert cli("plan", name, "--format", "json", cwd=tmp_path / "sub").json["pipeline"] == f"sub/{name}"


def _send(key: str) -> None:
    raise ValueError(f"sent {key}")


def test_what_nobody_expected_is_told_as_a_bug_and_keys_are_masked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-live-0123456789")
    monkeypatch.delenv("FLOWRUNNER_DEBUG", raising=False)
    assert ending.told(ValueError("sent sk-live-0123456789\x1b[31m")) == 1
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "this is a bug in flowrunner: ValueError: sent ***\\e[31m"


def test_a_traceback_is_shown_on_request_and_keys_are_masked_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-live-0123456789")
    monkeypatch.setenv("FLOWRUNNER_DEBUG", "1")
    with pytest.raises(ValueError, match="sent") as caught:
        _send("sk-live-0123456789")
    ending.told(caught.value)
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "sk-live" not in shown


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m flowrunner models show blackforestlabs/flux-2; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({line}) | true"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "0\n"


def test_a_terminal_that_cannot_show_a_letter_gets_its_code(tmp_path: Path) -> None:
    project(tmp_path, {"one.yaml": CHAIN.replace("prompt: x", "promt: ö")})
    env = environment(tmp_path, {"PYTHONIOENCODING": "ascii"})
    line = [sys.executable, "-m", "flowrunner", "validate", "one.yaml"]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "promt: \\xf6" in done.stdout


def test_the_package_loads_its_doors_when_they_are_used() -> None:
    import flowrunner

    assert {"load", "plan", "run", "arun", "check", "validate", "Options"} <= set(dir(flowrunner))
    assert callable(flowrunner.plan)
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = flowrunner.frobnicate


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("runs show r-0000", 2),
        ("store push", 2),
        ("accept one.yaml nothing --why x", 2),
        ("pick one.yaml nothing 1", 2),
        ("plan empty", 2),
        ("run empty", 2),
        ("models import absent.json", 2),
        ("init one.yaml", 2),
        ("run", 2),
        ("run one.yaml --simulat", 2),
        ("run one.yaml --max-usd lots", 2),
        ("runs shaw", 2),
        ("validat one.yaml", 2),
    ],
)
def test_machines_are_told_of_an_error_in_one_document(tmp_path: Path, line: str, code: int) -> None:
    (project(tmp_path, {"one.yaml": CHAIN}) / "empty").mkdir()
    plain, result = (cli(*line.split(), *more, cwd=tmp_path) for more in ((), ("--format", "json")))
    assert (plain.exit_code, plain.out, result.err) == (code, "", plain.err)
    assert result.json["error"]["exit_code"] == result.exit_code == code
    assert result.json["error"]["message"] in plain.err


def test_a_command_that_makes_files_tells_machines_which(tmp_path: Path) -> None:
    made = cli("init", "new", "--format", "json", cwd=tmp_path).json["files"]
    assert {"path": "new/flowrunner.toml", "state": "made"} in made
    assert all((tmp_path / one["path"]).exists() for one in made)
    told = [cli("schema", *words, "--format", "json", cwd=tmp_path) for words in (["--check"], [], ["--check"])]
    assert [(one.exit_code, one.json["state"]) for one in told] == [
        (1, "is not up to date"),
        (0, "written"),
        (0, "is up to date"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_like_one_that_leads_nowhere(tmp_path: Path, closed: str) -> None:
    project(tmp_path, {"one.yaml": CHAIN})
    line = f"{sys.executable} -m flowrunner run one.yaml --simulate {closed}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment(tmp_path), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "outputs/simulated/one/one.png").exists()


BAD = os.fsdecode(b"bad\xff.yaml")


@pytest.mark.parametrize("name", ["validate", "plan", "run", "pick", "check", "graph", "report"])
def test_a_pipeline_whose_name_is_no_text_is_told_so(tmp_path: Path, name: str) -> None:
    (project(tmp_path, {}) / BAD).write_text(CHAIN)
    result = cli(name, BAD, cwd=tmp_path)
    assert result.exit_code == 2
    assert "the name of bad\\udcff.yaml is not UTF-8" in result.out + result.err
    assert "rename it" in result.out + result.err


def test_a_name_of_letters_that_the_locale_has_not_says_what_to_set(tmp_path: Path) -> None:
    (project(tmp_path, {}) / "ünï.yaml").write_text(CHAIN)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "flowrunner", "run", "ünï.yaml", "--simulate"]
    env = environment(tmp_path, plain)
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "     = set LC_ALL=C.UTF-8: file names are read as ascii here\n" in done.stderr


@pytest.mark.parametrize(
    "line",
    ["run one.yaml --output", "plan one.yaml --inputs", "pick one.yaml one 1 --why", "accept one.yaml one --why"],
)
def test_what_is_no_text_is_refused_where_it_would_be_written_to_a_file(tmp_path: Path, line: str) -> None:
    project(tmp_path, {"one.yaml": CHAIN})
    result = cli(*line.split(), BAD, cwd=tmp_path)
    assert (result.exit_code, result.out) == (2, "")
    assert ": bad\\udcff.yaml is not UTF-8\n" in result.err


@pytest.mark.parametrize("variable", ["FLOWRUNNER_STORE", "FLOWRUNNER_REMOTE"])
def test_a_folder_of_a_user_whom_nobody_knows_is_told_with_its_variable(tmp_path: Path, variable: str) -> None:
    project(tmp_path, {"one.yaml": CHAIN})
    result = cli("plan", "one.yaml", cwd=tmp_path, env={variable: "~no-such-user/x"})
    assert result.exit_code == 2
    assert result.err.startswith(f"error: {variable} is ~no-such-user/x, and nobody knows the home of that user\n")
