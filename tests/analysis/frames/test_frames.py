"""A state as tables: same columns for every state, exact amounts, stated units."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tests.kit.portfolios import DAY, PAIR, START, USD, add_closed, add_open, make_state, record_equity
from tradeexecutor.analysis.frames import (
    balance_updates_to_frame,
    portfolio_to_frame,
    positions_to_frame,
    trades_to_frame,
    valuations_to_frame,
)
from tradeexecutor.analysis.frames.history import ledger_to_frame, position_statistics_to_frame
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType
from tradeexecutor.state.valuation import ValuationUpdate

TABLES: list[Callable[..., Any]] = [
    positions_to_frame,
    trades_to_frame,
    balance_updates_to_frame,
    valuations_to_frame,
    portfolio_to_frame,
]

#: More digits than a float holds.
EXACT = Decimal("0.123456789012345678901234")


def make_full() -> State:
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    position = add_open(state, 100.0, START + 2 * DAY, price_now=130.0)
    position.valuation_updates.append(ValuationUpdate(2, NOW, NOW, 130.0, 130.0, quantity=EXACT))
    state.create_trade(NOW, PAIR, EXACT, None, 100.0, TradeType.rebalance, USD, 1.0)  # planned only
    event = BalanceUpdate(
        1, BalanceUpdateCause.deposit, BalanceUpdatePositionType.reserve, USD, START, START, -1, EXACT, Decimal(0), 1.5
    )
    state.portfolio.get_default_reserve_position().balance_updates[1] = event
    record_equity(state, {0: 1000, 1: 1010})
    return state


NOW = START + 3 * DAY + datetime.timedelta(microseconds=7)


@pytest.mark.parametrize("make_table", [*TABLES, ledger_to_frame, position_statistics_to_frame])
def test_columns_are_read_as_attributes(make_table: Callable[..., Any]):
    frame = make_table(make_full())
    assert not [name for name in frame.columns if hasattr(pd.DataFrame, name) or hasattr(pd.DataFrame(), name)]
    for name in frame.columns:
        assert getattr(frame, name) is not None


@pytest.mark.parametrize("make_table", TABLES)
def test_an_empty_state_has_the_same_columns_as_a_full_one(make_table: Callable[..., Any]):
    empty, full = make_table(State()), make_table(make_full())
    assert len(empty) == 0
    assert len(full) > 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert make_table(State(), as_arrow=True).schema == make_table(make_full(), as_arrow=True).schema


@pytest.mark.parametrize("make_table", TABLES)
def test_arrow_has_the_columns_the_rows_and_the_units_of_the_frame(make_table: Callable[..., Any]):
    frame, table = make_table(make_full()), make_table(make_full(), as_arrow=True)
    assert table.column_names == list(frame.columns)
    assert table.num_rows == len(frame)
    units = {field.name: field.metadata[b"unit"].decode() for field in table.schema if field.metadata}
    assert units == frame.attrs["units"]
    for name in frame.columns:
        want = [None if pd.isna(value) else value for value in frame[name]]
        assert table[name].to_pylist() == want


@pytest.mark.parametrize("make_table", TABLES)
def test_every_money_column_states_its_unit(make_table: Callable[..., Any]):
    frame = make_table(make_full())
    for name, dtype in frame.dtypes.items():
        if dtype in ("float64", "object"):
            assert name in frame.attrs["units"]


def test_positions():
    frame = positions_to_frame(make_full()).set_index("position_id")
    assert frame["status"].to_dict() == {2: "open", 1: "closed"}
    assert frame.loc[1, "profit"] == pytest.approx(10.0)
    assert frame.loc[1, "profit_fraction"] == pytest.approx(0.1)
    assert frame.loc[2, "unrealised_profit"] == pytest.approx(30.0)
    assert frame["realised_profit"].to_dict() == {2: 0.0, 1: pytest.approx(10.0)}
    assert frame["closed_at"].isna().to_dict() == {2: True, 1: False}
    assert frame.loc[1, "closed_at"] == START + DAY
    assert frame.loc[2, "quantity"] == Decimal(1)
    assert frame.loc[2, "value"] == pytest.approx(130.0)


def test_trades_of_any_status_by_id():
    frame = trades_to_frame(make_full())
    assert frame["trade_id"].tolist() == [1, 2, 3, 4]
    assert frame["status"].tolist() == ["success", "success", "success", "planned"]
    assert frame["planned_quantity"].tolist() == [1, -1, 1, EXACT]
    assert frame["executed_quantity"].tolist()[3] is None
    assert frame["opened_at"].iloc[3] == NOW
    assert frame["type"].unique().tolist() == ["rebalance"]


def test_balance_updates_and_valuations_are_exact():
    state = make_full()
    assert balance_updates_to_frame(state)["quantity"].tolist() == [EXACT]
    assert balance_updates_to_frame(state)["cause"].tolist() == ["deposit"]
    assert balance_updates_to_frame(state, as_arrow=True)["quantity"].to_pylist() == [EXACT]
    assert valuations_to_frame(state)["valued_at"].tolist() == [NOW]
    assert valuations_to_frame(state)["quantity"].tolist() == [EXACT]


def test_arrow_rounds_amounts_beyond_its_digits():
    state = make_full()
    state.portfolio.get_default_reserve_position().balance_updates[1].quantity = Decimal("1.26E-38")
    (amount,) = balance_updates_to_frame(state, as_arrow=True)["quantity"].to_pylist()
    assert amount == Decimal("1E-38")


def test_portfolio_history():
    frame = portfolio_to_frame(make_full())
    assert frame["calculated_at"].tolist() == [START, START + DAY]
    assert frame["total_equity"].tolist() == [1000.0, 1010.0]
    assert frame["net_asset_value"].isna().all()
    assert str(frame["calculated_at"].dtype) == "datetime64[us]"


@pytest.mark.golden
def test_every_real_file_becomes_tables(state_file: Path):
    state = State.read_json_file(state_file)
    assert len(positions_to_frame(state)) == sum(len(table) for table in state.portfolio.get_position_tables())
    assert len(portfolio_to_frame(state)) == len(state.stats.portfolio)
    for make_table in TABLES:
        table = make_table(state, as_arrow=True)
        assert isinstance(table, pa.Table)
        table.validate(full=True)
