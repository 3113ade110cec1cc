"""One position by itself: constructor rules, quantities, value, the closing rule, and labels."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit import lending_positions as lenders
from tests.kit.samples import SHORT, balance_update, blockchain_transaction, credit, loan, valuation_update
from tests.kit.trader import (
    BRIDGE,
    DAY,
    FAR_USDC,
    LINK_USDC,
    SECOND,
    T0,
    USDC,
    VAULT,
    WETH,
    WETH_USDC,
    Trader,
    new_state,
    pair,
)
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.errors import (
    BalanceUpdateEventAlreadyAdded,
    InvalidValue,
    LegacyDataException,
    NotAvailable,
    UnsupportedPairKind,
    WrongPositionStatus,
)
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.strategy.interest import update_interest, update_leveraged_position_interest

D = Decimal
CREDIT = pair(WETH, USDC, 0.0, 201, kind=TradingPairKind.credit_supply)
ACCOUNT = pair(WETH, USDC, None, 202, kind=TradingPairKind.exchange_account)
HYPER_VAULT = TradingPairIdentifier(
    AssetIdentifier(9999, "0x5", "HLP", 6),
    AssetIdentifier(9999, "0x1", "USDC", 6),
    "0x7",
    None,
    kind=TradingPairKind.vault,
)


def make(**changes: Any) -> TradingPosition:
    return TradingPosition(
        **{
            "position_id": 1,
            "pair": WETH_USDC,
            "opened_at": T0,
            "last_pricing_at": T0,
            "last_token_price": 2000.0,
            "last_reserve_price": 1.0,
            "reserve_currency": USDC,
        }
        | changes
    )


def add(position: TradingPosition, quantity: str, price: float = 2000.0, **changes: Any) -> Any:
    """Add an executed trade; `changes` are set on it afterwards."""
    number = len(position.trades) + 1
    trade = position.open_trade(
        T0 + number * SECOND, number, D(quantity), None, price, TradeType.rebalance, USDC, 1.0, planned_mid_price=price
    )
    trade.started_at = trade.broadcasted_at = trade.executed_at = T0 + number * SECOND
    trade.executed_quantity, trade.executed_price = D(quantity), price
    trade.executed_reserve = abs(D(quantity)) * D(price)
    for name, value in changes.items():
        setattr(trade, name, value)
    return trade


# --- Constructor and identity


@pytest.mark.parametrize(
    "changes",
    [
        {"position_id": 0},
        {"position_id": -1},
        {"last_pricing_at": None},
        {"reserve_currency": None},
        {"last_token_price": -0.01},
        {"last_token_price": float("nan")},
        {"last_token_price": np.float32(5)},
        {"last_reserve_price": -1.0},
        {"opened_at": None},
        {"opened_at": datetime.date(2022, 1, 1)},
        {"opened_at": pd.Timestamp(2022, 1, 1)},
        {"stop_loss": np.float64(5)},
    ],
    ids=str,
)
def test_a_position_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises(InvalidValue):
        make(**changes)


@pytest.mark.parametrize("changes", [{"last_token_price": 0.0}, {"last_token_price": 5}, {"last_reserve_price": 0.0}])
def test_an_unusual_position_is_accepted(changes: dict[str, Any]):
    assert TradingPosition.from_json(make(**changes).to_json()).to_json() == make(**changes).to_json()


@pytest.mark.parametrize(
    "changes", [{"timestamp": None}, {"timestamp": "2022-01-01"}, {"mid_price": 5}, {"mid_price": D(5)}], ids=str
)
def test_a_moved_stop_loss_is_recorded_with_time_and_float(changes: dict[str, Any]):
    with pytest.raises(InvalidValue):
        TriggerPriceUpdate(**{"timestamp": T0, "mid_price": 1.0} | changes)


def test_a_position_is_its_id():
    assert make() == make(pair=LINK_USDC)
    assert make() != make(position_id=2)
    assert len({make(), make(pair=LINK_USDC), make(position_id=2)}) == 2
    assert make() != 1


def test_callers_may_replace_methods_and_add_attributes():
    position: Any = make()
    position.note_of_mine = 5
    assert position.note_of_mine == 5
    assert "note_of_mine" not in position.to_dict()


# --- Quantities


def test_only_successful_trades_count():
    position = make()
    add(position, "3")
    add(position, "1", failed_at=T0, executed_at=None, executed_quantity=None)
    add(position, "1", executed_at=None, executed_quantity=None)
    assert position.get_quantity() == position.get_net_quantity() == position.get_quantity_old() == 3
    add(position, "-1", repaired_at=T0)
    add(position, "2", repaired_trade_id=4)
    assert position.get_quantity() == 3, "repairs add nothing"
    add(position, "-0.5")
    assert position.get_quantity() == D("2.5")
    assert (position.get_buy_quantity(), position.get_sell_quantity()) == (3, D("0.5"))
    assert position.get_quantity_at_open() == 3


def test_planned_trades_count_only_when_asked_for():
    position = make()
    add(position, "3")
    planned = add(position, "-1", started_at=None, broadcasted_at=None, executed_at=None, executed_quantity=None)
    assert (position.get_quantity(), position.get_quantity(planned=True)) == (3, 2)
    assert position.get_available_trading_quantity() == 2
    planned.started_at = T0
    assert position.get_quantity(planned=True) == 3
    assert position.get_available_trading_quantity() == 3


@pytest.mark.parametrize("rest", ["0", "1E-18", "-1E-18", "1E-19"])
def test_a_remainder_below_the_smallest_unit_reads_as_zero(rest: str):
    position = make()
    add(position, "1")
    trade = add(position, "-1")
    trade.executed_quantity = D(rest) - 1
    assert str(position.get_quantity()) == "0"


def test_balance_updates_of_the_base_token_count():
    position = make()
    add(position, "3")
    position.add_balance_update_event(balance_update(asset=WETH, quantity=D("-1")))
    position.add_balance_update_event(balance_update(balance_update_id=2, asset=USDC, quantity=D(100)))
    assert position.get_quantity() == 2
    assert position.get_redeemed() == position.get_base_token_balance_update_quantity() == -1
    with pytest.raises(BalanceUpdateEventAlreadyAdded):
        position.add_balance_update_event(balance_update(asset=WETH, quantity=D("-1")))
    assert len(list(position.get_balance_update_events())) == 2


def test_interest_makes_a_short_larger():
    position = make(pair=SHORT, trades={})
    trade = add(make(), "-1")
    position.trades[1] = trade
    position.add_balance_update_event(
        balance_update(asset=SHORT.base, quantity=D("0.01"), cause=BalanceUpdateCause.interest)
    )
    assert position.get_quantity() == D("-1.01")
    assert position.calculate_accrued_interest_quantity(SHORT.base) == D("0.01")
    with pytest.raises(InvalidValue):
        position.calculate_accrued_interest_quantity(USDC)
    with pytest.raises(InvalidValue):
        position.get_redeemed()


def test_a_change_from_outside_is_seen_at_once():
    """Callers assign to fields, and move trades between tables."""
    position = make()
    trade = add(position, "3")
    assert position.get_quantity() == 3
    trade.executed_quantity = D(2)
    assert position.get_quantity() == 2
    position.trades.clear()
    assert position.get_quantity() == 0
    assert position.get_total_bought_usd() == 0


def test_unexecuted_reserve():
    position = make()
    assert position.get_unexecuted_reserve() == 0
    add(position, "1")
    add(position, "2", executed_at=None, failed_at=T0)
    assert position.get_unexecuted_reserve() == 4000
    with pytest.warns(DeprecationWarning, match="use get_unexecuted_reserve"):
        assert position.get_unexeuted_reserve() == 4000


# --- Trades


def test_access_to_trades():
    position = make()
    for method in (position.get_first_trade, position.get_last_trade):
        with pytest.raises(NotAvailable):
            method()
    first, second = add(position, "3"), add(position, "-1", executed_at=None, failed_at=T0)
    assert position.get_first_trade() is first
    assert position.get_last_trade() is second
    assert list(position.get_executed_trades()) == position.get_successful_trades() == [first]
    assert position.get_failed_trades() == [second]
    assert list(position.get_trades_by_strategy_cycle(T0 + 2 * SECOND)) == [second]
    assert position.get_trade_count() == 2
    assert position.has_trade(first)
    assert not make(position_id=2).has_trade(first)
    assert (position.has_buys(), position.has_sells(), position.has_executed_trades()) == (True, True, True)
    assert position.is_reduced()
    waiting = make(pending_trades={5: first})
    assert waiting.get_first_trade() is first


def test_predicates_over_trades():
    position = make()
    trade = add(position, "3")
    assert (position.is_test(), position.is_repaired(), position.has_async_vault_flow()) == (False, False, False)
    trade.flags = {TradeFlag.test_trade}
    trade.repaired_at = T0
    trade.other_data = {"vault_async_flow": True}
    assert (position.is_test(), position.is_repaired(), position.has_async_vault_flow()) == (True, True, True)
    assert not position.has_bad_data_issues()
    trade.planned_mid_price = None
    assert position.has_bad_data_issues()
    assert position.get_last_tx_hash() is None
    trade.blockchain_transactions = [blockchain_transaction()]
    assert position.get_last_tx_hash() == "0x12"


@pytest.mark.parametrize(
    ("kind", "stop", "profit"), [("stop_loss", True, False), ("take_profit", False, True), ("rebalance", False, False)]
)
def test_how_it_was_closed(kind: str, stop: bool, profit: bool):
    position = make()
    assert (position.is_stop_loss(), position.is_take_profit()) == (False, False)
    add(position, "1").trade_type = TradeType[kind]
    assert position.is_stop_loss() is position.is_stop_loss_closed() is stop
    assert position.is_take_profit() is position.is_take_profit_closed() is profit
    assert not position.is_trailing_stop_loss()


def test_triggers():
    position = make()
    assert (position.has_automatic_close(), position.has_trigger_conditions()) == (False, False)
    assert position.get_original_stop_loss() is None
    position.stop_loss = 1900.0
    assert (position.has_automatic_close(), position.has_trigger_conditions()) == (True, True)
    assert position.get_original_stop_loss() == 1900.0
    with pytest.warns(DeprecationWarning, match="use get_original_stop_loss"):
        assert position.get_orignal_stop_loss() == 1900.0
    assert make(take_profit=1.0).has_automatic_close()
    assert make(pending_trades={1: add(make(), "1")}).has_trigger_conditions()


# --- Kinds


@pytest.mark.parametrize(
    ("traded", "predicates"),
    [
        (WETH_USDC, {"is_spot", "is_spot_market", "is_long"}),
        (VAULT, {"is_spot", "is_spot_market", "is_long", "is_vault"}),
        (HYPER_VAULT, {"is_spot", "is_spot_market", "is_long", "is_vault", "is_using_internal_share_price_profit"}),
        (ACCOUNT, {"is_long", "is_exchange_account", "is_using_internal_share_price_profit"}),
        (CREDIT, {"is_credit_supply", "is_loan_based"}),
        (SHORT, {"is_short", "is_leverage", "is_loan_based"}),
        (BRIDGE, set[str]()),
    ],
)
def test_predicates_of_the_instrument(traded: Any, predicates: set[str]):
    """Also without trades, where the reference raises for some."""
    names = (
        "is_spot is_spot_market is_long is_vault is_freqtrade is_exchange_account is_short is_leverage "
        "is_credit_supply is_loan_based is_using_internal_share_price_profit"
    )
    position = make(pair=traded)
    assert {name for name in names.split() if getattr(position, name)()} == predicates


# --- Prices, value, equity


def test_prices_before_and_after_the_first_success():
    position = make()
    for method in (position.get_opening_price, position.get_closing_price, position.get_price_at_open):
        with pytest.raises(NotAvailable):
            method()
    assert (position.get_average_buy(), position.get_average_sell()) == (0.0, 0.0)
    add(position, "1", 1000.0)
    add(position, "-1", 1100.0)
    assert (position.get_opening_price(), position.get_closing_price()) == (1000.0, 1100.0)
    assert position.get_original_planned_price() == 1000.0
    assert (position.get_value_at_open(), position.get_value_at_close(), position.get_max_size()) == (
        1000.0,
        1100.0,
        1000.0,
    )
    assert (position.get_buy_value(), position.get_sell_value()) == (1000.0, 1100.0)
    assert position.get_current_price() == 2000.0
    with pytest.raises(InvalidValue):
        make(pair=CREDIT).get_original_planned_price()


def test_fees_of_all_trades():
    position = make()
    for fees in (1.5, None, [0.5, None, 1.0]):
        add(position, "1", lp_fees_paid=fees)
    assert position.get_total_lp_fees_paid() == 3.0


def test_value_with_given_prices():
    position = make()
    add(position, "2")
    locked = add(position, "1", executed_at=None, executed_quantity=None)
    locked.reserve_currency_allocated = D(2000)
    assert position.calculate_value_using_price(1000.0, 0.5, include_interest=False) == 3000.0
    assert position.calculate_value_using_price(1000.0, 0.5) == 3000.0, "the reference raises without the argument"
    assert position.get_value() == position.get_equity() == 6000.0
    assert position.calculate_quantity_usd_value(D("0.5")) == 1000.0
    assert position.calculate_quantity_usd_value(D(0)) == 0


def test_a_closed_position_has_no_value_but_may_have_dust_equity():
    position = make(closed_at=T0)
    add(position, "0.00000005")
    assert (position.get_value(), position.is_closed(), position.is_open()) == (0.0, True, False)
    assert position.get_equity() == pytest.approx(0.0001)


def test_value_of_loans():
    short = make(pair=SHORT, loan=loan())
    assert short.get_equity() == 0
    assert short.get_value() == short.get_loan_based_nav() == 1000.0
    assert (short.get_borrowed(), short.get_collateral()) == (1000.0, 2000.0)
    supply = make(pair=CREDIT, loan=credit())
    assert supply.get_value() == 1000.0
    assert (supply.get_borrowed(), make().get_borrowed(), make().get_collateral()) == (0.0, 0.0, 0.0)
    assert make(pair=CREDIT).get_value() == 0.0
    with pytest.raises(InvalidValue):
        make().get_loan_based_nav()


def test_value_of_a_bridge_is_gross_and_its_equity_net():
    position = make(pair=BRIDGE, last_token_price=1.0, bridge_capital_allocated=D(4000))
    add(position, "6000", 1.0)
    assert (position.get_value(), position.get_equity()) == (6000.0, 2000.0)
    assert position.get_available_bridge_capital() == 2000
    position.adjust_bridge_capital_allocated(D(-5000))
    assert position.bridge_capital_allocated == -1000
    assert (position.get_total_profit_usd(), position.get_total_profit_percent()) == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["cash", "spot_market_hold_rebalancing_token"])
def test_kinds_without_a_value(kind: str):
    position = make(pair=pair(WETH, USDC, 0.0, 1, kind=TradingPairKind[kind]))
    assert position.get_equity() == 0
    with pytest.raises(UnsupportedPairKind):
        position.get_value()


def test_tokens_the_wallet_must_hold():
    spot = make()
    add(spot, "2")
    assert list(spot.get_held_assets()) == [(WETH, D(2))]
    bridge = make(pair=BRIDGE, last_token_price=1.0)
    add(bridge, "6000", 1.0)
    assert list(bridge.get_held_assets()) == [(FAR_USDC, D(6000))]
    bridge.bridge_capital_allocated = D(6000)
    assert list(bridge.get_held_assets()) == []
    short = make(pair=SHORT, loan=loan())
    assert [held[0].token_symbol for held in short.get_held_assets()] == ["aUSDC", "vWETH"]
    assert [held[0].token_symbol for held in make(pair=CREDIT, loan=credit()).get_held_assets()] == ["aUSDC"]
    for traded in (ACCOUNT, HYPER_VAULT, CREDIT):
        assert list(make(pair=traded).get_held_assets()) == []


def test_revaluation():
    position = make()
    add(position, "2")
    assert position.revalue_base_asset(T0 + DAY, 2100.0) == 4200.0
    assert (position.last_pricing_at, position.last_token_price) == (T0 + DAY, 2100.0)
    short = make(pair=SHORT, loan=loan())
    assert short.revalue_base_asset(T0 + DAY, 1800.0) == 1100.0
    assert short.loan is not None
    assert short.loan.borrowed is not None
    assert short.loan.borrowed.last_usd_price == 1800.0


def test_times_of_a_position():
    position = make()
    assert position.get_last_valued_at() == T0
    position.valuation_updates.append(valuation_update())
    assert position.get_last_valued_at() == valuation_update().valued_at
    assert position.get_last_updated_at() == T0
    position.last_trade_at = T0 + DAY
    assert position.get_last_updated_at() == position.get_profit_timeline_timestamp() == T0 + DAY
    assert make(pair=SHORT, loan=loan()).get_last_valued_at() == loan().collateral_interest.last_updated_at


# --- Closing


@pytest.mark.parametrize(
    ("traded", "left", "closes"),
    [
        (WETH_USDC, "9.9E-8", True),
        (WETH_USDC, "1E-7", False),
        (WETH_USDC, "-5", True),
        (LINK_USDC, "1E-10", True),
        (LINK_USDC, "2E-10", False),
        (VAULT, "9E-7", True),
        (VAULT, "0.000001", False),
        (VAULT, "0.00001", False),
        (HYPER_VAULT, "2.00", True),
        (HYPER_VAULT, "2.01", False),
        (BRIDGE, "0.1", True),
        (BRIDGE, "0.2", False),
        (BRIDGE, "-3", True),
        (ACCOUNT, "-5", False),
    ],
    ids=lambda value: value.base.token_symbol if hasattr(value, "base") else str(value),
)
def test_when_a_position_can_be_closed(traded: Any, left: str, closes: bool):
    position = make(pair=traded, last_token_price=1.0)
    add(position, "10", 1.0)
    add(position, "-1", 1.0).executed_quantity = D(left) - 10
    assert position.can_be_closed() is closes
    position.closed_at = T0
    assert position.can_be_closed() is False


@pytest.mark.parametrize(("left", "closes"), [("0.003", True), ("0.0031", False), ("-1", True)])
def test_when_a_credit_position_can_be_closed(left: str, closes: bool):
    position = make(pair=CREDIT)
    position.trades[1] = add(make(), left)
    assert position.can_be_closed() is closes


def test_a_hypercore_position_in_clean_up_closes_only_when_empty():
    position = make(pair=HYPER_VAULT, last_token_price=1.0)
    add(position, "0.5", 1.0)
    assert position.can_be_closed()
    position.other_data = {"hypercore_small_position_cleanup_pending_redeem": True}
    assert not position.can_be_closed()
    add(position, "-0.5", 1.0)
    assert position.can_be_closed()


# --- Profit, risk, duration


def test_a_short_profits_from_a_falling_price():
    position = make(pair=SHORT, last_token_price=1800.0)
    spot = make()
    position.trades = {1: add(spot, "-1", 2000.0), 2: add(spot, "0.4", 1900.0)}
    assert position.get_realised_profit_usd() == pytest.approx(40.0)
    assert position.get_unrealised_profit_usd() == pytest.approx(120.0)
    assert position.get_total_profit_percent() == pytest.approx(0.08)
    assert position.get_realised_profit_percent() == pytest.approx(0.02)
    assert (position.is_profitable(), position.is_loss()) == (True, False)
    with pytest.raises(UnsupportedPairKind):
        position.get_unrealised_and_realised_profit_percent()


def test_a_position_without_trades_has_no_profit():
    position = make()
    assert position.get_realised_profit_usd() is None
    assert position.get_unrealised_profit_usd() == 0
    assert position.get_total_profit_usd() == 0
    assert position.get_total_profit_percent() == position.get_realised_profit_percent() == 0
    assert (position.is_profitable(), position.is_loss()) == (False, False)
    with pytest.raises(NotAvailable):
        position.get_share_price_profit(end_at=T0 + DAY)
    with pytest.raises(InvalidValue):
        position.get_total_profit_percent(calculation_method="magic")
    with pytest.raises(NotAvailable):
        position.get_total_profit_at_timestamp(T0)


def test_annualised_profit_needs_a_period():
    position = make(last_token_price=2200.0)
    add(position, "1")
    assert position.calculate_total_profit_percent_annualised(T0 + 365 * DAY) == pytest.approx(0.1)
    assert position.calculate_annualised_profit(730 * DAY) == pytest.approx(0.05)
    for end_at in (None, T0):
        with pytest.raises(InvalidValue):
            position.calculate_total_profit_percent_annualised(end_at)
    with pytest.raises(InvalidValue):
        position.calculate_annualised_profit(datetime.timedelta(0))


def test_annualised_profit_of_a_closed_position_ends_with_it():
    """The recorded figure goes on until the end that is asked for, as if the profit had taken that long."""
    position = make(last_token_price=2200.0)
    add(position, "1")
    assert position.get_annualised_profit_percent(T0 + 365 * DAY) == pytest.approx(0.1)
    with pytest.raises(InvalidValue):
        position.get_annualised_profit_percent()
    add(position, "-1", 2200.0)
    position.closed_at = T0 + 365 * DAY
    assert position.get_annualised_profit_percent() == pytest.approx(0.1)
    assert position.get_annualised_profit_percent(T0 + 730 * DAY, "cumulative") == pytest.approx(0.1)
    assert position.calculate_total_profit_percent_annualised(T0 + 730 * DAY) == pytest.approx(1.1**0.5 - 1)


def test_annualised_profit_of_seconds_and_of_a_total_loss():
    """Numbers of E4; the reference raises, or returns a complex number."""
    position = make(last_token_price=1600.0)
    add(position, "2", 1500.0)
    assert position.calculate_total_profit_percent_annualised(T0 + 6 * SECOND) == 100.0
    position = make(pair=SHORT, last_token_price=5000.0)
    position.trades[1] = add(make(), "-1", 2000.0)
    assert position.get_total_profit_percent() == -1.5
    assert position.calculate_total_profit_percent_annualised(T0 + DAY) == -1.0


def test_failed_and_started_trades_are_no_profit():
    """Numbers of E6 and E17: the recorded percentage counts their volume."""
    position = make()
    add(position, "2")
    assert not position.has_realised_profit()
    add(position, "-0.5", 2200.0, executed_at=None, executed_quantity=None, failed_at=T0)
    assert position.is_reduced()
    assert not position.has_realised_profit()
    assert position.get_unrealised_and_realised_profit_percent() == pytest.approx(0.275)
    assert position.get_cost_adjusted_profit_percent() == 0.0
    assert position.get_cost_adjusted_profit_percent(include_unrealised=False) == 0
    assert position.get_cost_adjusted_profit_percent(0.0) == -1.0
    position = make(last_token_price=2200.0)
    add(position, "1")
    add(position, "1", executed_at=None, executed_quantity=None)
    assert position.get_unrealised_and_realised_profit_percent() == pytest.approx(-0.45)
    assert position.get_cost_adjusted_profit_percent() == pytest.approx(0.1)
    add(position, "-1", 2300.0)
    assert position.has_realised_profit()
    assert position.get_cost_adjusted_profit_percent(include_unrealised=False) == pytest.approx(0.15)
    assert position.get_net_profit_usd() == pytest.approx(300.0)
    with pytest.raises(UnsupportedPairKind):
        make(pair=CREDIT).get_cost_adjusted_profit_percent()


def test_net_profit_counts_corrections_and_not_redemptions():
    position = make(last_token_price=18.0)
    add(position, "400", 15.0)
    add(position, "-200", 18.0)
    assert position.get_net_profit_usd() == pytest.approx(position.get_total_profit_usd()) == pytest.approx(1200.0)
    redemption = balance_update(asset=WETH, cause=BalanceUpdateCause.redemption, quantity=D(-100))
    position.add_balance_update_event(redemption)
    assert position.get_net_profit_usd() == pytest.approx(position.get_total_profit_usd()) == pytest.approx(900.0)
    redemption.cause = BalanceUpdateCause.correction
    assert position.get_total_profit_usd() == pytest.approx(900.0), "as recorded: the missing tokens are no loss"
    assert position.get_net_profit_usd() == pytest.approx(900.0 - 1500.0)
    redemption.quantity = D(-200)
    assert position.get_quantity() == 0
    assert position.get_net_profit_usd() == pytest.approx(3600.0 - 6000.0)


def test_net_profit_of_a_frozen_and_of_a_closed_position():
    position = make(last_token_price=2100.0, frozen_at=T0)
    add(position, "2", 2000.0)
    add(position, "-1", 2300.0)
    assert position.get_total_profit_usd() == pytest.approx(100.0), "as recorded: what is frozen has realised nothing"
    assert position.get_net_profit_usd() == pytest.approx(400.0)
    oversold = make(closed_at=T0)
    add(oversold, "1", 2000.0)
    add(oversold, "-1.25", 2100.0)
    assert oversold.get_net_profit_usd() == pytest.approx(oversold.get_total_profit_usd()) == pytest.approx(125.0)


def test_net_profit_of_what_is_known_by_its_value():
    """The recorded profit of a closed account counts a sell that failed."""
    position = make(pair=ACCOUNT, last_token_price=1.0)
    position.share_price_state = PositionInternalSharePriceState.open(1000.0, 1000.0, T0)
    add(position, "1000", 1.0)
    change = balance_update(asset=WETH, cause=BalanceUpdateCause.vault_flow, quantity=D(50))
    position.add_balance_update_event(change)
    assert position.get_net_profit_usd() == position.get_total_profit_usd() == 50.0
    add(position, "-1050", 1.0, executed_at=None, executed_quantity=None, failed_at=T0)
    add(position, "-1050", 1.0)
    position.share_price_state = position.share_price_state.after_trade(-1000.0, 1.05, 1050.0, T0)
    assert position.get_total_profit_usd() == 1100.0
    assert position.get_net_profit_usd() == 50.0
    vault = make(pair=VAULT, last_token_price=1.0)
    add(vault, "1000", 1.0)
    vault.add_balance_update_event(
        balance_update(asset=VAULT.base, cause=BalanceUpdateCause.vault_flow, quantity=D(50))
    )
    assert vault.get_net_profit_usd() == 0.0, "tokens that came in are no profit"


def test_a_bridge_earns_nothing():
    position = make(pair=BRIDGE, last_token_price=1.0)
    add(position, "6000", 1.0)
    assert position.get_unrealised_profit_usd() == 6000.0, "as recorded"
    assert position.get_net_profit_usd() == 0.0


def test_the_net_profit_of_cash_is_not_known():
    with pytest.raises(UnsupportedPairKind):
        make(pair=pair(WETH, USDC, 0.0, 1, kind=TradingPairKind.cash)).get_net_profit_usd()


def test_repaid_interest_of_a_short_counts_once():
    """Worked example: short 1 at 2000 with a fee of 0.3 %, closed with interest at 1800; the reference says 199.794."""
    state = lenders.new_state()
    position, _ = lenders.short(state, "-1", "1000", "1993.99999999999999987509991")
    assert position.get_net_profit_usd() == pytest.approx(-6.0), "the fee"
    at = lenders.START + 10 * DAY
    position.revalue_base_asset(at, 1800.0)
    collateral = D("2996.993999999999999874974911")
    update_leveraged_position_interest(state, position, D("1.002"), collateral, at, 1800.0)
    assert position.get_unrealised_profit_usd() == pytest.approx(199.394)
    assert position.get_net_profit_usd() == pytest.approx(193.394)
    spent = D("1809.027081243731193694055991")
    lenders.short(
        state,
        "1.002",
        "0",
        str(-spent),
        at,
        1800.0,
        str(spent - collateral),
        position=position,
        flags={TradeFlag.close},
    )
    assert position.is_closed()
    assert position.get_realised_profit_usd() == position.get_total_profit_usd() == pytest.approx(199.394)
    assert position.get_realised_profit_usd(include_interest=False) == pytest.approx(200.0)
    assert position.get_realised_profit_percent() == pytest.approx(0.099697)
    assert position.get_net_profit_usd() == pytest.approx(187.966918756269), "what the cash gained"
    assert state.portfolio.get_cash() == pytest.approx(10_187.966918756269)


def test_profit_of_a_credit_supply():
    """Worked example: 4000 and 1000 supplied, interest twice, 2000 recalled, then all."""
    state = lenders.new_state()
    start = lenders.START
    position, _ = lenders.supply(state, "4000")
    update_interest(state, position, lenders.AUSDC, D(4010), start + 30 * DAY, 1.0)
    lenders.supply(state, "1000", start + 30 * DAY, position)
    update_interest(state, position, lenders.AUSDC, D("5020.025"), start + 61 * DAY, 1.0)
    lenders.supply(state, "-2000", start + 61 * DAY, position)
    assert (position.get_net_profit_usd(), position.get_total_profit_usd()) == pytest.approx((20.025, 20.025))
    assert position.estimate_gained_interest("year") == pytest.approx(0.02698840222780246)
    lenders.supply(state, "-3020.025", start + 62 * DAY, position, closing=True)
    assert position.is_closed()
    assert (position.get_net_profit_usd(), position.get_realised_profit_usd()) == pytest.approx((20.025, 20.025))
    assert position.get_realised_profit_percent() == pytest.approx(0.004005)
    assert position.estimate_gained_interest() == pytest.approx(0.004584331337328767)
    assert position.get_annualised_credit_interest() == pytest.approx(0.02947227822580645)
    assert state.portfolio.get_cash() == pytest.approx(10_020.025)


def test_a_correction_of_credit_is_a_loss():
    state = lenders.new_state()
    position, _ = lenders.supply(state, "4000")
    update_interest(state, position, lenders.AUSDC, D(4010), lenders.START + DAY, 1.0)
    assert position.loan is not None
    position.loan.collateral.reset(D(3500))
    position.loan.collateral_interest.reset(D(3500), lenders.START + 2 * DAY, 1)
    position.add_balance_update_event(
        balance_update(balance_update_id=9, asset=lenders.AUSDC, cause=BalanceUpdateCause.correction, quantity=D(-510))
    )
    assert position.get_total_profit_usd() == 0.0, "as recorded"
    assert position.get_net_profit_usd() == pytest.approx(-500.0)


def test_interest_gained_by_a_credit_position():
    position = make(pair=CREDIT, closed_at=T0 + 30 * DAY)
    position.trades[1] = add(make(), "4000", 1.0, claimed_interest=D(10))
    event = balance_update(
        asset=WETH, cause=BalanceUpdateCause.interest, quantity=D(10), old_balance=D(4000),
        previous_update_at=T0, block_mined_at=T0 + 30 * DAY,
    )  # fmt: skip
    position.add_balance_update_event(event)
    yearly = 10 / 4000 * 365 / 30
    assert position.estimate_gained_interest("year") == pytest.approx(yearly)
    assert position.estimate_gained_interest() == pytest.approx(0.0025)
    assert position.get_annualised_credit_interest() == pytest.approx(yearly)
    assert make(pair=CREDIT).estimate_gained_interest() == 0
    position.closed_at = None
    assert position.get_annualised_credit_interest() == 0.0
    with pytest.raises(InvalidValue):
        make().get_annualised_credit_interest()
    with pytest.raises(InvalidValue):
        position.estimate_gained_interest("day")


def test_duration():
    position = make()
    assert position.get_duration() is None
    assert position.get_duration(True, ExecutionMode.backtesting, T0 + DAY) == DAY
    assert (position.get_duration(partial=True) or DAY) > DAY, "the wall clock in live trading"
    with pytest.raises(InvalidValue):
        position.get_duration(True, ExecutionMode.unit_testing)
    position.closed_at = T0 + 2 * DAY
    assert position.get_duration() == position.get_duration(True, ExecutionMode.backtesting) == 2 * DAY


def test_risk_at_open():
    position = make(portfolio_value_at_open=10_000.0)
    assert position.get_loss_risk_at_open() == 0.0
    add(position, "2")
    with pytest.raises(NotAvailable):
        position.get_loss_risk_at_open()
    position.stop_loss = 1900.0
    assert (position.get_loss_risk_at_open(), position.get_loss_risk_at_open_pct()) == (200.0, 0.02)
    assert position.get_capital_tied_at_open_pct() == 0.4
    assert position.get_size_relative_profit_percent() == position.get_size_relative_realised_profit_percent() == 0
    position.portfolio_value_at_open = None
    assert position.get_loss_risk_at_open_pct() == 0
    with pytest.raises(LegacyDataException):
        position.get_capital_tied_at_open_pct()


# --- Labels


def test_labels():
    position = make()
    assert position.get_identifier() == f"{WETH_USDC.pool_address}-1"
    assert position.get_name() == "#1 WETH-USDC"
    assert position.get_human_readable_name() == "Trading position #1 for WETH-USDC"
    assert position.get_quantity_unit_name() == "WETH"


def test_representation_of_every_stage():
    position = make()
    add(position, "2")
    assert repr(position) == "<Open position #1 WETH-USDC $4,000.00>"
    position.frozen_at = T0
    assert repr(position) == "<Frozen position #1 WETH-USDC $4,000.00>"
    position.pending_since_at = T0
    assert repr(position) == "<Pending position #1 WETH-USDC $4,000.00>"
    assert repr(make(closed_at=T0)) == "<Closed position #1 WETH-USDC $0.00>"


def test_summary_for_people():
    position = make(last_token_price=2200.0)
    assert position.get_human_summary()["Entry price"] is None
    add(position, "2")
    summary = position.get_human_summary()
    assert (summary["Position id"], summary["Pair"], summary["Entry price"], summary["Exit price"]) == (
        1,
        "WETH-USDC",
        2000.0,
        None,
    )
    assert summary["PnL %"] == pytest.approx(10.0)
    position.closed_at = T0 + DAY
    assert position.get_human_summary()["Exit price"] == 2000.0


def test_dump_is_cut():
    text = make().get_debug_dump(char_limit=50)
    assert len(text) == 53
    assert text.endswith("...")
    assert "'position_id': 1" in make().get_debug_dump(10**6)


def test_freeze_reason():
    position = make()
    with pytest.raises(WrongPositionStatus):
        position.get_freeze_reason()
    position.frozen_at = T0
    assert position.get_freeze_reason() == "Could not extract freeze reason"
    add(position, "1", blockchain_transactions=[blockchain_transaction()])
    good = blockchain_transaction()
    good.status = True
    add(position, "1", blockchain_transactions=[good])
    assert position.get_freeze_reason() == "TRF"


def test_positions_made_through_a_state_know_their_opening():
    position, _ = Trader(new_state()).plan(WETH_USDC, "1", 2000.0)
    assert (position.opened_at, position.last_pricing_at, position.last_token_price) == (T0, T0, 2000.0)
    assert (position.is_open(), position.is_frozen(), position.is_unfrozen(), position.is_pending()) == (
        True,
        False,
        False,
        False,
    )


def test_the_entry_is_the_first_trade_that_succeeded():
    """The opening price of the reference is that of the first trade, 0 when it failed."""
    state = new_state()
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.start_and_fail(WETH_USDC, "1", 1900.0)
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    assert (position.get_opening_price(), position.get_value_at_open()) == (0.0, 0.0)
    assert (position.get_entry_price(), position.get_entry_value()) == (2000.0, 4000.0)
