"""A strategy file on two chains, through the commands of an operator."""

from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.markets import HOUR, START
from tradeexecutor.execution.simulated import SimulatedExecution
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State

STRATEGY = """
import datetime
import pandas as pd
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms

trading_strategy_engine_version = "0.5"


class Parameters:
    initial_cash = 10_000
    cycle_duration = "1d"
    bridges = BridgeTerms(datetime.timedelta(hours=20), fixed_fee=2.0)


def create_trading_universe(input):
    days = pd.date_range("2024-01-01", periods=12)
    candles = {}
    for name, step in {"BTC-USD": 0.0, "FUND-USD": 0.01}.items():
        price = [1.0 + step * number for number in range(12)]
        columns = {"open": price, "high": price, "low": price, "close": price}
        candles[name] = pd.DataFrame(columns, index=days)
    return create_universe(candles, vaults=["FUND-USD"], chains={"FUND-USD": 8453})


def decide_trades(input):
    manager = input.get_position_manager()
    if input.cycle == 1:
        return manager.open_cctp_bridge_position(manager.get_bridge_pair(8453), 5002)
    if input.cycle == 2:
        return manager.open_spot(manager.get_trading_pair("FUND"), manager.get_cash_on_chain(8453))
    if input.cycle == 11:
        return manager.close_all()
    return []
"""


def test_a_strategy_file_goes_where_the_vault_is_and_comes_back(run: Run, tmp_path: Path):
    """5000 arrive and buy at 1.01, and are sold at 1.10 nine days later; 2 are lost on each way.

    5000 / 1.01 * 1.1 = 5445.544554; with the 4998 that stayed, less 2, there are 10 441.544554.
    """
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY)
    state_file = tmp_path / "whole" / "state.json"
    assert run("backtest", strategy, "--output", state_file.parent).exit_code == 0
    state = State.read_json_blob(state_file.read_text())
    assert not state.portfolio.open_positions
    assert state.portfolio.get_cash() == pytest.approx(10_441.544554, abs=2e-6)
    for command in ("validate", "audit", "check-trades"):
        assert run(command, state_file).exit_code == 0, command


def test_what_is_on_its_way_when_a_run_stops_arrives_in_the_next_process(run: Run, tmp_path: Path):
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY)
    state_file = tmp_path / "half" / "state.json"
    assert run("backtest", strategy, "--output", state_file.parent, "--until", "2024-01-02").exit_code == 0
    for command in ("validate", "audit"):
        assert run(command, state_file).exit_code == 0, command
    state = State.read_json_blob(state_file.read_text())
    assert state.portfolio.get_in_transit_value() == 5002.0
    execution = SimulatedExecution()
    assert execution.settle_transfers(START + 19 * HOUR, state) == []
    (trade,) = execution.settle_transfers(START + 21 * HOUR, state)
    assert (trade.executed_at, trade.executed_quantity) == (START + 20 * HOUR, 5000)
    assert prove(state).is_balanced
