"""Streams that are full, closed, of another encoding or no text: what a command says then, and its exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.nasty import make_nasty_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    state = new_state(1_000_000)
    trader = Trader(state)
    for _ in range(40):
        trader.buy(WETH_USDC, "1", 2000.0)
    path = tmp_path / "state.json"
    path.write_text(state.to_json())
    return path


def shell(
    command: str, *words: object, pass_fds: tuple[int, ...] = (), **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of bash in which tradeexecutor is "$T", and the words are "$1" and so on."""
    script = f'set -o pipefail; T() {{ "{sys.executable}" -m tradeexecutor.cli.main "$@"; }}; {command}'
    inherited: Mapping[str, str] = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        ["bash", "-c", script, "bash", *map(str, words)],
        capture_output=True,
        env={**inherited, **environment},
        timeout=120,
        check=False,
        pass_fds=pass_fds,
    )


@needs_full
@pytest.mark.parametrize(
    "arguments", ["show-trades $1", "show-trades $1 --json", "--help", "show-trades --help", "version"]
)
def test_full_output_is_a_failure(path: Path, arguments: str):
    result = shell(f"T {arguments} > /dev/full", path)
    assert result.returncode == 1
    assert result.stderr.startswith(b"Error: standard output: No space left on device")
    assert b"Traceback" not in result.stderr
    assert b"Exception ignored" not in result.stderr


@needs_full
def test_a_change_that_cannot_be_shown_is_not_made(path: Path):
    before = path.read_bytes()
    assert shell("T reset-state $1 --yes > /dev/full", path).returncode == 1
    assert path.read_bytes() == before


@pytest.mark.slow
@needs_full
def test_a_change_that_is_made_and_cannot_be_told_is_told_on_standard_error(path: Path):
    before = path.read_bytes()
    result = shell("T reset-state $1 --yes --json > /dev/full", path)
    assert result.returncode == 1
    assert path.read_bytes() != before
    text = result.stderr.decode()
    assert "was changed, but the output could not be written: standard output: No space left on device" in text
    command = text.partition("To undo it: tradeexecutor ")[2].strip()
    assert command
    assert shell(f"T {command} --yes").returncode == 0
    assert path.read_bytes() == before


def test_closed_output_is_refused_before_anything_is_done(path: Path):
    before = path.read_bytes()
    result = shell("T reset-state $1 --yes --json >&-", path)
    assert result.returncode == 1
    assert result.stderr == b"Error: standard output is closed; to see nothing: > /dev/null\n"
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["show-trades $1", "show-trades $1 --json"])
def test_a_reader_that_has_had_enough_is_no_error_to_read_about(path: Path, arguments: str):
    # The reader is gone before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = shell(f"T {arguments} >&{writing}", path, pass_fds=(writing,))
    finally:
        os.close(writing)
    assert result.returncode == 1
    assert result.stderr == b""
    result = shell(f"T {arguments} | head -1", path)
    assert result.returncode in (0, 1)  # whatever fits into the pipe has been written
    assert result.stderr == b""
    assert result.stdout.count(b"\n") == 1


@needs_full
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-", "2>&- < /dev/null"])
def test_without_standard_error_the_exit_code_still_tells(redirection: str):
    assert shell(f"T show-trades nothing.json {redirection}").returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1", "cp437"])
@pytest.mark.parametrize(
    "command", ["show-positions $1 --position-type all", "audit $1", "show-trades --help", "validate $1"]
)
def test_a_terminal_that_knows_few_characters(tmp_path: Path, encoding: str, command: str):
    state = State.from_json(make_nasty_state()[0].to_json())
    for position in state.portfolio.get_all_positions():
        position.pair.base.token_symbol = "USD₮0"
    path = tmp_path / "state.json"
    path.write_text(state.to_json())
    result = shell(f"T {command}", path, PYTHONIOENCODING=encoding)
    assert result.returncode in (0, 1), result.stderr
    assert result.stderr == b""
    text = result.stdout.decode(encoding.partition(":")[0])
    assert "usage" in text.lower() or r"USD\u20ae0" in text or r"\x1b" in text


def test_tables_stay_aligned_where_characters_are_escaped(path: Path):
    path.write_text(path.read_text().replace('"WETH"', '"USD₮0\u202e"'))
    lines = shell("T show-trades $1", path, PYTHONIOENCODING="ascii").stdout.decode("ascii").splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("Id"))
    bars = [position for position, character in enumerate(lines[head]) if character == "|"]
    assert r"USD\u20ae0\u202e" in lines[head + 2]
    assert all(line[position] == "|" for line in lines[head + 2 : head + 42] for position in bars)


@pytest.mark.slow
def test_code_that_is_no_utf8_is_a_usage_error(path: Path):
    result = shell(r"printf '1 + \xff' | T console $1 --code -", path)
    assert result.returncode == 2
    assert b"is not UTF-8 text" in result.stderr
    result = shell(r"T console $1 --code $'1 + \xff'", path)
    assert result.returncode == 2


def test_an_answer_that_is_no_utf8_is_no_yes(path: Path):
    before = path.read_bytes()
    result = shell(r"printf '\xff\xfe\n' | T reset-state $1", path)
    assert result.returncode == 1
    assert b"Nothing was changed." in result.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize("days", ["nan", "inf", "-inf", "-1", "1e300", "1e999", "9" * 400, "many", ""])
def test_absurd_numbers_of_days_are_usage_errors(run: Run, tmp_path: Path, days: str):
    result = run("store", "compact", f"sqlite:///{tmp_path}/trading.db#demo", "--days", days)
    assert result.exit_code == 2, result.stderr


@pytest.mark.parametrize(
    "address", ["sqlite:///a%00b#demo", "sqlite:///a\0b", "a\0.json", "postgresql://u@h/d%00b#demo", "sqlite:///a#d\0"]
)
@pytest.mark.parametrize("command", [("show-trades",), ("store", "history"), ("validate",)])
def test_nul_in_an_address_is_a_usage_error(run: Run, command: tuple[str, ...], address: str):
    result = run(*command, address)
    assert result.exit_code == 2, result.stderr
