"""start --paper: from the command line, from files and from an exchange, and after `backtest --until`."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.kit.command_runner import Run
from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import DAY, HOUR
from tests.kit.webhook import serve_webhook
from tradeexecutor.cli.commands.start import _parse_cycle
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

STRATEGY = """
trading_strategy_engine_version = "0.5"
from tradeexecutor.state.cycle_duration import CycleDuration


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    initial_cash = 5_000


def decide_trades(input):
    manager = input.get_position_manager()
    if manager.is_any_open():
        return manager.close_all() if input.cycle % 3 == 0 else []
    return manager.open_spot(input.get_default_pair(), 1_000.0)
"""


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "hourly.py"
    path.write_text(STRATEGY)
    return path


@pytest.fixture
def start() -> datetime.datetime:
    return utc_now().replace(minute=0, second=0, microsecond=0) - 2 * DAY


@pytest.fixture
def exchange(start: datetime.datetime) -> Iterator[Exchange]:
    with serve(Exchange({"BTCUSDT": make_rows(start, 60, HOUR)})) as served:
        yield served


@pytest.fixture
def source(exchange: Exchange, tmp_path: Path) -> Path:
    path = tmp_path / "exchange.toml"
    path.write_text(
        f'url = "{exchange.template}"\ninterval = "1h"\ntime_frame = "1h"\npause = 0\n[pairs]\n"BTC-USD" = "BTCUSDT"\n'
    )
    return path


@pytest.mark.slow
def test_from_download_over_backtest_to_paper(
    run: Run, strategy: Path, source: Path, start: datetime.datetime, tmp_path: Path
):
    folder, data = tmp_path / "runs", tmp_path / "candles"
    until = start + 6 * HOUR
    assert run("download", source, "--from", start.isoformat(), "--output", data).exit_code == 0
    words = ("backtest", strategy, "--data", data / "BTC-USD.parquet")
    result = run(*words, "--until", until.isoformat(), "--output", folder)
    assert result.exit_code == 0, result.output
    path = folder / "state.json"
    result = run("start", strategy, path, "--paper", "--feed", source, "--max-cycles", 3)
    assert result.exit_code == 0, result.output
    assert "Trades    on paper" in result.stdout
    assert "Stopped after cycle 9." in result.stdout
    state = State.read_json_file(path)
    assert state.last_cycle_at == start + 8 * HOUR
    assert sorted(state.uptime.cycles_completed_at.values()) == [start + hour * HOUR for hour in range(9)]
    run(*words, "--until", (start + 9 * HOUR).isoformat(), "--output", tmp_path / "whole")
    result = run("compare", tmp_path / "whole" / "state.json", path)
    assert result.exit_code == 0, result.output


def test_a_new_paper_strategy_reads_a_growing_folder(
    run: Run, strategy: Path, source: Path, start: datetime.datetime, tmp_path: Path
):
    data, path = tmp_path / "candles", tmp_path / "state.json"
    run("download", source, "--from", start.isoformat(), "--output", data)
    words = ("start", strategy, path, "--paper", "--data", data, "--cash", 2_000, "--from", start.isoformat())
    result = run(*words, "--new", "--max-cycles", 4)
    assert result.exit_code == 0, result.output
    state = State.read_json_file(path)
    assert state.cycle == 5
    assert state.portfolio.reserves
    assert 1_900 < state.portfolio.get_net_asset_value() < 2_100


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_trades_are_told_to_a_webhook(run: Run, strategy: Path, source: Path, start: datetime.datetime, tmp_path: Path):
    pytest.importorskip("apprise")
    words = ("start", strategy, tmp_path / "state.json", "--paper", "--feed", source, "--from", start.isoformat())
    with serve_webhook() as (address, received):
        result = run(*words, "--new", "--max-cycles", 3, "--notify", address)
    assert result.exit_code == 0, result.output
    assert [item["title"] for item in received] == [
        "hourly: deposit of 5,000.00 USD",
        "hourly: Buy #1 BTC-USD",
        "hourly: Sell #2 BTC-USD",
    ]
    result = run(*words[:2], tmp_path / "other.json", *words[3:], "--new", "--notify", "nonsense://a:secret@b")
    assert result.exit_code == 1
    assert "of no kind that apprise supports" in result.stderr
    assert "secret" not in result.stderr


def test_what_paper_trading_needs(run: Run, strategy: Path, source: Path, tmp_path: Path):
    path = tmp_path / "state.json"
    for words, message in (
        (("--paper", "--new"), "either --data or --feed"),
        (("--paper", "--new", "--data", "x", "--feed", source), "either --data or --feed"),
        (("--paper", "--new", "--feed", source, "--exchange", "kraken"), "describes the source already"),
        (("--paper", "--feed", source), "add --new to create it"),
        (("--new",), "to trade with real money"),
        (("--paper", "--new", "--feed", source, "--cash", 0), "--cash"),
    ):
        result = run("start", strategy, path, *words)
        assert result.exit_code in (1, 2)
        assert message in result.stderr.replace("\n", " "), result.stderr
        assert not path.exists()
    result = run("backtest", strategy, "--data", "x", "--until", "2024-01-01", "--end", "2024-01-01")
    assert "cannot be used together with --end" in result.stderr


def test_a_second_process_of_a_strategy_is_refused_before_it_decides(
    run: Run, strategy: Path, source: Path, start: datetime.datetime, tmp_path: Path
):
    path = tmp_path / "paper.json"
    words = ("start", strategy, path, "--paper", "--feed", source)
    assert run(*words, "--new", "--from", start.isoformat(), "--max-cycles", 1).exit_code == 0
    before = path.read_bytes()
    with JSONFileStore(path) as store:
        store.acquire_writer_lock()
        # Without a decision there would be nothing to save, and nothing to refuse.
        refused = run(*words, "--offset", 10_000, "--max-cycles", 1)
    assert refused.exit_code == 1
    assert "is being written by process" in " ".join(refused.stderr.split())
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_single_cycle_is_one_decision(
    run: Run, strategy: Path, source: Path, start: datetime.datetime, tmp_path: Path
):
    path = tmp_path / "paper.json"
    words = ("start", strategy, path, "--paper", "--feed", source, "--new", "--from", start.isoformat())
    result = run(*words, "--run-single-cycle")
    assert result.exit_code == 0, result.output
    assert "Stopped after cycle 1." in result.stdout


@pytest.mark.parametrize(
    "option",
    [
        ("--approve",),
        ("--cycle-duration", "1d"),
        ("--strategy-cycle-trigger", "since_last_cycle_end"),
        ("--vault", f"0x{7:040x}"),
    ],
)
def test_options_of_real_money_are_refused_on_paper(run: Run, strategy: Path, tmp_path: Path, option: tuple[str, ...]):
    result = run("start", strategy, tmp_path / "paper.json", "--paper", "--data", tmp_path, *option)
    assert result.exit_code == 2
    assert option[0] in result.output
    assert "real money" in result.output


@pytest.mark.parametrize("text", ["5x", "", "unknown", "1D"])
def test_a_wrong_time_between_decisions_is_a_usage_error(text: str):
    with pytest.raises(typer.BadParameter, match="1h, 4h or 1d"):
        _parse_cycle(text)


def test_a_symbol_that_does_not_exist_is_refused_before_there_is_a_state(
    run: Run, strategy: Path, exchange: Exchange, tmp_path: Path
):
    pytest.importorskip("ccxt")
    path, source = tmp_path / "paper.json", tmp_path / "ccxt.toml"
    text = (
        f'exchange = "binance"\ntime_frame = "1h"\n[settings.urls.api]\npublic = "{exchange.url}/api/v3"\n'
        '[settings.options.fetchMarkets]\ntypes = ["spot"]\n[pairs]\n"BTC-USD" = "BTC/USDC"\n'
    )
    source.write_text(text)
    words = ("start", strategy, path, "--paper", "--feed", source, "--new", "--max-cycles", 1)
    result = run(*words)
    assert result.exit_code == 1
    assert "binance does not have BTC/USDC: it has BTC/USDT" in " ".join(result.stderr.split())
    assert not path.exists()
    source.write_text(text.replace("USDC", "USDT"))
    start = exchange.rows["BTCUSDT"][0][0] / 1_000
    begin = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=start)
    result = run(*words, "--from", begin.isoformat())
    assert result.exit_code == 0, result.output
    assert State.read_json_file(path).cycle == 2
