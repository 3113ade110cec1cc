"""The root of the tree: time ranges, blacklist, checks, end of a cycle."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tests.kit.samples import portfolio_statistics, position_statistics
from tests.kit.trader import DAY, LINK_USDC, T0, USDC, WETH, WETH_USDC, Trader, asset, new_state, pair
from tests.kit.whole import make_whole_state
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import (
    BadStateData,
    IntegrityError,
    InvalidStateFile,
    InvalidValue,
    NewerStateFile,
    UncleanState,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.portfolio.ids import list_counter_remarks
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeFlag

HOUR = datetime.timedelta(hours=1)


def backtest(**changes: Any) -> State:
    data = BacktestData(
        **{"start_at": T0, "end_at": T0 + DAY, "decision_cycle_duration": CycleDuration.cycle_1h} | changes
    )
    return State(created_at=T0 - DAY, backtest_data=data, last_updated_at=T0 + 9 * DAY)


@pytest.fixture
def state() -> State:
    """1 WETH open, 2 LINK frozen; trade 3 is planned."""
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.buy(LINK_USDC, "10", 10.0)
    trader.plan(WETH_USDC, "1", 2000.0)
    portfolio = trader.state.portfolio
    portfolio.frozen_positions[2] = portfolio.open_positions.pop(2)
    return trader.state


# --- A new state


def test_a_new_state():
    before = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    state = State(name="x")
    assert before <= state.created_at <= datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert (state.cycle, state.initial_share_price, state.last_updated_at) == (1, 1.0, None)
    assert state.is_empty()
    assert repr(state) == "<State for x>"
    state.perform_integrity_check()
    state.check_if_clean()


def test_two_new_states_share_nothing():
    one, other = State(created_at=T0), State(created_at=T0)
    assert one == other
    one.asset_blacklist.add("1-0x1")
    one.portfolio.next_trade_id = 5
    assert one != other
    assert other.asset_blacklist == set()
    assert other.portfolio.next_trade_id == 1


def test_unknown_attributes_are_refused():
    state: Any = State()
    with pytest.raises(AttributeError):
        state.invented = 1


def test_safe_text_is_the_text(state: State):
    assert state.to_json_safe() == state.to_json()


# --- Time ranges


def test_range_of_a_live_strategy():
    state = State(created_at=T0, last_updated_at=T0 + DAY)
    assert state.get_strategy_time_range() == state.get_trading_time_range() == (T0, T0 + DAY)
    state.last_open_positions_cycle_at = T0 + HOUR
    assert state.get_strategy_time_range() == (T0, T0 + DAY)
    assert state.get_trading_time_range() == (T0, T0 + HOUR)


def test_range_of_a_backtest():
    state = backtest()
    assert state.get_strategy_time_range() == state.get_trading_time_range() == (T0, T0 + DAY)
    state.mark_ready(T0 + HOUR)
    assert state.get_trading_time_range() == (T0 + HOUR, None)
    state.last_cycle_at = T0 + 3 * HOUR
    assert state.get_trading_time_range() == (T0 + HOUR, T0 + 3 * HOUR)
    state.last_open_positions_cycle_at = T0 + 2 * HOUR
    assert state.get_trading_time_range() == (T0 + HOUR, T0 + 2 * HOUR)


def test_a_backtest_without_an_end_lasts_until_its_last_cycle():
    state = backtest(end_at=None)
    state.last_cycle_at = T0 + HOUR
    assert state.get_strategy_time_range() == (T0, T0 + HOUR)


def test_only_the_first_mark_counts():
    state = backtest()
    state.mark_ready(pd.Timestamp(T0 + HOUR))
    state.mark_ready(T0 + 2 * HOUR)
    assert state.backtest_data is not None
    assert type(state.backtest_data.ready_at) is datetime.datetime
    assert state.backtest_data.ready_at == T0 + HOUR
    live = State(created_at=T0)
    live.mark_ready(T0)
    assert live == State(created_at=T0)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (3 * DAY + 4 * HOUR, "3 days 4 hours"),
        (4 * HOUR + datetime.timedelta(minutes=5), "4 hours 5 minutes"),
        (None, "Unknown"),
    ],
)
def test_duration_for_people(duration: datetime.timedelta | None, text: str):
    state = State(created_at=T0, last_updated_at=None if duration is None else T0 + duration)
    assert state.get_strategy_duration() == duration
    assert state.get_formatted_strategy_duration() == text


def test_start_and_end_come_from_samples_or_else_from_trades():
    assert State().get_strategy_start_and_end() == (None, None)
    trader = Trader(new_state())
    _, trade = trader.buy(WETH_USDC, "1", 2000.0)
    assert trader.state.get_strategy_start_and_end() == (trade.opened_at, trade.executed_at)
    trader.state.stats.portfolio = [portfolio_statistics(calculated_at=T0 + n * DAY) for n in range(3)]
    assert trader.state.get_strategy_start_and_end() == (T0, T0 + 2 * DAY)


# --- Blacklist


def test_a_blacklisted_asset_is_not_traded():
    state = State()
    assert state.is_good_pair(WETH_USDC)
    state.blacklist_asset(WETH, "It is bad")
    assert not state.is_good_pair(WETH_USDC)
    assert state.is_good_pair(LINK_USDC)
    assert state.asset_blacklist == {WETH.get_identifier()}
    assert state.blacklisted_assets == {WETH}
    reason = state.blacklist_reason[WETH.get_identifier()]
    assert reason.startswith("Blacklisted ")
    assert reason.endswith(":\nIt is bad")


def test_a_blacklisted_quote_counts_too():
    state = State()
    state.blacklist_asset(USDC)
    assert not state.is_good_pair(WETH_USDC)
    assert state.blacklist_reason[USDC.get_identifier()].endswith(":\n-")


def test_the_blacklist_is_per_chain():
    state = State()
    state.blacklist_asset(AssetIdentifier(10, WETH.address, "WETH", 18))
    assert state.is_good_pair(WETH_USDC)


def test_the_blacklist_of_old_files_holds_bare_addresses():
    """The reference never finds new entries this way."""
    state = State(asset_blacklist={WETH.address})
    assert not state.is_good_pair(WETH_USDC)
    state.unblacklist_asset(WETH)
    assert state.is_good_pair(WETH_USDC)
    assert state.asset_blacklist == set()


def test_an_allowed_asset_leaves_no_trace():
    """The reference keeps the reason."""
    state = State(created_at=T0)
    state.blacklist_asset(WETH)
    state.unblacklist_asset(WETH)
    assert state == State(created_at=T0)
    with pytest.raises(InvalidValue):
        state.unblacklist_asset(WETH)


def test_the_blacklist_survives_a_save():
    state = State()
    state.blacklist_asset(WETH, "x")
    again = State.read_json_blob(state.to_json())
    assert not again.is_good_pair(WETH_USDC)
    again.unblacklist_asset(WETH)
    assert again.is_good_pair(WETH_USDC)


def test_a_pair_that_is_marked_is_not_good():
    marked = pair(asset("X", 18, 9), USDC, 0.003, 1)
    marked.set_tradeable(False)
    assert not State().is_good_pair(marked)
    with pytest.raises(InvalidValue):
        State().is_good_pair("WETH-USDC")  # type: ignore[arg-type]


# --- Clean?


def test_a_trade_whose_outcome_is_unknown_makes_a_state_unclean(state: State):
    trader = Trader(state)
    trader.nonce, trader.ts = 50, T0
    trade = state.portfolio.open_positions[1].trades[3]
    state.check_if_clean()
    trader.start(trade)
    state.check_if_clean()
    trader.broadcast(trade)
    with pytest.raises(UncleanState, match="#3") as error:
        state.check_if_clean()
    assert error.value.trade_ids == [3]
    state.portfolio.frozen_positions[1] = state.portfolio.open_positions.pop(1)
    with pytest.raises(UncleanState):
        state.check_if_clean()
    trader.fail(trade)
    state.check_if_clean()


# --- Integrity


def put_twice(state: State) -> None:
    state.portfolio.closed_positions[1] = state.portfolio.open_positions[1]


def wrong_key(state: State) -> None:
    state.portfolio.open_positions[3] = state.portfolio.open_positions.pop(1)


def wrong_trade_key(state: State) -> None:
    position = state.portfolio.open_positions[1]
    position.trades[4] = position.trades.pop(3)


def trade_of_another(state: State) -> None:
    state.portfolio.open_positions[1].trades[3].position_id = 2


def trade_id_twice(state: State) -> None:
    trade = state.portfolio.open_positions[1].trades.pop(3)
    trade.trade_id = 2
    state.portfolio.open_positions[1].trades[2] = trade
    state.portfolio.next_trade_id = 3


def wrong_event_key(state: State) -> None:
    event = SimpleNamespace(balance_update_id=7, asset=WETH_USDC.base, quantity=Decimal(0))
    state.portfolio.open_positions[1].balance_updates[8] = event  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "damage",
    [
        put_twice,
        wrong_key,
        wrong_trade_key,
        trade_of_another,
        trade_id_twice,
        lambda s: s.stats.positions.update({9: [position_statistics()]}),
        wrong_event_key,
        lambda s: s.portfolio.reserves.update({"another": s.portfolio.reserves.popitem()[1]}),
    ],
    ids=[
        "a position in two tables",
        "a position under another id",
        "a trade under another id",
        "a trade of another position",
        "a trade id used twice",
        "statistics of an unknown position",
        "a balance update under another id",
        "a reserve under the key of another asset",
    ],
)
def test_ids_that_contradict_each_other_are_found(state: State, damage: Callable[[State], Any]):
    state.perform_integrity_check()
    damage(state)
    with pytest.raises(IntegrityError):
        state.perform_integrity_check()


@pytest.mark.parametrize(
    "damage",
    [put_twice, wrong_key, wrong_trade_key, trade_of_another, trade_id_twice],
    ids=lambda damage: damage.__name__,
)
def test_a_state_whose_ids_contradict_each_other_is_neither_saved_nor_loaded(
    state: State, damage: Callable[[State], Any]
):
    damage(state)
    with pytest.raises(BadStateData, match="portfolio"):
        state.to_json()
    tree = StateFields.to_dict(state)  # what a program without the check would have written
    with pytest.raises(InvalidStateFile, match="its ids contradict each other: "):
        State.from_dict(tree)


@pytest.mark.parametrize(
    ("damage", "remark"),
    [
        (
            lambda p: setattr(p, "next_position_id", 2),
            "next position id is 2, the highest used one is 2: the next posi",
        ),
        (lambda p: setattr(p, "next_position_id", 4), "next position id is 4, the highest used one is 2"),
        (
            lambda p: setattr(p, "next_trade_id", 1),
            "next trade id is 1, the highest used one is 3: the next trade will",
        ),
        (lambda p: setattr(p, "next_trade_id", 5), "next trade id is 5, the highest used one is 3"),
        (lambda p: p.open_positions[1].trades.pop(3), "next trade id is 4, the highest used one is 2"),
        (lambda p: p.frozen_positions.pop(2), "next position id is 3, the highest used one is 1"),
    ],
)
def test_a_counter_beside_the_ids_is_worth_a_remark(state: State, damage: Callable[[Any], Any], remark: str):
    """The reference leaves such counters when an order lapses or a position is added by hand."""
    assert list_counter_remarks(state.portfolio) == []
    damage(state.portfolio)
    state.perform_integrity_check()
    assert any(text.startswith(remark) for text in list_counter_remarks(state.portfolio))


@pytest.mark.parametrize("table", ["pending_positions", "expired_positions"])
def test_ids_count_in_every_table_of_positions(state: State, table: str):
    """The reference does not look into all of them and refuses a good state."""
    position, _ = Trader(state).plan(WETH_USDC, "1", 1.0, flags={TradeFlag.ignore_open})
    getattr(state.portfolio, table)[3] = state.portfolio.open_positions.pop(3)
    state.perform_integrity_check()
    state.stats.positions[position.position_id] = []
    state.perform_integrity_check()


@pytest.mark.parametrize("table", ["pending_trades", "expired_trades"])
def test_ids_count_in_every_table_of_trades(state: State, table: str):
    """The reference refuses a state whose newest trade waits for its trigger."""
    position = state.portfolio.open_positions[1]
    getattr(position, table)[3] = position.trades.pop(3)
    state.perform_integrity_check()


def test_a_partial_take_profit_may_be_in_two_tables(state: State):
    position = state.portfolio.open_positions[1]
    position.pending_trades[3] = position.trades[3]
    state.perform_integrity_check()
    again = State.read_json_blob(state.to_json())
    again.perform_integrity_check()


def test_the_state_with_everything_is_sound():
    state = make_whole_state()
    state.perform_integrity_check()
    state.check_if_clean()


# --- Cycles


def test_the_end_of_a_cycle():
    state = State()
    state.record_cycle_end(3, T0)
    assert state.uptime.cycles_completed_at == {3: T0}
    assert state.other_data is not None
    assert dict(state.other_data.data) == {}
    state.record_cycle_end(4, T0 + HOUR, live=True)
    assert state.other_data.data[4] == {"decision_cycle_ended_at": (T0 + HOUR).isoformat()}
    state.record_cycle_end(5)
    assert state.uptime.cycles_completed_at[5] > T0


@pytest.mark.parametrize("cycle", ["1", 1.0, True, None])
def test_a_cycle_is_a_number(cycle: Any):
    with pytest.raises(InvalidValue):
        State().record_cycle_end(cycle)


def test_a_live_cycle_without_other_data():
    state = State(other_data=None)
    state.record_cycle_end(1, T0, live=True)
    assert state.uptime.cycles_completed_at == {1: T0}


def test_ids_are_not_used_again_after_a_reload(state: State):
    again = State.read_json_blob(state.to_json())
    position, trade = Trader(again).plan(LINK_USDC, "1", 10.0)
    assert (position.position_id, trade.trade_id) == (3, 4)
    assert position.get_quantity(planned=True) == Decimal(1)


def test_reading_a_tree_leaves_the_tree_of_the_caller_alone():
    """Also a refused one: without its version a newer tree would be half read the second time."""
    tree = new_state().to_dict()
    assert State.from_dict(tree).to_dict() == State.from_dict(tree).to_dict() == tree
    newer = {**tree, "schema_version": 99}
    for _ in range(2):
        with pytest.raises(NewerStateFile):
            State.from_dict(newer)


def test_what_another_program_wrote_is_not_taken_for_an_empty_state(tmp_path: Path):
    path = tmp_path / "package.json"
    path.write_text('{"name": "package", "version": "1.0"}')
    with pytest.raises(InvalidStateFile, match="not a state: it has no portfolio"):
        State.read_json_file(path)
    path.write_text("")
    with pytest.raises(InvalidStateFile, match="is empty"):
        State.read_json_file(path)
