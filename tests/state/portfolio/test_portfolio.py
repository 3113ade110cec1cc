"""Look-ups, reserves and totals of a portfolio."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.samples import SHORT, credit, loan
from tests.kit.trader import (
    BRIDGE,
    DAY,
    FAR_CHAIN,
    LINK_USDC,
    SECOND,
    T0,
    USDC,
    WBTC,
    WBTC_USDC,
    WETH,
    WETH_USDC,
    Trader,
    cash_of,
    new_state,
    pair,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    InvalidValue,
    MultipleOpenPositionsWithAsset,
    NonceAlreadyUsed,
    NotSinglePair,
    PositionNotFound,
    ReserveAlreadyInitialised,
    ReserveMissing,
    UnexecutedTrades,
)
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeFlag

D = Decimal
CREDIT = pair(WETH, USDC, 0.0, 201, kind=TradingPairKind.credit_supply)


@pytest.fixture
def trader() -> Trader:
    """1 WETH open, 2 WBTC closed, 3 LINK frozen."""
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.buy(WBTC_USDC, "0.1", 10_000.0)
    trader.sell(WBTC_USDC, "0.1", 11_000.0)
    trader.buy(LINK_USDC, "10", 10.0)
    portfolio = trader.state.portfolio
    portfolio.frozen_positions[3] = portfolio.open_positions.pop(3)
    portfolio.frozen_positions[3].frozen_at = T0
    return trader


@pytest.fixture
def portfolio(trader: Trader) -> Portfolio:
    return trader.state.portfolio


def loan_position(position_id: int, traded: Any, value: Any) -> TradingPosition:
    return TradingPosition(position_id, traded, T0, T0, 2000.0, 1.0, USDC, loan=value)


# --- Look-ups


def test_an_empty_portfolio():
    portfolio = Portfolio()
    assert portfolio.is_empty()
    assert (portfolio.get_cash(), portfolio.calculate_total_equity(), portfolio.get_net_asset_value()) == (0, 0, 0)
    assert portfolio.get_initial_cash() == 0
    assert portfolio.get_default_reserve_asset() == (None, 1.0)
    assert portfolio.get_first_and_last_executed_trade() == (None, None)
    assert portfolio.get_trading_history_duration() is None
    assert list(portfolio.get_all_traded_pairs()) == []
    assert repr(portfolio) == "<Portfolio with 0 open, 0 frozen and 0 closed positions, no reserves>"
    assert not new_state().portfolio.is_empty()


def test_positions_by_table(portfolio: Portfolio):
    def ids(positions: Any) -> list[int]:
        return [position.position_id for position in positions]

    assert ids(portfolio.get_all_positions()) == [1, 2, 3]
    assert ids(portfolio.get_open_positions()) == [1]
    assert ids(portfolio.get_open_and_frozen_positions()) == [1, 3]
    assert ids(portfolio.get_executed_positions()) == [1]
    assert ids(portfolio.get_unfrozen_positions()) == []
    portfolio.open_positions[1].unfrozen_at = T0
    assert ids(portfolio.get_unfrozen_positions()) == [1]
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    assert ids(portfolio.get_all_positions(pending=True)) == [2, 3, 1]
    assert repr(portfolio).startswith("<Portfolio with 0 open, 1 frozen and 1 closed positions, 1")
    assert repr(portfolio).endswith(" USDC>")


def test_a_position_by_its_id(portfolio: Portfolio):
    assert [portfolio.get_position_by_id(number).position_id for number in (1, 2, 3)] == [1, 2, 3]
    for number in (0, 4, None):
        with pytest.raises(PositionNotFound):
            portfolio.get_position_by_id(number)  # type: ignore[arg-type]
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    with pytest.raises(PositionNotFound):
        portfolio.get_position_by_id(1)


def test_the_position_of_a_trade(portfolio: Portfolio):
    trade = portfolio.open_positions[1].trades[1]
    assert portfolio.find_position_for_trade(trade) is portfolio.open_positions[1]
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    with pytest.raises(PositionNotFound):
        portfolio.find_position_for_trade(trade)
    assert portfolio.find_position_for_trade(trade, pending=True).position_id == 1
    copied = dataclasses.replace(trade)
    with pytest.raises(PositionNotFound):
        portfolio.find_position_for_trade(copied, pending=True)


def test_a_trade_by_its_id_or_transaction(portfolio: Portfolio):
    assert [trade.trade_id for trade in portfolio.get_all_trades()] == [1, 2, 3, 4]
    for number in (1, 3, 4):
        trade = portfolio.get_trade_by_id(number)
        assert trade is not None
        assert trade.trade_id == number
    assert portfolio.get_trade_by_id(5) is None
    portfolio.closed_positions[2].trades[3].blockchain_transactions = [BlockchainTransaction(tx_hash="0xaa")]
    found = portfolio.get_trade_by_tx_hash("0xaa")
    assert found is not None
    assert found.trade_id == 3
    assert portfolio.get_trade_by_tx_hash("0xbb") is None


def test_positions_of_a_pair(portfolio: Portfolio):
    upper = dataclasses.replace(WETH_USDC, pool_address=WETH_USDC.pool_address.replace("0x", "0X"))
    for traded in (WETH_USDC, upper):
        assert portfolio.get_open_position_for_pair(traded) is portfolio.open_positions[1]
        assert portfolio.get_position_by_trading_pair(traded) is portfolio.open_positions[1]
        assert portfolio.get_existing_open_position_by_trading_pair(traded) is portfolio.open_positions[1]
        assert portfolio.get_equity_for_pair(traded) == 2
    for traded in (WBTC_USDC, LINK_USDC):
        assert portfolio.get_open_position_for_pair(traded) is None
        assert portfolio.get_position_by_trading_pair(traded) is None
        assert portfolio.get_equity_for_pair(traded) == 0
    assert portfolio.get_frozen_position(LINK_USDC) is portfolio.frozen_positions[3]
    assert portfolio.get_frozen_position(WETH_USDC) is None
    for method in (portfolio.get_open_position_for_pair, portfolio.get_pending_position_for_pair):
        with pytest.raises(InvalidValue):
            method("WETH-USDC")  # type: ignore[arg-type]


def test_a_planned_position_does_not_exist_yet_for_those_who_ask_for_executed_ones(trader: Trader):
    trader.plan(WBTC_USDC, "0.1", 10_000.0)
    portfolio = trader.state.portfolio
    assert portfolio.get_open_position_for_pair(WBTC_USDC) is portfolio.open_positions[4]
    assert portfolio.get_existing_open_position_by_trading_pair(WBTC_USDC) is None
    assert [position.position_id for position in portfolio.get_executed_positions()] == [1]


def test_a_pending_position_wins_when_asked_for(trader: Trader):
    portfolio = trader.state.portfolio
    pending, _ = trader.plan(WETH_USDC, "1", 2000.0, flags={TradeFlag.ignore_open})
    del portfolio.open_positions[pending.position_id]
    portfolio.pending_positions[pending.position_id] = pending
    assert portfolio.get_pending_position_for_pair(WETH_USDC) is pending
    assert portfolio.get_position_by_trading_pair(WETH_USDC, pending=True) is pending
    assert portfolio.get_position_by_trading_pair(WETH_USDC) is portfolio.open_positions[1]


def test_closed_positions_of_a_pair(portfolio: Portfolio):
    closed = portfolio.closed_positions[2]
    assert portfolio.get_closed_positions_for_pair(WBTC_USDC) == [closed]
    closed.trades[2].flags = {TradeFlag.test_trade}
    assert portfolio.get_closed_positions_for_pair(WBTC_USDC) == []
    assert portfolio.get_closed_positions_for_pair(WBTC_USDC, include_test_position=True) == [closed]
    assert closed.closed_at is not None
    assert list(portfolio.get_positions_closed_at(closed.closed_at)) == [closed]
    assert list(portfolio.get_positions_closed_at(T0)) == []


def test_the_position_that_holds_an_asset(trader: Trader):
    portfolio = trader.state.portfolio
    assert portfolio.get_open_position_for_asset(WETH) is portfolio.open_positions[1]
    assert portfolio.get_open_position_for_asset(WBTC) is None
    trader.plan(WETH_USDC, "1", 2000.0, flags={TradeFlag.ignore_open})
    with pytest.raises(MultipleOpenPositionsWithAsset, match="#1, #4"):
        portfolio.get_open_position_for_asset(WETH)


def test_quantities_by_id(portfolio: Portfolio):
    assert portfolio.get_open_quantities_by_position_id() == {f"{WETH_USDC.pool_address}-1": 2}
    assert portfolio.get_open_quantities_by_internal_id() == {101: 2}
    portfolio.open_positions[1].pair = dataclasses.replace(WETH_USDC, internal_id=None)
    with pytest.raises(InvalidValue):
        portfolio.get_open_quantities_by_internal_id()


def test_pairs(portfolio: Portfolio):
    assert list(portfolio.get_all_traded_pairs()) == [WETH_USDC, WBTC_USDC, LINK_USDC]
    with pytest.raises(NotSinglePair):
        portfolio.get_single_pair()
    portfolio.closed_positions.clear()
    portfolio.frozen_positions.clear()
    assert portfolio.get_single_pair() == WETH_USDC
    portfolio.open_positions.clear()
    with pytest.raises(NotSinglePair):
        portfolio.get_single_pair()


def test_first_and_last_trade(portfolio: Portfolio):
    first, last = portfolio.get_first_and_last_executed_trade()
    assert first is not None
    assert last is not None
    assert (first.trade_id, last.trade_id) == (1, 4)
    assert portfolio.get_trading_history_duration() == 9 * SECOND
    last.executed_at = T0 - DAY
    assert portfolio.get_first_and_last_executed_trade()[0] is last


def test_a_portfolio_whose_only_trade_was_not_executed():
    trader = Trader(new_state())
    _, trade = trader.plan(WETH_USDC, "1", 1.0)
    assert trader.state.portfolio.get_first_and_last_executed_trade() == (trade, trade)
    assert trader.state.portfolio.get_trading_history_duration() is None


# --- Nonces, trades in flight


def test_a_nonce_is_used_once(portfolio: Portfolio):
    """The reference fails with an AttributeError instead."""
    portfolio.closed_positions[2].trades[3].blockchain_transactions = [BlockchainTransaction(nonce=7, tx_hash="0xaa")]
    portfolio.check_for_nonce_reuse(8)
    with pytest.raises(NonceAlreadyUsed, match="0xaa") as error:
        portfolio.check_for_nonce_reuse(7)
    assert (error.value.nonce, error.value.trade_id) == (7, 3)


def test_trades_in_flight(trader: Trader):
    """The reference fails with an AttributeError as soon as a position is open."""
    portfolio = trader.state.portfolio
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    assert not portfolio.has_unexecuted_trades()
    trader.start(trade)
    assert portfolio.has_unexecuted_trades()
    trader.broadcast(trade)
    assert portfolio.has_unexecuted_trades()
    trader.fail(trade)
    assert not portfolio.has_unexecuted_trades()


# --- Reserves


def test_reserves_are_initialised_once():
    portfolio = Portfolio()
    reserve = portfolio.initialise_reserves(USDC, 1.0, created_at=T0)
    assert portfolio.reserves == {USDC.get_identifier(): reserve}
    assert (reserve.quantity, reserve.reserve_token_price, reserve.last_sync_at) == (0, 1.0, T0)
    with pytest.raises(ReserveAlreadyInitialised):
        portfolio.initialise_reserves(WETH)


def test_reserves_are_replaced_by_asset(trader: Trader):
    portfolio = trader.state.portfolio
    portfolio.update_reserves([ReservePosition(USDC, D(5), T0, 1.0, T0)])
    assert cash_of(trader.state) == 5
    assert len(portfolio.reserves) == 1
    trader.state.update_reserves([ReservePosition(WETH, D(1), T0, 2000.0, T0)])
    assert portfolio.get_cash() == 2005.0
    assert portfolio.get_reserve_assets() == [USDC, WETH]
    with pytest.raises(ReserveMissing):
        portfolio.get_default_reserve_position()
    _, trade = trader.plan(LINK_USDC, "0.1", 1.0)
    trader.start(trade)
    with pytest.raises(UnexecutedTrades):
        portfolio.update_reserves([ReservePosition(USDC, D(0), T0, 1.0, T0)])


def test_reserves_of_old_files_are_known_by_the_bare_address():
    reserve = ReservePosition(USDC, D(5), T0, 1.0, T0)
    portfolio = Portfolio(reserves={USDC.address: reserve})
    same = dataclasses.replace(USDC)
    assert portfolio.get_reserve_position(same) is reserve
    portfolio.adjust_reserves(same, D(1))
    assert reserve.quantity == 6
    portfolio.update_reserves([ReservePosition(same, D(7), T0, 1.0, T0)])
    assert list(portfolio.reserves) == [USDC.get_identifier()]
    with pytest.raises(KeyError):
        portfolio.get_reserve_position(WETH)


def test_adjusting_reserves(portfolio: Portfolio):
    reserve = portfolio.get_default_reserve_position()
    before = reserve.quantity
    portfolio.adjust_reserves(USDC, D("1.5"), "interest")
    assert reserve.quantity == before + D("1.5")
    portfolio.adjust_reserves(USDC, -before * 2)
    assert reserve.quantity < 0
    portfolio.adjust_reserves(WETH, D(0))


def test_initial_cash():
    portfolio = new_state().portfolio
    assert portfolio.get_initial_cash() is None, "old data did not record it"
    reserve = portfolio.get_default_reserve_position()
    reserve.initial_deposit, reserve.initial_deposit_reserve_token_price = D(500), 1.01
    assert portfolio.get_initial_cash() == portfolio.get_initial_deposit() == pytest.approx(505.0)
    portfolio.reserves["other"] = ReservePosition(WETH, D(0), T0, 1.0, T0)
    with pytest.raises(ReserveMissing):
        portfolio.get_initial_cash()


def test_a_reserve_without_decimals_is_refused():
    with pytest.raises(InvalidValue):
        ReservePosition(dataclasses.replace(USDC, decimals=0), D(0), T0, 1.0, T0)


def test_a_reserve_by_itself():
    reserve = ReservePosition(USDC, D("2.5"), T0, 1.1, T0)
    assert reserve.get_value() == reserve.get_total_equity() == 2.75
    assert reserve.calculate_quantity_usd_value(D(3)) == 3.0
    assert list(reserve.get_held_assets()) == [(USDC, D("2.5"))]
    assert (reserve.get_human_readable_name(), reserve.get_identifier()) == ("USDC reserve", USDC.get_identifier())
    cash = reserve.get_cash_pair()
    assert (cash.base, cash.quote, cash.kind, cash.internal_id) == (USDC, USDC, TradingPairKind.cash, 0)
    assert reserve == ReservePosition(USDC, D(0), None, None, None)
    assert len({reserve, ReservePosition(USDC, D(0), None, None, None)}) == 1
    reserve.reserve_token_price = None
    with pytest.raises(InvalidValue):
        reserve.get_value()


def test_balance_update_ids_are_handed_out_once(portfolio: Portfolio):
    assert [portfolio.allocate_balance_update_id() for _ in range(3)] == [1, 2, 3]
    assert portfolio.next_balance_update_id == 4


# --- Totals


def test_equity_leaves_frozen_positions_out_and_net_asset_value_does_not(portfolio: Portfolio):
    cash = 20_000.0 - 4000 + 100 - 100
    assert portfolio.get_cash() == portfolio.get_current_cash() == cash
    assert portfolio.calculate_total_equity() == portfolio.get_total_equity() == cash + 4000
    assert portfolio.get_net_asset_value() == cash + 4100
    assert portfolio.get_frozen_position_equity() == 100.0
    assert portfolio.get_live_position_equity() == portfolio.get_position_equity_and_loan_nav() == 4000.0
    assert portfolio.calculate_total_equity_chain() == {1: cash + 4000}
    assert portfolio.has_trading_capital()
    assert not portfolio.has_trading_capital(10**6)


def test_profit_of_the_portfolio(portfolio: Portfolio):
    assert portfolio.get_closed_profit_usd() == pytest.approx(100.0)
    portfolio.open_positions[1].revalue_base_asset(T0, 2100.0)
    assert portfolio.get_unrealised_profit_usd() == pytest.approx(200.0)
    assert portfolio.get_unrealised_profit_in_leveraged_positions() == 0
    assert portfolio.get_realised_profit_in_leveraged_positions() == 0


def test_loans_beside_spot_positions(portfolio: Portfolio):
    """The reference cannot tell the debt of a portfolio with a spot or credit position."""
    assert portfolio.get_borrowed() == 0.0
    portfolio.open_positions[10] = loan_position(10, SHORT, loan())
    portfolio.frozen_positions[11] = loan_position(11, CREDIT, credit())
    assert portfolio.get_borrowed() == 1000.0
    assert portfolio.get_all_loan_nav() == 1000.0
    assert portfolio.get_loan_net_asset_value() == 2000.0
    assert len(portfolio.get_open_loans()) == 2
    assert portfolio.get_position_equity_and_loan_nav() == 5000.0
    assert [p.position_id for p in portfolio.get_current_credit_positions()] == [11]
    assert [p.position_id for p in portfolio.get_leverage_positions()] == [10]
    assert [p.position_id for p in portfolio.get_current_interest_positions()] == [11, 10]
    assert (portfolio.get_total_claimed_interest(), portfolio.get_total_repaid_interest()) == (0, 0)


def test_capital_on_its_way_over_a_bridge():
    trader = Trader(new_state(), 0.0, 1.0)
    portfolio = trader.state.portfolio
    _, trade = trader.plan(BRIDGE, price=1.0, reserve="6000")
    portfolio.adjust_reserves(USDC, D(-6000))
    trade.started_at = trade.broadcasted_at = trade.cctp_in_transit_at = T0
    trade.other_data = {"cctp_dest_chain_id": FAR_CHAIN}
    assert portfolio.get_in_transit_value() == 6000.0
    assert portfolio.calculate_total_equity() == 10_000.0
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6000.0}


def test_corrections_are_balance_updates(portfolio: Portfolio):
    with pytest.raises(NotImplementedError):
        portfolio.correct_open_position_balance(portfolio.open_positions[1], D(1), D(2), T0, 1, 1)


# --- Opening and closing


def test_a_new_position_knows_the_portfolio_of_its_time(portfolio: Portfolio):
    position = portfolio.open_new_position(T0, WBTC_USDC, 5.0, USDC, 1.0)
    assert (position.position_id, portfolio.next_position_id) == (4, 5)
    assert portfolio.open_positions[4] is position
    assert position.portfolio_value_at_open == portfolio.calculate_total_equity()
    assert (position.opened_at, position.last_pricing_at, position.last_token_price) == (T0, T0, 5.0)


@pytest.mark.parametrize("table", ["open_positions", "frozen_positions"])
@pytest.mark.parametrize(
    "close",
    [lambda p, x: p.close_position(x, T0 + DAY), lambda p, x: p.mark_down_position(x)],
    ids=["close", "mark down"],
)
def test_a_position_moves_to_the_closed_ones(
    portfolio: Portfolio, table: str, close: Callable[[Portfolio, TradingPosition], None]
):
    position_id, position = next(iter(getattr(portfolio, table).items()))
    cash = portfolio.get_cash()
    close(portfolio, position)
    assert position.is_closed()
    assert portfolio.closed_positions[position_id] is position
    assert getattr(portfolio, table) == {}
    assert portfolio.get_cash() == cash


def test_portfolios_are_equal_when_their_content_is(trader: Trader):
    portfolio = trader.state.portfolio
    again = Portfolio.from_json(portfolio.to_json())
    assert again == portfolio
    again.adjust_reserves(USDC, D(1))
    assert again != portfolio
    assert portfolio != 5
