"""The command as a whole: help, exit codes, errors, colours, speed."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.command_runner import Run, Spawn
from tradeexecutor import __version__
from tradeexecutor.cli import command_table, failure
from tradeexecutor.cli.lazy_commands import CommandEntry, LazyCommand
from tradeexecutor.cli.main import app

COMMANDS = [entry.name for entry in command_table.COMMANDS]
EVERY_COMMAND = [*COMMANDS, *(f"store {entry.name}" for entry in command_table.STORE_COMMANDS)]


def test_help_lists_all_commands_and_a_first_step(run: Run):
    output = run("--help").stdout
    for command in COMMANDS:
        assert command in output
    assert "tradeexecutor demo" in output
    panels = [
        output.index(f"─ {panel} ") for panel in ("Run", "Look", "Check", "Change a state", "Keep", "This program")
    ]
    assert panels == sorted(panels)
    assert "─ Commands ─" not in output, "a command without a panel"
    assert run("-h").stdout == output


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_help_of_a_command_has_examples(run: Run, command: str):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"$ tradeexecutor {command}" in result.stdout
    assert "\x1b" not in result.stdout
    check_switches(result.stdout)


def check_switches(output: str) -> None:
    """--debug is in every help, and no switch looks as if it took a value."""
    (row,) = (line for line in output.splitlines() if "--debug " in line and line.startswith("│"))
    assert " ".join(row.strip("│").split()).startswith("--debug Show tracebacks")
    assert "<bool>" not in output


@pytest.mark.parametrize("group", ["", "store"])
def test_help_of_a_group_has_debug(run: Run, group: str):
    check_switches(run(*group.split(), "--help").stdout)


@pytest.mark.parametrize(
    "entry", [*command_table.COMMANDS, *command_table.STORE_COMMANDS], ids=lambda entry: entry.name
)
def test_the_line_in_the_list_is_the_first_of_the_help_of_a_command(entry: CommandEntry):
    command = LazyCommand(entry).load()
    assert command.name == entry.name
    assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == entry.help


def test_a_misspelt_command_is_told_the_right_one(run: Run):
    result = run("repai", "state.json")
    assert result.exit_code == 2
    assert "Did you mean 'repair'?" in result.stderr


def test_version(run: Run):
    assert run("version").stdout.startswith(f"tradeexecutor {__version__}\n")
    assert f'"version": "{__version__}"' in run("version", "--json").stdout
    for words in (("--version",), ("--version", "demo")):
        assert run(*words).stdout == f"tradeexecutor {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("show-positions",),
        ("show-positions", "x", "--tx-type", "some"),
        ("show-trades", "x", "--limit", "0"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_has_exit_code_2(run: Run, arguments: tuple[str, ...]):
    result = run(*arguments)
    assert result.exit_code == 2
    assert not result.stdout
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("command", ["show-positions", "show-trades"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no file"),
        ("", "it is empty"),
        ("{", "not valid JSON"),
        ("[]", "a state is a JSON object"),
        ('{"portfolio": 5}', "Expected `object`"),
        ('{"schema_version": 99}', "upgrade tradeexecutor"),
    ],
)
def test_a_file_that_is_no_state_is_one_line_on_standard_error(
    run: Run, tmp_path: Path, command: str, content: str | None, reason: str
):
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content)
    result = run(command, path)
    assert result.exit_code == 1
    assert not result.stdout
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ")
    assert str(path) in result.stderr
    assert reason in result.stderr


def test_a_folder_in_place_of_a_file(run: Run, backtest_state: Path):
    result = run("show-positions", backtest_state.parent)
    assert result.exit_code == 1
    assert f"Did you mean {backtest_state}?" in result.stderr


def test_an_unknown_position(run: Run, backtest_state: Path):
    result = run("show-trades", backtest_state, "--position", 5)
    assert result.exit_code == 1
    assert "there is no position #5" in result.stderr


def test_a_defect_of_ours_is_one_line_too_and_asks_for_a_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path = tmp_path / "state.json"
    path.write_text("{}")
    monkeypatch.setattr("tradeexecutor.state.state.State.read_json_file", lambda path: 1 / 0)
    result = run("show-positions", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: unexpected ZeroDivisionError: division by zero")
    assert "--debug" in result.stderr


def test_debug_shows_the_traceback(run: Run, tmp_path: Path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    for words in (
        ("--debug", "show-positions", path),
        ("show-positions", "--debug", path),
        ("show-positions", path, "--debug"),
        ("--debug", "store", "recover", path),
        ("store", "--debug", "recover", path),
        ("store", "recover", path, "--debug"),
    ):
        result = run(*words)
        assert result.exit_code == 1
        assert "Traceback (most recent call last)" in result.stderr, words
        assert "tradeexecutor.state.errors." in result.stderr


def test_debug_as_a_variable_of_the_environment(spawn: Spawn, tmp_path: Path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    result = spawn("show-positions", path, TRADEEXECUTOR_DEBUG="1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "InvalidStateFile" in result.stderr


def test_without_debug_there_is_no_traceback(spawn: Spawn, tmp_path: Path):
    result = spawn("show-positions", tmp_path / "missing.json")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr


def test_debug_of_one_run_does_not_stay_for_the_next(run: Run):
    for words in (("--debug", "version"), ("version", "--debug"), ("store", "--debug", "list", "sqlite:///none.db")):
        run(*words)
        assert failure._debug is True
        run("version")
        assert failure._debug is False


@pytest.mark.slow
def test_colours_can_be_forced_and_refused(spawn: Spawn, backtest_state: Path):
    arguments = ("show-positions", backtest_state, "--position-type", "all")
    assert "\x1b[" in spawn(*arguments, FORCE_COLOR="1").stdout
    coloured = spawn(*arguments, FORCE_COLOR="1", NO_COLOR="1").stdout
    # NO_COLOR refuses colours; bold and dim are none.
    assert "\x1b[3" not in coloured


@pytest.mark.slow
def test_help_of_no_command_loads_anything_heavy():
    code = (
        "import sys; from tradeexecutor.cli import command_table, lazy_commands\n"
        "for entry in command_table.COMMANDS:\n"
        "    lazy_commands.LazyCommand(entry).load()\n"
        "    heavy = {'pandas', 'numpy', 'pyarrow', 'plotly', 'sqlalchemy', 'jinja2'} & set(sys.modules)\n"
        "    if heavy: sys.exit(f'{entry.name}: {sorted(heavy)}')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"loaded by {result.stderr}"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from tradeexecutor.cli.main import app; "
        "heavy = {'pandas', 'numpy', 'pyarrow', 'plotly', 'msgspec', 'eth_utils'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"loaded: {result.stderr}"


def test_the_command_has_no_state_of_its_own(run: Run, backtest_state: Path):
    assert app.info.name == "tradeexecutor"
    assert run("show-positions", backtest_state).stdout == run("show-positions", backtest_state).stdout


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.csv"), "there is no file x.csv"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "none/x.csv"), "there is no folder none"),
        (PermissionError(errno.EACCES, "Permission denied", "x.json.lock"), "the folder FOLDER is not writable"),
        (PermissionError(errno.EACCES, "Permission denied", "there.json"), "there.json: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
    ids=str,
)
def test_what_the_system_refused_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, text: str
):
    (tmp_path / "there.json").touch()
    monkeypatch.chdir(tmp_path)
    assert failure.describe_error(error) == text.replace("FOLDER", str(tmp_path))


def test_files_in_the_working_folder_are_named_as_the_user_names_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "empty.json").touch()
    monkeypatch.chdir(tmp_path)
    assert run("prune-state", "empty.json").stderr.startswith("Error: empty.json: ")
