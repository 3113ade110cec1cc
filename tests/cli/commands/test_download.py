"""download: candles of an exchange in Parquet files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import HOUR, START


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
