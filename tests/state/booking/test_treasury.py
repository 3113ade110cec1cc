"""Money that comes and goes without a trade."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.kit.trader import (
    ACCOUNT,
    CREDIT,
    DAY,
    LINK_USDC,
    T0,
    USDC,
    WETH,
    WETH_USDC,
    Trader,
    asset,
    cash_of,
    new_state,
    pair,
)
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.balance_update import BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.booking.reserve_updates import ReserveUpdateEvent, apply_reserve_update_events
from tradeexecutor.state.booking.share_price import backfill_share_price_state, migrate_share_price_state
from tradeexecutor.state.booking.treasury import (
    EventOrigin,
    book_position_correction,
    book_reserve_correction,
    book_reserve_flow,
    book_vault_flow,
    book_vault_settlement,
    redeem_in_kind,
)
from tradeexecutor.state.errors import (
    InvalidValue,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
    TradeExecutorError,
    UnsupportedPairKind,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType

D = Decimal
ORIGIN = EventOrigin(T0 + DAY, T0 + 2 * DAY, block_number=7, tx_hash="0xabc", log_index=3, owner_address="0x01")
BRIDGE = pair(asset("USDC", 6, 33, 8453), USDC, None, 133, kind=TradingPairKind.cctp_bridge)


def execute(state: State, trade: TradeExecution, at: datetime.datetime = T0) -> None:
    state.start_execution(at, trade)
    state.mark_broadcasted(at, trade)
    state.mark_trade_success(
        at, trade, float(trade.planned_price), trade.planned_quantity, trade.planned_reserve, 0.0, 1.0
    )


def credit(state: State, amount: str) -> TradingPosition:
    position, trade, _ = state.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, D(amount))
    execute(state, trade)
    return position


def account(state: State, amount: str) -> TradingPosition:
    position, trade, _ = state.create_trade(T0, ACCOUNT, None, D(amount), 1.0, TradeType.rebalance, USDC, 1.0)
    execute(state, trade)
    return position


# --- Cash


def test_the_first_deposit_makes_the_reserve():
    state = State()
    event = book_reserve_flow(state, USDC, D("1000.5"), ORIGIN)
    reserve = state.portfolio.get_default_reserve_position()
    assert reserve.quantity == reserve.initial_deposit == D("1000.5")
    assert (reserve.reserve_token_price, reserve.last_sync_at) == (1.0, T0 + 2 * DAY)
    assert (event.balance_update_id, event.cause, event.old_balance) == (1, BalanceUpdateCause.deposit, 0)
    assert event.position_type is BalanceUpdatePositionType.reserve
    assert (event.block_mined_at, event.strategy_cycle_included_at) == (T0 + DAY, T0 + 2 * DAY)
    assert (event.block_number, event.tx_hash, event.log_index) == (7, "0xabc", "0x3")
    (reference,) = state.sync.treasury.balance_update_refs
    assert (reference.balance_event_id, reference.usd_value) == (1, 1000.5)
    assert state.portfolio.next_balance_update_id == 2


def test_a_redemption_is_negative_in_tokens_and_dollars():
    state = State()
    book_reserve_flow(state, USDC, D(1000), ORIGIN)
    event = book_reserve_flow(state, USDC, D(-300), ORIGIN)
    assert (event.cause, event.quantity, event.usd_value) == (BalanceUpdateCause.redemption, -300, -300.0)
    assert (event.old_balance, cash_of(state)) == (1000, 700)
    assert state.portfolio.get_default_reserve_position().initial_deposit == 1000


def test_a_settlement_counts_the_shares():
    state = new_state(1000)
    event = book_vault_settlement(state, USDC, D(-100), ORIGIN, share_count=D(850))
    assert event.cause is BalanceUpdateCause.deposit_and_redemption
    assert (cash_of(state), state.sync.treasury.share_count) == (900, 850)
    assert event.get_share_count() == "850"


def test_a_settlement_may_net_to_nothing():
    state = new_state(1000)
    book_vault_settlement(state, USDC, D(0), ORIGIN, share_count=D(900))
    assert (cash_of(state), state.sync.treasury.share_count) == (1000, 900)


def test_a_correction_is_no_deposit():
    state = new_state(1000)
    event = book_reserve_correction(state, USDC, D("-0.5"), ORIGIN)
    assert (event.cause, cash_of(state)) == (BalanceUpdateCause.correction, D("999.5"))
    assert not state.sync.treasury.balance_update_refs
    assert [ref.balance_event_id for ref in state.sync.accounting.balance_update_refs] == [1]


def test_balances_read_from_outside_become_flows():
    state = new_state(1000)
    events = [
        ReserveUpdateEvent(USDC, T0, T0, D(1000), D(700)),
        ReserveUpdateEvent(USDC, T0, T0, D(700), D(700)),
        ReserveUpdateEvent(USDC, T0, T0, D(700), D(750), block_number=9),
    ]
    booked = apply_reserve_update_events(state, events)
    assert [(event.old_balance, event.quantity, event.block_number) for event in booked] == [
        (1000, -300, None),
        (700, 50, 9),
    ]
    assert cash_of(state) == 750


def test_balances_that_do_not_continue_the_record_are_refused_as_a_whole():
    state = new_state(1000)
    before = state.to_json()
    events = [
        ReserveUpdateEvent(USDC, T0, T0, D(1000), D(700)),
        ReserveUpdateEvent(USDC, T0, T0, D(690), D(750)),
    ]
    with pytest.raises(InvalidValue, match="recorded is 700"):
        apply_reserve_update_events(state, events)
    assert state.to_json() == before


# --- Positions


def test_a_redemption_in_kind_takes_tokens_and_leaves_the_cash():
    state = new_state(20_000)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    position, _ = trader.buy(LINK_USDC, "400", 15.0)
    event = redeem_in_kind(state, position, D(100), ORIGIN)
    assert (event.quantity, event.old_balance, event.usd_value, event.position_id) == (-100, 400, -1500.0, 1)
    assert (position.get_quantity(), cash_of(state)) == (300, 14_000)
    assert state.portfolio.calculate_total_equity() == 18_500.0
    assert [ref.position_id for ref in state.sync.treasury.balance_update_refs] == [1]


def test_a_redemption_of_everything_leaves_the_position_open():
    state = new_state(20_000)
    position, _ = Trader(state, lp_fees=0.0, price_impact=1.0).buy(LINK_USDC, "400", 15.0)
    redeem_in_kind(state, position, D(400), ORIGIN)
    assert position.is_open()
    assert position.can_be_closed()


@pytest.mark.parametrize("book", [redeem_in_kind, book_position_correction])
@pytest.mark.parametrize("amounts", [["1E-18"], ["9E-19", "1E-18"], ["1E-19"] * 12, ["1E-18", "0.5", "1E-18"]])
def test_an_amount_of_dust_counts_from_the_first_on(
    book: Callable[[State, TradingPosition, Decimal, EventOrigin], object], amounts: list[str]
):
    state = new_state(10_000)
    position, _ = Trader(state).buy(WETH_USDC, "2", 1000.0)
    expected = position.get_quantity()
    for amount in amounts:
        book(state, position, D(amount), ORIGIN)
        expected += D(amount) if book is book_position_correction else -D(amount)
        assert position.get_quantity() == expected
        (finding,) = [item for item in prove(state).findings if item.position_id == position.position_id]
        assert (finding.verdict, finding.recorded) == (Verdict.balanced, expected)
    loaded = State.from_json(state.to_json())
    assert loaded.portfolio.open_positions[position.position_id].get_quantity() == expected


def test_a_redemption_of_lent_capital_shrinks_the_loan():
    state = new_state(10_000)
    position = credit(state, "4000")
    redeem_in_kind(state, position, D(401), ORIGIN)
    assert position.loan is not None
    assert (position.loan.collateral.quantity, position.loan.get_collateral_quantity()) == (3599, 3599)
    assert position.get_quantity() == 3599
    assert state.portfolio.get_net_asset_value() == 9599.0


def test_value_gained_by_an_exchange_account_moves_its_share_price():
    state = new_state(1000)
    position = account(state, "500")
    assert (cash_of(state), position.get_value()) == (500, 500.0)
    book_vault_flow(state, position, D(50), ORIGIN)
    assert position.share_price_state is not None
    assert position.share_price_state.current_share_price == 1.1
    assert position.get_total_profit_usd() == pytest.approx(50.0)
    assert [ref.cause for ref in state.sync.accounting.balance_update_refs] == [BalanceUpdateCause.vault_flow]


def test_capital_comes_back_from_an_exchange_account():
    state = new_state(1000)
    position = account(state, "500")
    book_vault_flow(state, position, D(50), ORIGIN)
    _, trade, created = state.create_trade(T0, ACCOUNT, D(-550), None, 1.0, TradeType.rebalance, USDC, 1.0)
    assert not created
    execute(state, trade)
    assert cash_of(state) == 1050
    assert position.is_closed()
    assert position.get_total_profit_usd() == pytest.approx(50.0)


def test_a_correction_changes_what_a_position_holds():
    state = new_state(20_000)
    position, _ = Trader(state, lp_fees=0.0, price_impact=1.0).buy(LINK_USDC, "400", 15.0)
    book_position_correction(state, position, D("-0.25"), ORIGIN)
    assert position.get_quantity() == D("399.75")
    assert state.portfolio.calculate_total_equity() == 20_000 - 0.25 * 15


def test_a_correction_of_lent_capital_changes_the_loan():
    state = new_state(10_000)
    position = credit(state, "4000")
    book_position_correction(state, position, D(-500), ORIGIN)
    assert (position.get_quantity(), position.get_value()) == (3500, 3500.0)


# --- Refused, and nothing has changed


def closed_position(state: State) -> TradingPosition:
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    trader.sell(WETH_USDC, "1", 2000.0)
    return position


def link(state: State) -> TradingPosition:
    return Trader(state, lp_fees=0.0, price_impact=1.0).buy(LINK_USDC, "10", 15.0)[0]


def bridge(state: State) -> TradingPosition:
    position, trade, _ = state.create_trade(T0, BRIDGE, None, D(100), 1.0, TradeType.rebalance, USDC, 1.0)
    execute(state, trade)
    return position


AWARE = EventOrigin(T0.replace(tzinfo=datetime.UTC))
REFUSED: dict[str, tuple[type[TradeExecutorError], Callable[[State], object]]] = {
    "a deposit of nothing": (InvalidValue, lambda s: book_reserve_flow(s, USDC, D(0), ORIGIN)),
    "an infinite deposit": (InvalidValue, lambda s: book_reserve_flow(s, USDC, D("Infinity"), ORIGIN)),
    "a deposit in floats": (InvalidValue, lambda s: book_reserve_flow(s, USDC, 1.5, ORIGIN)),  # type: ignore[arg-type]
    "a deposit without a price": (InvalidValue, lambda s: book_reserve_flow(s, WETH, D(1), ORIGIN, 0.0)),
    "a deposit with a time zone": (InvalidValue, lambda s: book_reserve_flow(s, USDC, D(1), AWARE)),
    "a redemption of too much": (NotEnoughMoney, lambda s: book_reserve_flow(s, USDC, D(-20_001), ORIGIN)),
    "a redemption of another asset": (ReserveMissing, lambda s: book_reserve_flow(s, WETH, D(-1), ORIGIN)),
    "a settlement of too much": (
        NotEnoughMoney,
        lambda s: book_vault_settlement(s, USDC, D(-20_001), ORIGIN, share_count=D(1)),
    ),
    "a settlement with negative shares": (
        InvalidValue,
        lambda s: book_vault_settlement(s, USDC, D(1), ORIGIN, share_count=D(-1)),
    ),
    "a correction of nothing": (InvalidValue, lambda s: book_reserve_correction(s, USDC, D(0), ORIGIN)),
    "a correction of another asset": (ReserveMissing, lambda s: book_reserve_correction(s, WETH, D(1), ORIGIN)),
}
REFUSED_ON_POSITIONS: dict[
    str, tuple[type[TradeExecutorError], Callable[[State], TradingPosition], Callable[[State, TradingPosition], object]]
] = {
    "a redemption of more than is held": (NotEnoughMoney, link, lambda s, p: redeem_in_kind(s, p, D(11), ORIGIN)),
    "a negative redemption": (InvalidValue, link, lambda s, p: redeem_in_kind(s, p, D(-1), ORIGIN)),
    "a redemption of a bridge": (UnsupportedPairKind, bridge, lambda s, p: redeem_in_kind(s, p, D(1), ORIGIN)),
    "a redemption of a closed position": (
        WrongPositionStatus,
        closed_position,
        lambda s, p: redeem_in_kind(s, p, D(1), ORIGIN),
    ),
    "a redemption with a time zone": (InvalidValue, link, lambda s, p: redeem_in_kind(s, p, D(1), AWARE)),
    "a flow of nothing": (InvalidValue, link, lambda s, p: book_vault_flow(s, p, D(0), ORIGIN)),
    "a loss of more than there was": (
        NotEnoughMoney,
        lambda s: account(s, "5"),
        lambda s, p: book_vault_flow(s, p, D(-6), ORIGIN),
    ),
    "a correction below zero": (
        NotEnoughMoney,
        lambda s: credit(s, "5"),
        lambda s, p: book_position_correction(s, p, D(-6), ORIGIN),
    ),
    "a position of another state": (
        PositionNotFound,
        link,
        lambda s, p: redeem_in_kind(s, link(new_state()), D(1), ORIGIN),
    ),
}


@pytest.mark.parametrize(("error", "operation"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_flow_changes_nothing(error: type[TradeExecutorError], operation: Callable[[State], object]):
    state = new_state(20_000)
    before = state.to_json()
    with pytest.raises(error):
        operation(state)
    assert state.to_json() == before


@pytest.mark.parametrize(
    ("error", "prepare", "operation"), REFUSED_ON_POSITIONS.values(), ids=REFUSED_ON_POSITIONS.keys()
)
def test_a_refused_flow_of_a_position_changes_nothing(
    error: type[TradeExecutorError],
    prepare: Callable[[State], TradingPosition],
    operation: Callable[[State, TradingPosition], object],
):
    state = new_state(20_000)
    position = prepare(state)
    before = state.to_json()
    with pytest.raises(error):
        operation(state, position)
    assert state.to_json() == before


# --- Internal share prices of old files


def test_a_missing_share_price_is_rebuilt_from_the_trades():
    state = new_state(20_000)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    position, _ = trader.buy(WETH_USDC, "2", 1500.0)
    trader.buy(WETH_USDC, "1", 1800.0)
    trader.sell(WETH_USDC, "1.2", 2000.0)
    recorded = position.share_price_state
    assert not migrate_share_price_state(position)
    position.share_price_state = None
    assert backfill_share_price_state(state) == 1
    assert position.share_price_state == recorded


def test_a_missing_share_price_is_rebuilt_from_balance_updates():
    state = new_state(1000)
    position, _, _ = state.create_trade(T0, ACCOUNT, None, D(500), 1.0, TradeType.rebalance, USDC, 1.0)
    book_vault_flow(state, position, D(100), ORIGIN)
    book_vault_flow(state, position, D(20), ORIGIN)
    recorded = position.share_price_state
    assert recorded is not None
    assert recorded.current_share_price == 1.2
    position.share_price_state = None
    assert migrate_share_price_state(position)
    assert position.share_price_state == recorded


def account_with(state: State, executed: str, *events: tuple[str, str]) -> TradingPosition:
    """An account after an executed trade, and the updates that a program of others recorded: old balance, change."""
    position, trade, _ = state.create_trade(T0, ACCOUNT, None, D(executed), 1.0, TradeType.rebalance, USDC, 1.0)
    execute(state, trade)
    for number, (old_balance, quantity) in enumerate(events, start=1):
        event = book_vault_flow(state, position, D(quantity), replace(ORIGIN, happened_at=T0 + number * DAY))
        assert event.old_balance == D(old_balance)
    return position


def read_account(position: TradingPosition) -> tuple[float, float, float]:
    """Money invested, value and unrealised profit, USD."""
    shares = position.share_price_state
    assert shares is not None
    return shares.total_invested, shares.cumulative_quantity, position.get_unrealised_profit_usd()


@pytest.mark.parametrize(
    ("executed", "events"),
    [
        ("100000", [("100000", "5000")]),
        ("1", [("1", "99999"), ("100000", "5000")]),
    ],
)
def test_an_account_has_its_capital_from_a_trade_or_from_its_first_balance(
    executed: str, events: list[tuple[str, str]]
):
    position = account_with(new_state(200_000), executed, *events)
    assert read_account(position) == (100_000.0, 105_000.0, pytest.approx(5000.0))  # as it was booked
    recorded = position.share_price_state
    position.share_price_state = None
    assert migrate_share_price_state(position)
    assert position.share_price_state == recorded


def test_a_later_trade_of_an_account_invests_more_at_its_share_price():
    """100,000 become 110,000, a share is worth 1.1; 11,000 more buy 10,000 shares."""
    state = new_state(200_000)
    position = account_with(state, "100000", ("100000", "10000"))
    later = T0 + 9 * DAY
    _, trade, _ = state.create_trade(later, ACCOUNT, None, D(11_000), 1.0, TradeType.rebalance, USDC, 1.0)
    execute(state, trade, later)
    recorded = position.share_price_state
    assert recorded is not None
    assert recorded.total_supply == pytest.approx(110_000)
    assert read_account(position) == (111_000.0, 121_000.0, pytest.approx(11_000.0))
    position.share_price_state = None
    assert migrate_share_price_state(position)
    assert position.share_price_state == recorded


def test_a_loan_has_no_share_price():
    assert not migrate_share_price_state(credit(new_state(), "4000"))
