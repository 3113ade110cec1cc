"""compare: two runs, found equal or with their first difference named."""

import json
from pathlib import Path

import pytest
import typer

from tests.kit.command_runner import Run
from tradeexecutor.cli.option_values import parse_duration, parse_fraction


@pytest.fixture
def slipped_state(run: Run, strategy: Path, candles: Path, tmp_path: Path) -> Path:
    """State file of the same backtest with slippage."""
    result = run("backtest", strategy, "--data", candles, "--output", tmp_path / "slipped", "--slippage", 0.01)
    assert result.exit_code == 0, result.output
    return tmp_path / "slipped" / "state.json"


def test_a_run_equals_its_repetition(run: Run, backtest_state: Path, strategy: Path, candles: Path, tmp_path: Path):
    run("backtest", strategy, "--data", candles, "--output", tmp_path / "again")
    result = run("compare", backtest_state, tmp_path / "again" / "state.json")
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith("EQUAL")
    assert "Trades: 2 the same, 0 different, 0 only in A, 0 only in B" in result.stdout


@pytest.mark.slow
def test_every_real_state_compares_with_itself_and_with_another(run: Run, state_file: Path, backtest_state: Path):
    assert run("compare", state_file, state_file, "--all", "--limit", 1000).exit_code == 0
    for pair in ((state_file, backtest_state), (backtest_state, state_file)):
        result = run("compare", *pair)
        assert result.exit_code == 1
        assert "DIFFERENT." in result.stdout
        assert not result.stderr


def test_the_first_difference_is_told_with_its_size(run: Run, backtest_state: Path, slipped_state: Path):
    result = run("compare", backtest_state, slipped_state)
    assert result.exit_code == 1
    assert "The first difference is a trade, #1 buy ETH-USD" in result.stdout
    assert "fill price +1 %" in result.stdout
    assert "Slippage against plan" in result.stdout


def test_tolerances_make_them_equal(run: Run, backtest_state: Path, slipped_state: Path):
    result = run("compare", backtest_state, slipped_state, "--price-tolerance", "2%", "--amount-tolerance", "3%")
    assert result.exit_code == 0, result.output
    assert "EQUAL within the tolerances" in result.stdout


def test_json_has_everything(run: Run, backtest_state: Path, slipped_state: Path):
    report = json.loads(run("compare", backtest_state, slipped_state, "--json").stdout)
    assert report["equal"] is False
    assert report["counts"]["trades"] == {"equal": 0, "different": 2, "only_a": 0, "only_b": 0}
    assert report["divergence"]["kind"] == "trade"
    assert report["divergence"]["text"].startswith("The first difference")
    assert report["trades"][0]["b"]["slippage"] == pytest.approx(0.01, rel=0.02)
    assert report["fills"]["worse_in_b"] == pytest.approx(0.01, rel=0.02)


def test_wrong_options_are_explained(run: Run, backtest_state: Path):
    for option, value in (("--time-tolerance", "soon"), ("--price-tolerance", "-1"), ("--amount-tolerance", "much")):
        result = run("compare", backtest_state, backtest_state, option, value)
        assert result.exit_code == 2
        assert option in result.stderr
    result = run("compare", backtest_state, "missing.json")
    assert result.exit_code == 1
    assert "there is no file missing.json" in result.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("30s", 30), ("5m", 300), ("5 min", 300), ("1.5h", 5400), ("2d", 172_800)]
)
def test_durations(text: str, seconds: float):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["5M", "1 M", "1mo", "x"])
def test_a_month_is_no_duration(text: str):
    with pytest.raises(typer.BadParameter):
        parse_duration(text)


@pytest.mark.parametrize(("text", "fraction"), [("0", 0), ("0.5%", 0.005), ("1e-9", 1e-9), (".1", 0.1), ("5 %", 0.05)])
def test_fractions(text: str, fraction: float):
    assert parse_fraction(text) == pytest.approx(fraction)


def test_the_equity_is_explained(run: Run, backtest_state: Path, slipped_state: Path):
    text = run("compare", backtest_state, slipped_state).stdout
    assert "Why the equity differs: B has" in text
    assert "fills worse or better than the mid price" in text
    parts = json.loads(run("compare", backtest_state, slipped_state, "--json").stdout)["attribution"]
    amounts = {part["cause"]: float(part["amount"]) for part in parts["parts"]}
    assert sum(amounts.values()) == pytest.approx(float(parts["difference"]))
    assert amounts["slippage"] == pytest.approx(float(parts["difference"]))
    assert "Why the equity differs" not in run("compare", backtest_state, backtest_state).stdout


def test_the_page_needs_no_network_and_has_charts(run: Run, backtest_state: Path, slipped_state: Path, tmp_path: Path):
    page = tmp_path / "compare.html"
    result = run("compare", backtest_state, slipped_state, "--output", page)
    assert f"Wrote {page}" in result.stdout
    text = page.read_text(encoding="utf-8")
    for part in ("From A to B", "fills worse or better than the mid price", "Difference", "Trades that differ"):
        assert part in text
    assert 'src="http' not in text
    assert run("compare", backtest_state, slipped_state, "--output", backtest_state).exit_code == 1
    assert run("compare", backtest_state, slipped_state, "--output", tmp_path).exit_code == 1
