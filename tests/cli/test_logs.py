"""Logs of programs that run for long: JSON objects or text, rotated, and the last one says why the program ended."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.kit.command_runner import Run
from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import DAY, HOUR
from tradeexecutor.cli.logs import JsonFormatter, LogSettings, TextFormatter, make_log_settings, write_log
from tradeexecutor.state.clock import utc_now

logger = logging.getLogger("tradeexecutor.test")


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_message_is_an_object_in_a_line(tmp_path: Path):
    path = tmp_path / "log.json"
    with write_log(LogSettings("json", path, fields={"strategy": "mine"})):
        logger.info("Bought %s\n\x1b[31m", "ETH", extra={"trade_id": 7})
        logging.getLogger("somebody.else").info("not ours")
    (line,) = path.read_text().splitlines()
    assert line.isascii()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found.pop("process") > 0
    assert found == {
        "level": "info",
        "logger": "tradeexecutor.test",
        "message": "Bought ETH\n\x1b[31m",
        "strategy": "mine",
        "trade_id": 7,
        "thread": "MainThread",
    }


def test_a_message_of_text_is_a_line_without_control_characters(tmp_path: Path):
    with write_log(LogSettings("text", tmp_path / "log")):
        logger.warning("Bought\n\x1b[31m")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.endswith(r"WARNING tradeexecutor.test: Bought\n\x1b[31m")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_has_its_traceback(formatter: logging.Formatter):
    try:
        raise KeyError("lost")
    except KeyError as error:
        record = logger.makeRecord("x", logging.ERROR, "", 0, "failed", (), (KeyError, error, error.__traceback__))
    text = formatter.format(record)
    assert "KeyError: 'lost'" in text
    if isinstance(formatter, JsonFormatter):
        assert "KeyError: 'lost'" in json.loads(text)["traceback"]


def test_the_file_is_rotated_and_the_oldest_one_removed(tmp_path: Path):
    path = tmp_path / "log.json"
    settings = make_log_settings("json", path, 0.001, 2)
    with write_log(settings):
        for number in range(40):
            logger.info("message", extra={"number": number})
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log.json", "log.json.1", "log.json.2"]
    assert all(file.stat().st_size <= 1_000 for file in files)
    numbers = [entry["number"] for file in (files[2], files[1], files[0]) for entry in read_lines(file)]
    assert numbers == list(range(40))[-len(numbers) :]  # nothing is missing in between
    assert len(numbers) > 10


def test_the_log_goes_on_after_a_restart(tmp_path: Path):
    for number in range(2):
        with write_log(LogSettings("json", tmp_path / "log", fields={"run": number})):
            logger.info("started")
    assert [entry["run"] for entry in read_lines(tmp_path / "log")] == [0, 1]


def test_a_disk_that_is_full_is_told_once_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with write_log(LogSettings("json", full)):
        for _ in range(3):
            logger.info("message")
    told = capsys.readouterr().err
    assert told.count("cannot be written") == 1
    assert "No space left" in told
    assert "Traceback" not in told


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"), write_log(LogSettings("json", tmp_path / "none" / "log")):
        pass


def test_nothing_changes_without_options():
    before = list(logging.getLogger().handlers)
    with write_log(LogSettings()):
        assert logging.getLogger().handlers == before


def test_an_error_that_ends_the_program_is_the_last_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(KeyError), write_log(LogSettings("json", tmp_path / "log")):
        raise KeyError("lost")
    (found,) = read_lines(tmp_path / "log")
    assert found["level"] == "critical"
    assert found["message"] == "The program ends: unexpected KeyError: 'lost'"
    assert "KeyError: 'lost'" in found["traceback"]
    handlers = list(logging.getLogger().handlers)
    # Standard error has nothing but JSON, so that the error is not printed again.
    with pytest.raises(typer.Exit) as ended, write_log(LogSettings("json")):
        raise KeyError("lost")
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().err)["level"] == "critical"
    assert logging.getLogger().handlers == handlers


# --- Programs

STRATEGY = """
trading_strategy_engine_version = "0.5"
from tradeexecutor.state.cycle_duration import CycleDuration


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    initial_cash = 5_000
    fails = False


def decide_trades(input):
    if input.parameters.fails:
        raise ValueError("a defect")
    return []
"""


@pytest.fixture
def words(tmp_path: Path) -> Iterator[tuple[Any, ...]]:
    """The command line of a paper strategy."""
    start = utc_now().replace(minute=0, second=0, microsecond=0) - 2 * DAY
    (tmp_path / "hourly.py").write_text(STRATEGY)
    with serve(Exchange({"BTCUSDT": make_rows(start, 60, HOUR)})) as exchange:
        (tmp_path / "exchange.toml").write_text(
            f'url = "{exchange.template}"\ninterval = "1h"\ntime_frame = "1h"\npause = 0\n'
            '[pairs]\n"BTC-USD" = "BTCUSDT"\n'
        )
        line = ("start", tmp_path / "hourly.py", tmp_path / "state.json", "--paper", "--new", "--from", start)
        yield (*line, "--feed", tmp_path / "exchange.toml", "--max-cycles", 2)


def test_a_paper_strategy_writes_a_log(run: Run, words: tuple[Any, ...], tmp_path: Path):
    done = run(*words, "--log-file", tmp_path / "log", "--log-format", "json")
    assert done.exit_code == 0, done.output
    assert "decision done" in done.stdout  # people read it on the terminal, too
    entries = read_lines(tmp_path / "log")
    assert {entry["strategy"] for entry in entries} == {"hourly"}
    assert [entry["message"] for entry in entries] == [
        "Started",
        "decision done",
        "decision done",
        f"Stopped after cycle 2. {tmp_path / 'state.json'} is saved.",
    ]
    assert entries[0]["trades"] == "on paper"
    assert entries[1]["job"] == "decision"
    ticks = [entry["tick"] for entry in entries[1:3]]
    assert [f"decision done: {tick.replace('T', ' ')[:16]}, in " in done.stdout for tick in ticks] == [True, True]
    assert ticks[0] < ticks[1]
    assert all(0 < entry["seconds"] < 60 for entry in entries[1:3])


def test_standard_error_for_programs_is_json_and_nothing_else_is_printed(run: Run, words: tuple[Any, ...]):
    done = run(*words, "--log-format", "json")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert len([json.loads(line) for line in done.stderr.splitlines()]) == 4


def test_a_defect_of_the_strategy_is_the_last_line(run: Run, words: tuple[Any, ...]):
    done = run(*words, "--log-format", "json", "--set", "fails=true")
    assert done.exit_code == 1
    assert done.stdout == ""
    last = [json.loads(line) for line in done.stderr.splitlines()][-1]
    assert last["level"] == "critical"
    assert "a defect" in last["message"]
    assert "decide_trades" in last["traceback"]


def test_a_wrong_command_line_is_a_usage_error(run: Run, words: tuple[Any, ...], tmp_path: Path):
    assert run(*words, "--log-format", "xml").exit_code == 2
    assert run(*words, "--log-count", 0).exit_code == 2
    done = run(*words, "--log-file", tmp_path / "none" / "log")
    assert done.exit_code == 1
    assert "there is no folder" in done.stderr


def test_the_web_server_tells_its_end_as_json(run: Run, tmp_path: Path):
    done = run("webapi", tmp_path / "missing.json", "--log-format", "json")
    assert done.exit_code == 1
    assert "there is no file" in json.loads(done.stderr)["message"]
