"""lookahead."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import STRATEGY, Run
from tests.kit.soak import SOAK
from tests.support import REPOSITORY

SIGNAL = """
def tomorrow(close):
    return close.shift({shift})

def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet
    print("hello")
    indicators = IndicatorSet()
    indicators.add("signal", tomorrow)
    return indicators
"""


@pytest.fixture
def dishonest(tmp_path: Path) -> Path:
    """Buys at the first decision that knows the next close."""
    path = tmp_path / "dishonest.py"
    text = STRATEGY.replace("input.cycle == 1:", 'input.cycle == 5 and input.indicators.get_indicator_value("signal"):')
    path.write_text(text.replace("input.cycle == 10", "False") + SIGNAL.format(shift=-1))
    return path


def test_an_honest_strategy_is_clean(run: Run, strategy: Path, candles: Path):
    strategy.write_text(STRATEGY + SIGNAL.format(shift=1))
    result = run("lookahead", strategy, "--data", candles)
    assert result.exit_code == 0, result.output
    assert "Decisions    30, 2024-01-01 00:00 to 2024-01-30 00:00" in result.stdout
    assert "CLEAN. Nothing was found" in result.stdout
    assert "hello" not in result.stdout


def test_what_knows_the_future_is_listed(run: Run, dishonest: Path, candles: Path):
    result = run("lookahead", dishonest, "--data", candles)
    assert result.exit_code == 1
    assert "Indicators that depend on later candles: 1" in result.stdout
    # The close of 2 January is 102; at the end of 1 January nobody knew.
    assert "signal     ETH-USD  2024-01-02 00:00  2024-01-01 00:00         102    no value  29 of 29" in result.stdout
    assert "Decisions that differ without later candles: 1" in result.stdout
    assert "2024-01-05 00:00  buy ETH-USD, quantity " in result.stdout
    assert "LOOK-AHEAD." in result.stdout


def test_json_has_everything(run: Run, dishonest: Path, candles: Path):
    result = run("lookahead", dishonest, "--data", candles, "--every-decision", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["clean"]
    assert report["is_exact"]
    assert report["indicators"][0]["first_at"] == "2024-01-02T00:00:00"
    assert (report["indicators"][0]["value"], report["indicators"][0]["known_value"]) == (102.0, None)
    assert [decision["at"] for decision in report["decisions"]] == ["2024-01-05T00:00:00"]
    assert report["decisions"][0]["without_future"] == []


def test_a_backtest_warns_and_names_the_command(run: Run, dishonest: Path, candles: Path, tmp_path: Path):
    result = run("backtest", dishonest, "--data", candles, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "indicator 'signal' of ETH-USD depends on later candles" in result.stderr
    assert "tradeexecutor lookahead" in result.stderr


#: The many trades of the last one take as long as all others.
EXAMPLES = [path for path in sorted((REPOSITORY / "examples").glob("*.py")) if SOAK > 1 or path.stem != "long_short"]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_clean(run: Run, path: Path):
    result = run("lookahead", path, "--cuts", 4)
    assert result.exit_code == 0, result.output


def test_what_cannot_be_done_is_told(run: Run, strategy: Path, candles: Path):
    result = run("lookahead", strategy, "--data", candles, "--set", "shaer=1")
    assert result.exit_code == 1
    assert "the strategy has no parameter shaer" in result.stderr
    assert run("lookahead", strategy, "--pair", "ETH-USD").exit_code == 2
    assert run("lookahead", strategy, "--data", candles, "--cuts", 1).exit_code == 2
