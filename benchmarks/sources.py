"""What the benchmarks run on: the shared data folder beside the checkout if present, else data of our own making."""

import os
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TRADEEXECUTOR_SHARED", REPOSITORY.parent / "shared"))
STRATEGIES = Path(__file__).resolve().parent / "strategies"


def find_state_files() -> list[Path]:
    """Return real state files, or the state of a backtest over a bundled data set."""
    files = sorted((SHARED / "states").glob("*.json"))
    return files or [_make_state_file()]


def find_made_state_files() -> list[Path]:
    """Return the states that were made for kinds that the real files lack; empty without the shared data folder."""
    return sorted((SHARED / "made" / "states").glob("*.json"))


def _make_state_file() -> Path:
    from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module

    universe = load_market_data("goog-daily")
    result = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", universe=universe, progress=False)
    path = Path(tempfile.mkdtemp()) / "goog-daily-trend.json"
    result.state.write_json_file(path)
    return path


def find_hourly_candles() -> Path | str:
    """Return hourly BTC/USDT candles 2017-2023, or the name of the bundled hourly data set."""
    path = SHARED / "market" / "binance-BTCUSDT-1h.parquet"
    return path if path.exists() else "eur-usd-hourly"
