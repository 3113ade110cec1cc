"""backtest and demo."""

import datetime
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.kit.command_runner import STRATEGY, Run
from tests.kit.example_runs import EXAMPLES, Demo
from tests.support import REPOSITORY
from tradeexecutor.cli import example_files
from tradeexecutor.state.state import State


def run_json(run: Run, *arguments: object) -> dict:
    result = run("backtest", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_backtest_saves_its_state_and_says_how_it_did(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    result = run("backtest", strategy, "--data", candles, "--fee", 0, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert not result.stderr
    output = result.stdout
    assert output.startswith("Ten days\n")
    # Half of 1000 was in a coin that went from 100 to 109.
    assert "  Final equity    1,045.00 USD\n" in output
    assert "  Return          4.50 %\n" in output
    assert "  Buy and hold    30.00 %\n" in output
    assert "  CAGR            - (under 30 days)\n" not in output
    assert "  Win rate        100.00 % (1 of 1)\n" in output
    assert "  Profit factor   - (no losing position)\n" in output
    assert f"tradeexecutor show-positions {tmp_path}/out/state.json" in output
    state = State.read_json_file(tmp_path / "out" / "state.json")
    assert state.name == "Ten days"
    assert state.portfolio.get_cash() == pytest.approx(1045)


def test_json_has_the_same_figures_and_nothing_else_on_standard_output(run: Run, tmp_path: Path, candles: Path):
    strategy = tmp_path / "talkative.py"
    strategy.write_text(STRATEGY.replace("def decide_trades(input):", "def decide_trades(input):\n    print('hello')"))
    result = run("backtest", strategy, "--data", candles, "--fee", 0, "--output", tmp_path / "out", "--json")
    figures = json.loads(result.stdout)
    assert figures["total_return"] == pytest.approx(0.045)
    assert figures["buy_and_hold"] == pytest.approx(0.3)
    assert (figures["positions_closed"], figures["trades"], figures["decisions"]) == (1, 2, 30)
    assert figures["max_drawdown"] <= 0
    assert figures["best_position"]["ticker"] == "ETH-USD"
    assert figures["start_at"] == "2024-01-01T00:00:00"
    assert figures["state_file"] == str(tmp_path / "out" / "state.json")
    assert result.stderr.count("hello") == 30


def test_options_reach_the_backtest(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    figures = run_json(
        run, strategy, "--data", candles, "--start", "2024-01-05", "--end", "2024-01-20", "--cash", 500, "--fee", 0.01,
        "--set", "share=0.2", "--cycle", "1d", "--output", tmp_path / "out",
    )  # fmt: skip
    assert figures["initial_equity"] == 500
    assert (figures["start_at"], figures["end_at"]) == ("2024-01-05T00:00:00", "2024-01-20T00:00:00")
    assert figures["fees"] == pytest.approx(100 * 0.01 * 2, rel=0.1)
    dearer = run_json(
        run, strategy, "--data", candles, "--start", "2024-01-05", "--end", "2024-01-20", "--cash", 500, "--fee", 0.01,
        "--set", "share=0.2", "--slippage", 0.005, "--output", tmp_path / "dearer",
    )  # fmt: skip
    assert dearer["final_equity"] < figures["final_equity"]


def test_the_equity_is_recorded_as_often_as_is_asked_for(run: Run, strategy: Path, tmp_path: Path):
    file = tmp_path / "ETH-USD-12h.csv"
    rows = [f"2024-01-{day:02} {hour}:00,100,101,99,100,5" for day in range(1, 31) for hour in ("00", "12")]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    samples = {}
    for sampling in ("decision", "day", "candle"):
        words = ("--data", file, "--cycle", "7d", "--equity-sampling", sampling, "--output", tmp_path / sampling)
        assert run_json(run, strategy, *words)["decisions"] == 5
        stats = State.read_json_file(tmp_path / sampling / "state.json").stats.portfolio
        samples[sampling] = len({sample.calculated_at for sample in stats})
    assert 5 <= samples["decision"] <= 7
    assert 30 <= samples["day"] <= 32
    assert 60 <= samples["candle"] <= 62


def test_data_sets_are_known_by_name(run: Run, strategy: Path, tmp_path: Path):
    figures = run_json(run, strategy, "--data", "btc-usd-monthly", "--output", tmp_path / "a")
    assert figures["pairs"] == ["BTC-USD"]
    figures = run_json(run, strategy, "--data", "us-stocks-daily:IBM-USD", "--output", tmp_path / "b")
    assert figures["pairs"] == ["IBM-USD"]


def test_pairs_are_chosen_from_the_data(run: Run, strategy: Path, tmp_path: Path):
    # Two pairs are not one default pair: this strategy gives up.
    result = run("backtest", strategy, "--data", "us-stocks-daily", "--output", tmp_path / "a")
    assert result.exit_code == 1
    figures = run_json(run, strategy, "--data", "us-stocks-daily", "--pair", "MSFT/USD", "--output", tmp_path / "b")
    assert figures["pairs"] == ["MSFT-USD"]


def test_a_pair_can_be_given_a_name(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    file = shutil.copy(candles, tmp_path / "data.csv")
    figures = run_json(run, strategy, "--data", file, "--pair", "SOL-USDC", "--output", tmp_path / "out")
    assert figures["pairs"] == ["SOL-USDC"]


def test_an_earlier_result_is_kept_unless_told_otherwise(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    folder = tmp_path / "out"
    arguments = ("backtest", strategy, "--data", candles, "--output", folder)
    assert "earlier result" not in run(*arguments).stdout
    before = (folder / "state.json").read_bytes()
    result = run(*arguments, "--fee", 0)
    assert result.exit_code == 0
    (kept,) = folder.glob("state.????-??-??T??????.json")
    assert f"The earlier result is kept as {kept}\n" in result.stdout
    assert kept.read_bytes() == before
    latest = (folder / "state.json").read_bytes()
    assert latest != before
    assert run_json(run, *arguments[1:], "--overwrite")["earlier_result"] is None
    assert latest not in [path.read_bytes() for path in folder.glob("*.json")]
    assert Path(run_json(run, *arguments[1:])["earlier_result"]).parent == folder


def test_the_state_of_a_live_strategy_is_no_earlier_result(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    address = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
    assert (
        run("init", tmp_path / "state.json", "--name", "Live", "--chain-id", 137, "--address", address).exit_code == 0
    )
    before = (tmp_path / "state.json").read_bytes()
    for extra in ([], ["--overwrite"]):
        result = run("backtest", strategy, "--data", candles, "--output", tmp_path, *extra)
        assert_fails(result, "is not the result of a backtest", "Choose another --output.")
    assert (tmp_path / "state.json").read_bytes() == before


def test_the_default_folder_is_named_after_the_strategy(
    run: Run, strategy: Path, candles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert run("backtest", strategy, "--data", candles).exit_code == 0
    assert (tmp_path / "backtests" / "ten_days" / "state.json").is_file()


def test_a_strategy_that_never_trades_is_noticed(run: Run, tmp_path: Path, candles: Path):
    strategy = tmp_path / "idle.py"
    strategy.write_text(STRATEGY.replace("input.cycle == 1:", "False:").replace("input.cycle == 10", "False"))
    result = run("backtest", strategy, "--data", candles, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "never traded" in result.stderr


def write_candles(path: Path, times: list[str], separator: str = ",") -> Path:
    rows = [separator.join([time, *(str(100 + n) for n in (0, 1, 0, 1))]) for time in times]
    path.write_text("\n".join([separator.join(("date", "open", "high", "low", "close")), *rows]))
    return path


def test_dates_that_can_be_read_in_two_ways_need_an_option(run: Run, strategy: Path, tmp_path: Path):
    file = write_candles(tmp_path / "BTC-USD.csv", [f"{day:02}/02/2024" for day in range(1, 13)])
    result = run("backtest", strategy, "--data", file, "--output", tmp_path / "a")
    assert_fails(result, "'01/02/2024' can be 2024-02-01 (day-first) or 2024-01-02 (month-first)", "--date-format")
    figures = run_json(run, strategy, "--data", file, "--date-format", "day-first", "--output", tmp_path / "b")
    assert (figures["start_at"], figures["end_at"]) == ("2024-02-01T00:00:00", "2024-02-13T00:00:00")
    pattern = run_json(run, strategy, "--data", file, "--date-format", "%d/%m/%Y", "--output", tmp_path / "c")
    assert pattern["end_at"] == figures["end_at"]


def test_the_length_of_a_candle_can_be_given(run: Run, strategy: Path, tmp_path: Path):
    file = write_candles(tmp_path / "BTC-USD.csv", ["2023-01-01", "2023-06-01", "2023-11-01"])
    result = run("backtest", strategy, "--data", file, "--output", tmp_path / "a")
    assert_fails(result, "5 months apart", "--time-frame")
    result = run("backtest", strategy, "--data", file, "--time-frame", "1M", "--output", tmp_path / "b")
    # One month each would end before the next one starts: the data contradicts.
    assert_fails(result, "said to last 1 month, but they are")
    daily = write_candles(tmp_path / "ETH-USD.csv", ["2024-01-01"])
    figures = run_json(run, strategy, "--data", daily, "--time-frame", "1D", "--output", tmp_path / "c")
    assert figures["end_at"] == "2024-01-02T00:00:00"


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--date-format", "european", "not a date format"),
        ("--time-frame", "15M", "can be months or minutes"),
        ("--time-frame", "soon", "not the length of a candle"),
    ],
)
def test_wrong_forms_are_explained(run: Run, strategy: Path, candles: Path, option: str, value: str, part: str):
    result = run("backtest", strategy, "--data", candles, option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert part in " ".join(result.stderr.replace("│", " ").split())
    result = run("backtest", strategy, option, value)
    assert result.exit_code == 2
    assert "none was given" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("cycle", ["1d", "1D", "24h", "daily", "1440m"])
def test_cycles_can_be_written_in_many_ways(run: Run, strategy: Path, candles: Path, tmp_path: Path, cycle: str):
    figures = run_json(run, strategy, "--data", candles, "--cycle", cycle, "--output", tmp_path / "out")
    assert figures["decisions"] == 30


@pytest.mark.parametrize(
    ("cycle", "part"), [("1M", "1 month"), ("7m", "7 minutes"), ("soon", "'soon'"), ("15M", "'15M'")]
)
def test_a_month_is_no_minute(run: Run, strategy: Path, candles: Path, tmp_path: Path, cycle: str, part: str):
    result = run("backtest", strategy, "--data", candles, "--cycle", cycle, "--output", tmp_path / "out")
    assert_fails(result, f"cannot decide every '{cycle}'", part, "Possible are 1s, 1m")


def test_missing_data_is_said_once_at_the_end(run: Run, strategy: Path, tmp_path: Path):
    days = [f"2024-01-{day:02}" for day in range(1, 31) if day != 7]
    file = write_candles(tmp_path / "BTC-USD.csv", days)
    arguments = ("--data", file, "--start", "2023-12-01", "--end", "2024-03-01")
    result = run("backtest", strategy, *arguments, "--output", tmp_path / "a")
    assert result.exit_code == 0
    notes = [line for line in " ".join(result.stderr.split()).split("Warning: ") if line]
    assert [note.strip() for note in notes] == [
        "The run starts 2024-01-01 and not 2023-12-01: the market data begins then.",
        "The run ends 2024-01-31 and not 2024-03-01: the market data ends then.",
        "BTC-USD lacks 1 of 30 candles of 1 day, from 2024-01-07 to 2024-01-08.",
    ]
    assert len(run_json(run, strategy, *arguments, "--output", tmp_path / "b")["warnings"]) == 3


def test_closes_outside_the_range_are_counted_or_refused(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    odd = tmp_path / "odd" / candles.name
    odd.parent.mkdir()
    frame = pd.read_csv(candles).astype({"high": float})
    frame.loc[[3, 5], "high"] = frame.loc[[3, 5], "close"] - 0.5
    frame.to_csv(odd, index=False)
    arguments = ("backtest", strategy, "--data", odd, "--output", tmp_path / "out")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "2 candles had an open or a close outside low - high" in result.output
    assert "2 candles" not in run(*arguments[:3], candles, *arguments[4:]).output
    refused = run(*arguments, "--strict")
    assert refused.exit_code == 1
    assert "row 4: close" in refused.output.replace("\n", " ")
    assert run("backtest", strategy, "--strict").exit_code == 2  # there is no file that it could mean


def test_candles_of_freqtrade(run: Run, strategy: Path, tmp_path: Path):
    file = tmp_path / "BTC_USDT-1d.json"
    file.write_text(json.dumps([[1704067200000 + n * 86_400_000, 1, 2, 1, 1.5, 9] for n in range(20)]))
    figures = run_json(run, strategy, "--data", file, "--output", tmp_path / "out")
    assert (figures["pairs"], figures["decisions"]) == (["BTC-USDT"], 20)


# --- What can go wrong


def assert_fails(result, *parts: str) -> None:
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert result.stderr.startswith("Error: ")
    for part in parts:
        assert part in result.stderr
    assert "unexpected" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_an_error_of_the_strategy_is_shown_with_its_line(run: Run, tmp_path: Path, candles: Path):
    strategy = tmp_path / "broken.py"
    strategy.write_text(
        STRATEGY.replace("if input.cycle == 10:", "if input.cycle == 3:\n        return 1 / 0\n    if 0:")
    )
    result = run("backtest", strategy, "--data", candles, "--output", tmp_path / "out")
    assert_fails(result, "cycle 3 at 2024-01-03", "ZeroDivisionError", "broken.py, line 18: return 1 / 0")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("x = ", "line 1: syntax error"),
        ("import no_such_module", "line 1: the file cannot be run: ModuleNotFoundError"),
        ("x = 1", "trading_strategy_engine_version"),
    ],
)
def test_a_file_that_is_no_strategy(run: Run, tmp_path: Path, candles: Path, content: str, reason: str):
    strategy = tmp_path / "bad.py"
    strategy.write_text(content)
    assert_fails(run("backtest", strategy, "--data", candles, "--output", tmp_path / "out"), str(strategy), reason)


def test_a_missing_strategy(run: Run, tmp_path: Path):
    assert_fails(run("backtest", tmp_path / "none.py"), "none.py", "no such strategy file")


def test_data_that_cannot_be_used(run: Run, strategy: Path, tmp_path: Path, candles: Path):
    def fail(data: object, *parts: str) -> None:
        assert_fails(run("backtest", strategy, "--data", data, "--output", tmp_path / "out"), *parts)

    fail("no-such-set", "neither a file nor a data set", "btc-usd-monthly")
    fail(tmp_path, "is a folder")
    (tmp_path / "text.csv").write_text("hello\nworld\n")
    fail(tmp_path / "text.csv", "text.csv", "missing column")
    (tmp_path / "fake.parquet").write_text("hello")
    fail(tmp_path / "fake.parquet", "fake.parquet", "cannot be read")
    (tmp_path / "empty.csv").write_text("")
    fail(tmp_path / "empty.csv", "empty.csv")
    fail("us-stocks-daily:TSLA-USD", "has no pair")
    result = run("backtest", strategy, "--data", candles, "--data", candles, "--output", tmp_path / "out")
    assert_fails(result, "twice")
    result = run("backtest", strategy, "--data", candles, "--data", "goog-daily", "--pair", "X-USD", "--pair", "Y-USD")
    assert_fails(result, "no pair X-USD", "ETH-USD, GOOG-USD")


def test_a_period_without_data(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    arguments = ("backtest", strategy, "--data", candles, "--output", tmp_path / "out")
    assert_fails(run(*arguments, "--start", "2030-01-01"), "no data between 2030-01-01", "2024-01-01")
    result = run(*arguments, "--start", "2024-01-10", "--end", "2024-01-05")
    assert result.exit_code == 2
    assert "not after the start" in " ".join(result.stderr.split())


def test_settings_that_make_no_sense(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    arguments = ("backtest", strategy, "--data", candles, "--output", tmp_path / "out")
    assert_fails(run(*arguments, "--set", "shore=1"), "no parameter shore", "share")
    assert_fails(run(*arguments, "--set", "share"), "NAME=VALUE")
    assert_fails(run(*arguments, "--cycle", "3x"), "3x", "1h")
    for wrong in (("--cash", "-5"), ("--cash", "0"), ("--fee", "2"), ("--start", "soon"), ("--limit", "3")):
        assert run(*arguments, *wrong).exit_code == 2
    assert run("backtest", strategy, "--pair", "ETH-USD").exit_code == 2


def test_a_folder_that_cannot_be_written_to(run: Run, strategy: Path, candles: Path, tmp_path: Path, monkeypatch):
    arguments = ("backtest", strategy, "--data", candles, "--output")
    assert_fails(run(*arguments, candles), "is a file, not a folder")
    assert_fails(run(*arguments, candles / "below"), "is a file, not a folder")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert_fails(run(*arguments, tmp_path / "out"), "not writable")


# --- demo


@pytest.mark.slow
def test_the_demo_runs_all_examples(demo: Demo):
    assert EXAMPLES
    for example in EXAMPLES:
        path = demo.find_state(example.stem)
        assert f"{example.name}: " in demo.text
        assert str(path.relative_to(demo.folder)) in demo.text
        assert b'"closed_positions":{"' in path.read_bytes()
    assert "What to look at next" in demo.text


def test_the_demo_can_be_repeated_in_a_folder_of_ones_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(example_files, "_FOLDERS", (tmp_path / "examples",))
    (tmp_path / "examples").mkdir()
    shutil.copy(REPOSITORY / "examples" / "trend_following.py", tmp_path / "examples")
    for number in (1, 2):
        result = run("demo", "--output", tmp_path / "demo")
        assert result.exit_code == 0, result.output
        assert str(tmp_path / "demo" / "trend_following" / "state.json") in result.stdout, number


def test_the_demo_says_where_it_looked_for_examples(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(example_files, "_FOLDERS", (tmp_path / "a", tmp_path / "b"))
    assert_fails(run("demo"), str(tmp_path / "a"))


@pytest.mark.slow
def test_what_the_demo_suggests_works(run: Run, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(demo.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    commands = [line.strip() for line in demo.text.splitlines() if line.startswith("    ")]
    assert len(commands) == 7
    for command in commands:
        if command.startswith("cp "):
            shutil.copy(*command.split()[1:])
        else:
            arguments = [
                str(path)
                for word in command.split()[1:]
                for path in (sorted(Path().glob(word)) if "*" in word else [word])
            ]
            again = run(*arguments)
            assert again.exit_code == 0, again.stderr
            assert "never traded" not in again.stderr


def test_orders_for_a_closed_market_can_be_refused(run: Run, tmp_path: Path, candles: Path):
    strategy = tmp_path / "plain.py"
    strategy.write_text(STRATEGY)
    for choice in ("wait", "refuse"):
        output = tmp_path / choice
        result = run("backtest", strategy, "--data", candles, "--output", output, "--closed-market", choice)
        assert result.exit_code == 0
    assert run("backtest", strategy, "--data", candles, "--closed-market", "guess").exit_code == 2
    assert run("backtest", strategy, "--data", candles, "--delisting", "guess").exit_code == 2


def test_orders_can_be_late(run: Run, tmp_path: Path, candles: Path):
    """The order of the first decision fills at the second open."""
    strategy = tmp_path / "plain.py"
    strategy.write_text(STRATEGY)
    bought: dict[str, datetime.datetime | None] = {}
    for latency in ("0", "1d"):
        output = tmp_path / latency
        assert run("backtest", strategy, "--data", candles, "--output", output, "--latency", latency).exit_code == 0
        state = State.read_json_file(output / "state.json")
        bought[latency] = min(state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id).executed_at
    assert bought["0"] is not None
    assert bought["1d"] == bought["0"] + datetime.timedelta(days=1)
    refused = run("backtest", strategy, "--data", candles, "--latency", "soon")
    assert refused.exit_code == 2
    assert "--latency" in refused.output


REOPEN = """
trading_strategy_engine_version = "0.5"


class Parameters:
    initial_cash = 1_000


def decide_trades(input):
    manager = input.get_position_manager()
    pair = input.get_default_pair()
    if input.cycle == 1:
        return manager.open_spot(pair, 1_000)
    if input.cycle == 5:
        value = manager.get_current_position().get_value()
        return [*manager.close_all(), *manager.open_spot(pair, value)]
    return []
"""


@pytest.mark.parametrize(
    ("choice", "outcome"), [("reduce", "1 buys spent what was left"), ("refuse", "1 buys expired")]
)
def test_purchases_beyond_the_cash_can_be_refused(run: Run, tmp_path: Path, candles: Path, choice: str, outcome: str):
    strategy = tmp_path / "reopen.py"
    strategy.write_text(REOPEN)
    # One per cent of slippage: the sale brings less than the value that the purchase is planned for.
    options = ("--fee", 0, "--slippage", 0.01, "--cash-shortage", choice)
    figures = run_json(run, strategy, "--data", candles, "--output", tmp_path / "out", *options)
    assert [warning.partition(",")[0] for warning in figures["warnings"]] == [outcome]


def test_other_words_for_a_shortage_are_refused(run: Run, strategy: Path, candles: Path):
    assert run("backtest", strategy, "--data", candles, "--cash-shortage", "guess").exit_code == 2
