"""download: candles of an exchange in Parquet files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import HOUR, START
from tradeexecutor.backtest.feeds import exchanges
from tradeexecutor.backtest.feeds.exchanges import ExchangeSource


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    rows = make_rows(START, 48, HOUR)
    del rows[10:13]
    with serve(Exchange({"BTCUSDT": rows})) as served:
        yield served


@pytest.fixture
def source(exchange: Exchange, tmp_path: Path) -> Path:
    path = tmp_path / "exchange.toml"
    path.write_text(
        f'url = "{exchange.template}"\ninterval = "1h"\ntime_frame = "1h"\npause = 0\n[pairs]\n"BTC-USD" = "BTCUSDT"\n'
    )
    return path


def test_candles_are_saved_and_gaps_are_shown(run: Run, source: Path, tmp_path: Path):
    words = ("download", source, "--from", "2024-01-01", "--to", "2024-01-02", "--output", tmp_path / "candles")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "BTC-USD lacks 3 candles from 2024-01-01 10:00 to 2024-01-01 13:00" in result.stdout
    (again,) = json.loads(run(*words, "--json").stdout)
    assert (again["added"], again["candles"], len(again["gaps"])) == (0, 21, 1)
    assert run(*words, "--strict").exit_code == 1


def test_an_interface_that_has_nothing_is_a_failure(run: Run, source: Path, exchange: Exchange, tmp_path: Path):
    words = ("download", source, "--from", "2023-01-01", "--to", "2023-01-02", "--output", tmp_path / "candles")
    result = run(*words)
    assert result.exit_code == 1
    assert "the interface has no candles in this time" in result.stderr
    exchange.refusals = [500]
    result = run(*words)
    assert result.exit_code == 1
    assert "it answered 500" in result.stderr
    assert run("download", tmp_path / "missing.toml", "--from", "2023-01-01").exit_code == 1


# --- Through ccxt

OPTIONS = ("--exchange", "binance", "--pair", "BTC/USDT", "--time-frame", "1h")


def test_an_exchange_needs_no_file(run: Run, exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ccxt")
    open_exchange = exchanges._open_exchange

    def open_stand_in(ccxt: object, source: ExchangeSource) -> object:
        opened = open_exchange(ccxt, source)
        opened.urls["api"]["public"] = f"{exchange.url}/api/v3"
        opened.options["fetchMarkets"]["types"] = ["spot"]
        return opened

    monkeypatch.setattr(exchanges, "_open_exchange", open_stand_in)
    words = ("download", *OPTIONS, "--to", "2024-01-02", "--output", tmp_path / "candles")
    result = run(*words, "--from", "2024-01-01")
    assert result.exit_code == 0, result.output
    assert "BTC-USDT lacks 3 candles from 2024-01-01 10:00 to 2024-01-01 13:00" in result.stdout
    assert result.stderr == ""
    earlier = run(*words, "--from", "2023-12-25", "--json")
    assert earlier.exit_code == 0
    assert json.loads(earlier.stdout)[0]["candles"] == 21
    assert "BTC-USDT: the source has no candles before 2024-01-01 00:00" in earlier.stderr
    unknown = run(*words[:4], "BTC/EUR", *words[5:], "--from", "2024-01-01")
    assert unknown.exit_code == 1
    assert "binance does not have BTC/EUR: it has BTC/USDT" in " ".join(unknown.stderr.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a file, or an exchange"),
        (("exchange.toml", *OPTIONS), "describes the source already"),
        (OPTIONS[:4], "needs --pair and --time-frame"),
        (OPTIONS[2:4], "belongs to --exchange"),
        (("exchange.toml", *OPTIONS[4:]), "belongs to --exchange"),
    ],
)
def test_options_that_do_not_fit_together_are_a_usage_error(run: Run, words: tuple[str, ...], message: str):
    result = run("download", *words, "--from", "2024-01-01")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_without_ccxt_a_user_is_told_how_to_install_it(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    result = run("download", *OPTIONS, "--from", "2024-01-01")
    assert result.exit_code == 1
    assert "pip install 'tradeexecutor[ccxt]'" in " ".join(result.stderr.split())
