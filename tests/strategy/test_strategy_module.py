"""What a user gets wrong in a strategy file is said in words, with the file and the line."""

import datetime
import textwrap
from pathlib import Path

import pytest

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.strategy_module import StrategyModuleNotValid, read_strategy_module

GOOD = """
import datetime
from tradeexecutor.strategy.cycle import CycleDuration

TRADING_STRATEGY_ENGINE_VERSION = "0.5"
name = "Example"

class Parameters:
    cycle_duration = CycleDuration.cycle_4h
    initial_cash = 5000
    backtest_start = datetime.datetime(2024, 1, 1)
    fast = 3

def decide_trades(input):
    return []
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "my-strategy.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_strategy_is_read(tmp_path: Path):
    module = read_strategy_module(write(tmp_path, GOOD))
    assert module.name == "Example"
    assert module.cycle_duration is CycleDuration.cycle_4h
    assert module.initial_cash == 5000.0
    assert module.backtest_start == datetime.datetime(2024, 1, 1)
    assert module.parameters.fast == 3
    assert module.create_indicators is None


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("return []", "return [", r"line 15: syntax error: '\[' was never closed", 15),
        ("import datetime", "import datetime, nosuchpackage", "line 2: the file cannot be run: ModuleNotFoundError", 2),
        ("    fast = 3", "    fast = 1 / 0", "line 12: the file cannot be run: ZeroDivisionError", 12),
        (
            'TRADING_STRATEGY_ENGINE_VERSION = "0.5"',
            "",
            'not a strategy: trading_strategy_engine_version = "0.5" is missing',
            None,
        ),
        ('"0.5"', '"0.7"', "'0.7'; this program runs 0.1, 0.2, 0.3, 0.4, 0.5, 0.6", None),
        ("def decide_trades", "def decide", r"lacks the function decide_trades\(input\)", None),
        ("class Parameters", "class Settings", "lacks the class Parameters", None),
        ("decide_trades(input)", "decide_trades(timestamp, state)", "takes one argument", None),
        ("def decide_trades(input):\n    return []", "decide_trades = 5", "decide_trades must be a function", None),
        ("CycleDuration.cycle_4h", '"weekly"', "cycle_duration must be a CycleDuration", None),
        ("5000", '"much"', "initial_cash must be a positive number, not 'much'", None),
        ("5000", "-1", "initial_cash must be a positive number", None),
        ("datetime.datetime(2024, 1, 1)", '"2024-01-01"', "backtest_start must be a naive UTC datetime", None),
        ("datetime.datetime(2024, 1, 1)", "datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)", "naive UTC", None),
        ('name = "Example"', "name = 5", "name must be text", None),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, old: str, new: str, message: str, line: int | None):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(StrategyModuleNotValid, match=message) as caught:
        read_strategy_module(path)
    assert str(path) in str(caught.value)
    assert caught.value.line == line


def test_a_missing_file_is_explained(tmp_path: Path):
    with pytest.raises(StrategyModuleNotValid, match="no such strategy file"):
        read_strategy_module(tmp_path / "nothing.py")
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(StrategyModuleNotValid, match="a Python file"):
        read_strategy_module(other)


def test_short_texts_are_cycle_durations(tmp_path: Path):
    module = read_strategy_module(write(tmp_path, GOOD.replace("CycleDuration.cycle_4h", '"1d"')))
    assert module.cycle_duration is CycleDuration.cycle_1d


def test_a_strategy_may_define_dataclasses(tmp_path: Path):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + GOOD
    text += "\n@dataclass\nclass Plan:\n    size: float = 1.0\n"
    assert read_strategy_module(write(tmp_path, text)).name == "Example"


def test_an_error_in_create_indicators_points_into_the_file(tmp_path: Path):
    path = write(tmp_path, GOOD + "\ndef create_indicators(parameters):\n    return parameters.missing\n")
    module = read_strategy_module(path)
    context = ExecutionContext(ExecutionMode.backtesting)
    with pytest.raises(Exception, match="no parameter 'missing'"):
        module.make_indicators(None, None, context)  # pyright: ignore[reportArgumentType]
    path.write_text(path.read_text().replace("parameters.missing", "1 / 0"))
    with pytest.raises(StrategyModuleNotValid, match="line 18: create_indicators failed: ZeroDivisionError"):
        read_strategy_module(path).make_indicators(None, None, context)  # pyright: ignore[reportArgumentType]
    path.write_text(path.read_text().replace("1 / 0", "7"))
    with pytest.raises(StrategyModuleNotValid, match="must return an IndicatorSet, it returned int"):
        read_strategy_module(path).make_indicators(None, None, context)  # pyright: ignore[reportArgumentType]


def test_engine_versions_are_compared_as_numbers():
    context = ExecutionContext(ExecutionMode.backtesting, engine_version="0.5")
    assert context.is_version_greater_or_equal_than(0, 5, 0)
    assert not context.is_version_greater_or_equal_than(0, 6, 0)
    assert not ExecutionContext(ExecutionMode.backtesting).is_version_greater_or_equal_than(0, 2, 0)


@pytest.mark.parametrize("code", ["", "0", "3", "'reason'"])
def test_a_file_that_ends_the_program_is_a_mistake_of_the_strategy(tmp_path: Path, code: str):
    path = write(tmp_path, f"import sys\n{GOOD}\nsys.exit({code})\n")
    with pytest.raises(StrategyModuleNotValid, match=r"must not end the program, it called sys\.exit\(") as failure:
        read_strategy_module(path)
    assert failure.value.line == len(path.read_text().splitlines())


def test_create_indicators_that_ends_the_program_is_a_mistake_of_the_strategy(tmp_path: Path):
    path = write(tmp_path, f"import sys\n{GOOD}\ndef create_indicators(parameters):\n    sys.exit(0)\n")
    module = read_strategy_module(path)
    with pytest.raises(StrategyModuleNotValid, match=r"create_indicators failed: .*sys\.exit\(0\)"):
        module.make_indicators(None, None, None)  # type: ignore[arg-type]
