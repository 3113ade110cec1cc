"""One trade by itself: constructor rules, status, transitions, amounts, and its place in the execution order."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.kit.samples import SHORT, blockchain_transaction, loan, trade_pricing
from tests.kit.trader import BRIDGE, SECOND, T0, USDC, VAULT, WBTC, WBTC_USDC, WETH, WETH_USDC, pair
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import InvalidTrade, InvalidValue, NotAvailable, WrongTradeStatus
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.trade import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
    TradeExecution,
    TradeFlag,
    TradeStatus,
    TradeType,
    clean_revert_reason_message,
)

D = Decimal
CREDIT = pair(WETH, USDC, 0.0, 201, kind=TradingPairKind.credit_supply)
ACCOUNT = pair(WETH, USDC, None, 202, kind=TradingPairKind.exchange_account)


def make(quantity: Any = "0.5", **changes: Any) -> TradeExecution:
    """A planned WETH trade at 2000; the reserve follows from the quantity."""
    amount = D(quantity)
    return TradeExecution(
        **{
            "trade_id": 11,
            "position_id": 1,
            "trade_type": TradeType.rebalance,
            "pair": WETH_USDC,
            "opened_at": T0,
            "planned_quantity": amount,
            "planned_reserve": abs(amount) * 2000,
            "planned_price": 2000.0,
            "reserve_currency": USDC,
            "flags": set(),
        }
        | changes
    )


def executed(quantity: str = "0.5", price: float = 2000.0, **changes: Any) -> TradeExecution:
    return make(
        quantity,
        **{
            "started_at": T0 + SECOND,
            "broadcasted_at": T0 + 2 * SECOND,
            "executed_at": T0 + 5 * SECOND,
            "executed_quantity": D(quantity),
            "executed_price": price,
            "executed_reserve": abs(D(quantity)) * D(price),
        }
        | changes,
    )


# --- Constructor


@pytest.mark.parametrize(
    "changes",
    [
        {"trade_id": 0},
        {"trade_id": -1},
        {"planned_quantity": D(0)},
        {"planned_quantity": D("1E-18")},
        {"planned_quantity": D("-1E-18")},
        {"planned_quantity": D(0), "pair": BRIDGE},
        {"planned_price": 0},
        {"planned_price": 0.0},
        {"planned_price": -1.0},
        {"planned_price": float("nan")},
        {"planned_price": None},
        {"planned_price": np.float64(2000.0)},
        {"planned_price": D(2000)},
        {"planned_price": True},
        {"planned_reserve": D("-0.01")},
        {"planned_reserve": D(-1), "pair": VAULT},
        {"opened_at": None},
        {"opened_at": T0.replace(tzinfo=datetime.UTC)},
        {"slippage_tolerance": 0.33},
        {"slippage_tolerance": 1.0},
        {"slippage_tolerance": float("nan")},
        {"planned_loan_update": "loan"},
    ],
    ids=str,
)
def test_a_trade_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises((InvalidTrade, InvalidValue)):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"planned_quantity": D("1.1E-18")},
        {"planned_quantity": D(0), "trade_type": TradeType.repair},
        {"planned_quantity": D(0), "pair": CREDIT},
        {"planned_quantity": D(0), "pair": SHORT},
        {"planned_quantity": D(0), "pair": ACCOUNT},
        {"planned_quantity": D(0), "pair": VAULT},
        {"planned_price": 1},
        {"planned_reserve": D(-1), "pair": CREDIT},
        {"planned_reserve": D(-1), "pair": SHORT},
        {"planned_reserve": D(0)},
        {"slippage_tolerance": 0.3299},
        {"slippage_tolerance": -1.0},
        {"slippage_tolerance": 0.0},
        {"planned_loan_update": loan()},
    ],
    ids=str,
)
def test_an_unusual_trade_is_accepted(changes: dict[str, Any]):
    trade = make(**changes)
    for name, value in changes.items():
        assert getattr(trade, name) == value
    assert TradeExecution.from_json(trade.to_json()).to_json() == trade.to_json()


def test_a_trade_is_its_id():
    assert make() == make("-3")
    assert make() != make(trade_id=12)
    assert len({make(), make("7"), make(trade_id=12)}) == 2
    assert make() != 11
    assert make().strategy_cycle_at == T0
    with pytest.raises(AttributeError):
        make().strategy_cycle_at = T0  # type: ignore[misc]


def test_callers_may_set_attributes_of_their_own():
    anything: Any = make()
    anything.txid = "0x1"
    assert anything.txid == "0x1"


# --- Status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("", "planned"),
        ("expired_at", "expired"),
        ("started_at", "started"),
        ("started_at expired_at", "started"),
        ("started_at broadcasted_at", "broadcasted"),
        ("broadcasted_at expired_at", "broadcasted"),
        ("broadcasted_at cctp_in_transit_at", "cctp_in_transit"),
        ("cctp_in_transit_at vault_settlement_pending_at", "vault_settlement_pending"),
        ("vault_settlement_pending_at executed_at", "success"),
        ("started_at broadcasted_at executed_at", "success"),
        ("executed_at failed_at", "failed"),
        ("started_at failed_at", "failed"),
        ("failed_at repaired_at", "repaired"),
        ("failed_at repaired_at executed_at", "repaired"),
        ("repaired_trade_id", "success"),
        ("failed_at repaired_at repaired_trade_id", "success"),
    ],
)
def test_the_status_follows_from_the_times(fields: str, status: str):
    trade = make(**{name: 3 if name == "repaired_trade_id" else T0 for name in fields.split()})
    assert trade.get_status() is TradeStatus[status]
    flight = status in ("started", "broadcasted")
    assert trade.is_pending() is flight
    assert trade.is_unfinished() is (status == "broadcasted")
    assert trade.is_planned() is (status == "planned")
    assert trade.is_started() is (status == "started")
    assert trade.is_accounted_for_equity() is (flight or status == "success")


def test_derived_predicates_of_failure_and_repair():
    failed, repaired, counter = make(failed_at=T0), make(failed_at=T0, repaired_at=T0), make(repaired_trade_id=3)
    assert [t.is_failed() for t in (failed, repaired, counter)] == [True, False, False]
    assert [t.is_repair_needed() for t in (failed, repaired, counter)] == [True, False, False]
    assert [t.is_repaired() for t in (failed, repaired, counter)] == [False, True, False]
    assert [t.is_repair_trade() for t in (failed, repaired, counter)] == [False, False, True]
    assert make(flags={TradeFlag.missing_position_repair}).is_repair_trade()
    assert [t.is_missing_blockchain_transactions() for t in (failed, repaired, counter)] == [False, False, True]
    assert not make(blockchain_transactions=[BlockchainTransaction()]).is_missing_blockchain_transactions()


def test_success_is_wider_than_the_status():
    repaired = executed(failed_at=T0, repaired_at=T0)
    assert repaired.is_success()
    assert repaired.is_executed()
    assert repaired.get_status() is TradeStatus.repaired


@pytest.mark.parametrize("kind", ["stop_loss", "take_profit", "rebalance", "accounting_correction", "flexible_trigger"])
def test_predicates_of_purpose(kind: str):
    trade = make(trade_type=TradeType[kind])
    assert trade.is_stop_loss() is (kind == "stop_loss")
    assert trade.is_take_profit() is (kind == "take_profit")
    assert trade.is_rebalance() is (kind == "rebalance")
    assert trade.is_accounting_correction() is (kind == "accounting_correction"), "broken in the reference"
    assert trade.is_triggered() is (kind in ("stop_loss", "take_profit"))


def test_predicates_of_flags_work_without_flags():
    """The reference raises TypeError for a trade made by hand."""
    for flags in (None, set[TradeFlag]()):
        trade = make(flags=flags)
        assert (trade.is_test(), trade.is_partial_take_profit(), trade.is_repair_trade()) == (False, False, False)
    assert make(flags={TradeFlag.test_trade}).is_test()
    assert make(flags={TradeFlag.partial_take_profit}).is_partial_take_profit()


@pytest.mark.parametrize(("quantity", "buy"), [("0.5", True), ("-0.5", False)])
def test_direction(quantity: str, buy: bool):
    assert (make(quantity).is_buy(), make(quantity).is_sell()) == (buy, not buy)
    assert make(quantity).get_sign() == (1 if buy else -1)


def test_a_zero_quantity_counts_as_a_sell():
    trade = make(planned_quantity=D(0), pair=VAULT)
    assert (trade.is_buy(), trade.is_sell(), trade.get_sign()) == (False, True, -1)


@pytest.mark.parametrize(
    ("traded", "predicates"),
    [
        (WETH_USDC, {"is_spot"}),
        (VAULT, {"is_spot", "is_vault"}),
        (CREDIT, {"is_credit_based", "is_credit_supply"}),
        (SHORT, {"is_leverage", "is_credit_based", "is_short"}),
        (ACCOUNT, set[str]()),
        (BRIDGE, set[str]()),
        (pair(WETH, USDC, 0.0, 1, kind=TradingPairKind.freqtrade), {"is_spot"}),
    ],
    ids=lambda value: value.kind.value if hasattr(value, "kind") else "",
)
def test_predicates_of_the_instrument(traded: Any, predicates: set[str]):
    names = ("is_spot", "is_vault", "is_leverage", "is_credit_based", "is_credit_supply", "is_short", "is_long")
    trade = make(pair=traded)
    assert {name for name in names if getattr(trade, name)()} == predicates


@pytest.mark.parametrize(
    ("traded", "quantity", "reduces"),
    [
        (WETH_USDC, 1, False),
        (WETH_USDC, -1, True),
        (VAULT, -1, True),
        (SHORT, 1, True),
        (SHORT, -1, False),
        (BRIDGE, -1, False),
        (ACCOUNT, -1, False),
    ],
)
def test_what_makes_a_position_smaller(traded: Any, quantity: int, reduces: bool):
    assert make(quantity, pair=traded).is_reduce() is reduces


# --- Transitions


def test_the_life_of_a_trade():
    trade = make(started_at=T0)
    trade.mark_broadcasted(T0 + SECOND)
    assert trade.broadcasted_at == T0 + SECOND
    trade.reserve_currency_allocated = D(1000)
    trade.mark_success(T0 + 2 * SECOND, 1990.0, D("0.49"), D(990), 1.5, 3000.0, cost_of_gas=D("0.01"))
    assert trade.get_status() is TradeStatus.success
    assert (trade.executed_at, trade.executed_price, trade.executed_quantity) == (T0 + 2 * SECOND, 1990.0, D("0.49"))
    assert (trade.executed_reserve, trade.lp_fees_paid, trade.native_token_price) == (D(990), 1.5, 3000.0)
    assert (trade.cost_of_gas, trade.reserve_currency_allocated) == (D("0.01"), 0)


@pytest.mark.parametrize("status", ["started_at", "broadcasted_at"])
def test_failure(status: str):
    trade = make(**{status: T0})
    trade.mark_failed(T0 + SECOND)
    assert (trade.failed_at, trade.get_status()) == (T0 + SECOND, TradeStatus.failed)


def test_expiry():
    trade = make()
    trade.mark_expired(T0)
    assert trade.get_status() is TradeStatus.expired


def succeed(trade: TradeExecution) -> None:
    trade.mark_success(T0, 1.0, D(1), D(1), 0.0, 1.0)


@pytest.mark.parametrize(
    ("transition", "allowed"),
    [
        (lambda t: t.mark_broadcasted(T0), {"started"}),
        (succeed, {"broadcasted"}),
        (lambda t: t.mark_failed(T0), {"started", "broadcasted"}),
        (lambda t: t.mark_expired(T0), {"planned"}),
    ],
    ids=["broadcast", "succeed", "fail", "expire"],
)
@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("planned", ""),
        ("started", "started_at"),
        ("broadcasted", "broadcasted_at"),
        ("success", "executed_at"),
        ("failed", "failed_at"),
        ("expired", "expired_at"),
        ("repaired", "repaired_at"),
        ("cctp_in_transit", "cctp_in_transit_at"),
        ("vault_settlement_pending", "vault_settlement_pending_at"),
    ],
)
def test_which_transition_is_allowed_from_which_status(
    transition: Callable[[TradeExecution], None], allowed: set[str], status: str, fields: str
):
    trade = make(**dict.fromkeys(fields.split(), T0))
    assert trade.get_status().value == status
    if status in allowed:
        transition(trade)
        assert trade.get_status().value != status
        return
    before = trade.to_json()
    with pytest.raises(WrongTradeStatus) as error:
        transition(trade)
    assert (error.value.trade_id, error.value.status) == (11, trade.get_status())
    assert trade.to_json() == before


def test_rebroadcasting_and_forcing_skip_the_check():
    trade = make(broadcasted_at=T0)
    trade.mark_broadcasted(T0 + SECOND, rebroadcast=True)
    assert trade.broadcasted_at == T0 + SECOND
    planned = make()
    planned.mark_success(T0, 1.0, D(0), D(0), 0.0, 1.0, force=True)
    assert planned.is_success()


def test_transactions_are_attached_once():
    trade = make()
    txs = [BlockchainTransaction()]
    trade.set_blockchain_transactions(txs)
    assert trade.blockchain_transactions is txs
    with pytest.raises(WrongTradeStatus):
        trade.set_blockchain_transactions([])


def test_notes_are_lines():
    trade = make()
    for line in ("one", "", None, "two"):
        trade.add_note(line)
    assert trade.notes == "one\ntwo\n"


# --- Amounts


def test_amounts_of_a_planned_trade():
    trade = make("-0.5", planned_collateral_allocation=D("1.5"))
    assert trade.get_position_quantity() == D("-0.5")
    assert trade.get_planned_reserve() == 1000
    assert trade.get_planned_value() == 1000.0
    assert trade.get_executed_value() == trade.get_value() == 0.0
    assert trade.get_volume() == 0
    assert trade.get_equity_for_position() == 0
    assert trade.get_allocated_value() is None
    assert trade.get_raw_planned_reserve() == 1_000_000_000
    assert trade.get_raw_planned_quantity() == -5 * 10**17
    assert trade.get_planned_collateral_allocation() == D("1.5")
    assert trade.get_raw_planned_collateral_allocation() == 1_500_000
    with pytest.raises(NotAvailable):
        make().get_raw_planned_collateral_allocation()


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, 0.0),
        ({"started_at": T0}, 1000.0),
        ({"failed_at": T0}, 1000.0),
        ({"started_at": T0, "failed_at": T0, "repaired_at": T0}, 0.0),
        ({"expired_at": T0}, 0.0),
    ],
)
def test_the_value_of_a_trade_that_was_not_executed(changes: dict[str, Any], value: float):
    assert make(**changes).get_value() == value


def test_amounts_of_an_executed_trade():
    trade = executed("-0.5", 1900.0)
    assert trade.get_position_quantity() == trade.get_equity_for_position() == D("-0.5")
    assert trade.get_value() == trade.get_volume() == trade.get_executed_value() == 950.0
    assert trade.get_settled_reserve() == 950
    assert trade.get_reserve_quantity() == D("-0.5"), "the odd figure of the reference"
    assert trade.get_decision_lag() == trade.get_execution_lag() == SECOND
    assert trade.get_settlement_lag() == 4 * SECOND


@pytest.mark.parametrize("changes", [{"repaired_trade_id": 3}, {"repaired_at": T0}])
def test_repairs_move_nothing(changes: dict[str, Any]):
    trade = executed(**changes)
    assert trade.get_position_quantity() == trade.get_reserve_quantity() == trade.get_settled_reserve() == 0


@pytest.mark.parametrize(
    ("changes", "locked"),
    [
        ({}, 0),
        ({"started_at": T0, "reserve_currency_allocated": D(900)}, 900),
        ({"broadcasted_at": T0, "reserve_currency_allocated": D(900)}, 900),
        ({"broadcasted_at": T0, "bridge_currency_allocated": D(800)}, 800),
        ({"executed_at": T0, "reserve_currency_allocated": D(900)}, 0),
        ({"failed_at": T0, "reserve_currency_allocated": D(900)}, 0),
        ({"started_at": T0, "reserve_currency_allocated": D(900), "planned_quantity": D(-1)}, 0),
        ({"started_at": T0, "reserve_currency_allocated": D(900), "other_data": {"vault_async_flow": True}}, 0),
    ],
)
def test_capital_locked_in_a_buy(changes: dict[str, Any], locked: int):
    assert make(**changes).get_equity_for_reserve() == locked


def test_what_an_asynchronous_vault_was_asked_for():
    trade = make("-1000", pair=VAULT)
    assert trade.get_vault_settlement_request_quantity() == -1000
    assert trade.get_vault_settlement_request_reserve() == trade.planned_reserve
    trade.other_data = {VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY: "-900", VAULT_SETTLEMENT_REQUEST_RESERVE_KEY: 1100.5}
    assert trade.get_vault_settlement_request_quantity() == -900
    assert trade.get_vault_settlement_request_reserve() == D("1100.5")
    assert not trade.is_vault_settlement_in_flight()
    for changes in ({"vault_settlement_pending_at": T0}, {"started_at": T0, "other_data": {"vault_async_flow": True}}):
        assert make(pair=VAULT, **changes).is_vault_settlement_in_flight()


def test_interest_of_a_trade():
    assert (make().get_claimed_interest(), make().get_repaid_interest()) == (0.0, 0.0)
    trade = executed(claimed_interest=D(10), paid_interest=D("0.1"), reserve_currency_exchange_rate=1.5)
    assert trade.get_claimed_interest() == 15.0
    assert trade.get_repaid_interest() == 200.0
    assert executed(claimed_interest=D(10)).get_claimed_interest() == 10.0
    with pytest.raises(NotAvailable):
        make(paid_interest=D(1)).get_repaid_interest()


def test_loan_changes_of_a_trade():
    trade = make(pair=CREDIT, executed_reserve=D(5))
    assert trade.get_expected_borrow_quantity_change() == D("0.5")
    assert trade.get_expected_collateral_quantity_change() == 1000
    assert (trade.get_credit_supply_reserve_change(), make().get_credit_supply_reserve_change()) == (5, None)
    with pytest.raises(InvalidTrade):
        make().get_expected_borrow_quantity_change()
    with pytest.raises(InvalidTrade):
        make().get_expected_collateral_quantity_change()


@pytest.mark.parametrize(("fees", "expected"), [(None, 0), (0.0, 0), (1.5, 1.5), ([1.0, None], [1.0, None])])
def test_fees_of_a_finished_trade(fees: Any, expected: Any):
    assert executed(lp_fees_paid=fees).get_fees_paid() == expected
    assert make(failed_at=T0, lp_fees_paid=fees).get_fees_paid() == 0
    for changes in ({}, {"started_at": T0}, {"expired_at": T0}, {"failed_at": T0, "repaired_at": T0}):
        with pytest.raises(WrongTradeStatus):
            make(lp_fees_paid=fees, **changes).get_fees_paid()


@pytest.mark.parametrize(
    ("gas", "price", "usd"),
    [
        (None, 3000.0, None),
        (D("0.002"), None, None),
        (D("0.002"), 0.0, None),
        (D("0.002"), -1.0, None),
        (D("0.002"), 3000.0, 6.0),
    ],
)
def test_cost_of_gas(gas: Decimal | None, price: float | None, usd: float | None):
    assert make(cost_of_gas=gas, native_token_price=price).get_cost_of_gas_usd() == usd


def test_slippage_has_the_sign_of_the_reference_and_cost_has_one_sign():
    """A worse price is a positive slippage of a buy, a negative one of a sell; a positive cost of both."""
    buy, sell = executed("1", 2020.0), executed("-1", 1980.0)
    assert buy.get_slippage() == pytest.approx(0.01)
    assert sell.get_slippage() == pytest.approx(-0.01)
    assert buy.get_execution_cost() == sell.get_execution_cost() == pytest.approx(0.01)
    with pytest.raises(WrongTradeStatus):
        make().get_slippage()


def test_token_tax():
    assert make().get_token_tax_paid() == 0
    assert make(price_structure=trade_pricing()).get_token_tax_paid() == 0.1
    assert make(price_structure=trade_pricing(), pair=CREDIT).get_token_tax_paid() == 0


def test_lags_before_the_start():
    assert make().get_execution_lag() is None
    assert make().get_settlement_lag() is None
    with pytest.raises(NotAvailable):
        make().get_decision_lag()


def test_tokens_of_a_spot_trade():
    assert (make().get_input_asset(), make().get_output_asset()) == (USDC, WETH)
    assert (make("-1").get_input_asset(), make("-1").get_output_asset()) == (WETH, USDC)
    with pytest.raises(InvalidTrade):
        make(pair=CREDIT).get_input_asset()


# --- Asset deltas (E28)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"slippage_tolerance": 0.01}, [-1_000_000_000, 494_999_999_999_999_995], id="buy"),
        pytest.param(
            {
                "pair": WBTC_USDC,
                "planned_quantity": D(1000) / D(61234.5),
                "planned_price": 61234.5,
                "slippage_tolerance": 0.005,
            },
            [-1_000_000_000, 1_624_900],
            id="buy for money",
        ),
        pytest.param(
            {
                "planned_quantity": D("-0.5"),
                "planned_reserve": D(1005),
                "planned_price": 2010.0,
                "slippage_tolerance": 0.02,
            },
            [-500_000_000_000_000_000, 984_899_999],
            id="sell",
        ),
        pytest.param({"slippage_tolerance": 0.0}, [-1_000_000_000, 5 * 10**17], id="no slippage"),
        pytest.param(
            {"pair": CREDIT, "planned_quantity": D(1000), "slippage_tolerance": 0.0},
            [-1_000_000_000, 1000 * 10**18],
            id="supply",
        ),
        pytest.param(
            {"pair": CREDIT, "planned_quantity": D(-1000)},
            [-1000 * 10**18, 1_000_000_000],
            id="recall, no tolerance set",
        ),
    ],
)
def test_what_a_trade_may_spend_and_must_receive(changes: dict[str, Any], expected: list[int]):
    trade = make(**changes)
    deltas = trade.calculate_asset_deltas()
    assert [delta.raw_amount for delta in deltas] == expected
    spent, received = (USDC, trade.pair.base) if trade.is_buy() else (trade.pair.base, USDC)
    assert [delta.asset for delta in deltas] == [spent.address, received.address]


def test_the_quantity_of_e28_has_28_digits():
    assert str(D(1000) / D(61234.5)) == "0.01633066326988870652981570846"
    assert WBTC.decimals == 8


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slippage_tolerance": -0.01},
        {"slippage_tolerance": 0.01, "planned_reserve": D(0)},
        {"slippage_tolerance": 0.01, "planned_quantity": D(0), "pair": VAULT},
        {"pair": CREDIT, "planned_quantity": D(999), "slippage_tolerance": 0.0},
        {"pair": CREDIT, "planned_quantity": D(0), "planned_reserve": D(0), "slippage_tolerance": 0.0},
    ],
    ids=str,
)
def test_a_trade_that_cannot_say_what_it_moves(changes: dict[str, Any]):
    with pytest.raises(InvalidTrade):
        make(**changes).calculate_asset_deltas()


# --- Execution order (E27)


@pytest.mark.parametrize(
    ("quantity", "changes", "place"),
    [
        (-1, {"pair": CREDIT, "flags": {TradeFlag.close}}, -200_000_011),
        (-1, {"closing": True, "flags": {TradeFlag.close}}, -100_000_011),
        (-1, {"pair": VAULT, "closing": True}, -100_000_011),
        (-1, {"pair": VAULT}, -50_000_011),
        (-1, {}, -40_000_011),
        (-1, {"flags": {TradeFlag.close}}, -40_000_011),
        (1, {"pair": SHORT}, -40_000_011),
        (-1, {"pair": BRIDGE}, -30_000_011),
        (-1, {"pair": BRIDGE, "closing": True}, -30_000_011),
        (1, {"pair": BRIDGE}, -20_000_011),
        (1, {}, 11),
        (-1, {"pair": SHORT}, 11),
        (1, {"pair": CREDIT}, 11),
        (-1, {"pair": CREDIT}, 11),
        (1, {"flags": None}, 11),
        (1, {"pair": VAULT}, 50_000_011),
        (1, {"pair": CREDIT, "flags": {TradeFlag.open}}, 200_000_011),
    ],
    ids=str,
)
def test_the_place_in_the_execution_order(quantity: int, changes: dict[str, Any], place: int):
    assert make(quantity, **changes).get_execution_sort_position() == place


def test_trades_of_an_exchange_account_have_a_place_and_a_label():
    """The reference raises for both."""
    trade = make(pair=ACCOUNT)
    assert trade.get_execution_sort_position() == 11
    assert "WETH" in repr(trade)


# --- Labels and diagnostics


@pytest.mark.parametrize(
    ("quantity", "changes", "verb"),
    [
        (1, {}, "Buy"),
        (-1, {}, "Sell"),
        (1, {"pair": VAULT}, "Buy"),
        (1, {"pair": BRIDGE}, "Bridge out"),
        (-1, {"pair": BRIDGE}, "Bridge back"),
        (-1, {"pair": SHORT}, "Increase short"),
        (1, {"pair": SHORT}, "Reduce short"),
        (1, {"pair": SHORT, "closing": True}, "Close short"),
        (1, {"pair": CREDIT}, "Supply credit"),
        (-1, {"pair": CREDIT}, "Recall credit"),
    ],
)
def test_verbs(quantity: int, changes: dict[str, Any], verb: str):
    trade = make(quantity, **changes)
    assert trade.get_action_verb() == verb
    base = "WETH" if trade.pair is SHORT else trade.pair.base.token_symbol
    assert trade.get_short_label() == f"{verb} {base} #11"
    assert verb in repr(trade)


def test_descriptions():
    assert make().get_human_description() == "Buy 0.5 WETH <id:None> at 2000.0"
    assert make("-0.5").get_human_description() == "Sell 0.5 WETH <id:None> at 2000.0"
    assert "'planned_reserve': '1000.0'" in make().pretty_print()
    assert make().get_debug_dump() == make().pretty_print()


def test_why_a_trade_failed():
    assert make().get_failed_transaction() is None
    assert make().get_revert_reason() is None
    assert make(other_data={"hypercore_failure_diagnosis": "stuck"}).get_revert_reason() == "stuck"
    good, bad, open_ = blockchain_transaction(), blockchain_transaction(), blockchain_transaction()
    good.status, bad.status, open_.status = True, False, None
    trade = make(blockchain_transactions=[good, bad, open_])
    assert trade.get_failed_transaction() is open_
    assert trade.get_reverted_transaction() is bad
    trade.blockchain_transactions = [bad, good]
    assert trade.get_failed_transaction() is bad
    assert trade.get_revert_reason() == "TRF"


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        (None, ""),
        ("", ""),
        ("plain", "plain"),
        ("frame \x13reason\x00\x00", "reason"),
        ("frame \x13reason", "reason"),
    ],
)
def test_the_frame_around_a_revert_reason_is_removed(message: str | None, clean: str):
    """The reference cuts the last character of a reason without padding."""
    assert clean_revert_reason_message(message) == clean


def test_the_highest_gas_price():
    with pytest.raises(NotAvailable):
        make().get_planned_max_gas_price()
    assert make(blockchain_transactions=[blockchain_transaction()]).get_planned_max_gas_price() == 30_000_000_000


def test_decision_of_the_yield_manager():
    assert make(other_data={"yield_decision": 5}).get_yield_decision() == 5
    assert make(other_data=None).get_yield_decision() is None
