"""Quantities of a position; token units, with signs as in `TradeExecution`."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from collections.abc import Iterable, Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON, QUANTITY_EPSILON, ZERO_DECIMAL, sum_decimal
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.generic_position import book_balance_update
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS, AssetIdentifier, TradingPairKind
from tradeexecutor.state.identifier.dust import (
    HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM,
    LARGEST_DUST_EPSILON,
    get_close_epsilon_for_pair,
)
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.position.balance_totals import (
    add_balance_updates_of_asset,
    sum_balance_updates_of_asset,
    sum_interest,
)
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import has_planned_trades, is_spot
from tradeexecutor.state.position.trades import get_first_trade, get_trade_totals, get_unsettled_trades
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import FEW_TRADES, NO_TOTALS, TradeTotals, split_trades

_CCTP_BRIDGE, _CREDIT_SUPPLY = TradingPairKind.cctp_bridge, TradingPairKind.credit_supply
_SPOT = TradingPairKind.spot_market_hold

#: Quantities from this (token units) up to `QUANTITY_EPSILON` count as zero.
_LOWEST_ZERO = -QUANTITY_EPSILON


# --- Balance events


def get_balance_update_events(position: PositionFields) -> Iterable[BalanceUpdate]:
    """Return deposits, redemptions, interest and corrections, oldest first."""
    return position._balance_updates.values()


def add_balance_update_event(position: PositionFields, event: BalanceUpdate) -> None:
    """Add an event to the table, under its id."""
    book_balance_update(position._balance_updates, event, f"position #{position.position_id}")


def get_base_token_balance_update_quantity(position: PositionFields) -> Decimal:
    """Return the sum of all balance events in the base token."""
    if not position._balance_updates:
        return ZERO_DECIMAL
    return sum_balance_updates_of_asset(position._balance_updates, position.pair.base)


def get_redeemed(position: PositionFields) -> Decimal:
    """Return the sum of all balance events in the base token (redemptions are negative); spot only.

    Raises
    ------
    InvalidValue
        The position is not a spot position.
    """
    if not is_spot(position):
        raise InvalidValue(f"position #{position.position_id} is not a spot position")
    return get_base_token_balance_update_quantity(position)


def calculate_accrued_interest_quantity(position: PositionFields, asset: AssetIdentifier) -> Decimal:
    """Return the interest booked for an aToken or vToken, token units; raises if the asset does not accrue interest.

    Raises
    ------
    InvalidValue
        The asset does not accrue interest.
    """
    if asset.underlying is None:
        raise InvalidValue(f"{asset} does not accrue interest")
    return sum_interest(position._balance_updates, asset)


# --- Quantities


@contract_signature
def get_quantity(position: PositionFields, planned: bool = False) -> Decimal:
    """Return how much of the base token the position holds; negative for a short.

    This is the sum of the successful trades (with `planned` also the planned ones), then of the balance events. Only
    the whole sum is rounded to zero: a first redemption of 1E-18 tokens alone would round to nothing, and be lost.
    """
    trades = position._trades
    if not planned and len(trades) <= FEW_TRADES:
        return sum_quantities(position, NO_TOTALS, trades.values())
    settled, rest = split_trades(trades)
    if not planned:
        return sum_quantities(position, settled, rest)
    total = settled.quantity_as_planned
    for trade in rest:
        if trade._executed_at is not None or trade.is_planned():
            total += trade.get_position_quantity()
    return _add_balance_updates(position, total)


def sum_quantities(position: PositionFields, settled: TradeTotals, rest: Iterable[TradeExecution]) -> Decimal:
    """Return `get_quantity` from the two parts of the trades that `split_trades` returns."""
    total = settled.quantity
    for trade in rest:
        if trade._executed_at is not None:
            executed = trade._executed_quantity
            if executed is not None and not trade._repaired_at and not trade._repaired_trade_id:
                total += executed
            else:
                total += trade.get_position_quantity()
    if not position._balance_updates and total > QUANTITY_EPSILON:  # nearly always: saves a call
        return total
    return _add_balance_updates(position, total)


def get_settled_quantity(position: PositionFields, planned: TradeExecution | None = None) -> Decimal | None:
    """Return `get_quantity`, token units, which is then also the quantity to trade with, if all trades have executed.

    Parameters
    ----------
    planned
        A planned trade that does not count.

    Returns
    -------
    Decimal or None
        None if another trade is planned, in flight or has failed, or if the position itself waits for a trigger.
    """
    if position.pending_since_at is not None:
        return None
    trades = position._trades
    if len(trades) <= FEW_TRADES:
        total, rest = ZERO_DECIMAL, trades.values()
    else:
        settled, rest = split_trades(trades)
        if settled.waiting:
            return None
        total = settled.quantity
    for trade in rest:
        if trade._executed_at is None:
            if trade is planned:
                continue
            return None
        executed = trade._executed_quantity
        if executed is None or trade._repaired_at or trade._repaired_trade_id:
            executed = trade.get_position_quantity()
        total += executed
    if not position._balance_updates and total > QUANTITY_EPSILON:  # nearly always: saves a call
        return total
    return _add_balance_updates(position, total)


def _add_balance_updates(position: PositionFields, total: Decimal) -> Decimal:
    """Return the sum of the trades and the balance events, base token units; dust is zero."""
    if position._balance_updates:
        updates = add_balance_updates_of_asset(position._balance_updates, position.pair.base)
        total = total - updates if position.pair.kind.is_shorting() else total + updates
    return round_to_zero(total)


def round_to_zero(quantity: Decimal) -> Decimal:
    """Return a quantity, zero if it is within the rounding error of zero; token units."""
    return quantity if quantity > QUANTITY_EPSILON or quantity < _LOWEST_ZERO else ZERO_DECIMAL


def get_pending_quantity(position: PositionFields) -> Decimal:
    """Return the sum of the trades that wait for a trigger, base token units."""
    return sum_decimal(
        trade.get_position_quantity()
        for trade in position.pending_trades.values()
        if trade.executed_at is not None or trade.is_planned()
    )


@contract_signature
def get_available_trading_quantity(position: PositionFields, include_pending_trades: bool = False) -> Decimal:
    """Return the quantity that the strategy can still trade: holdings plus planned trades, base token units.

    Orders that wait for a trigger count only with `include_pending_trades`. Shares in redemption from an asynchronous
    vault do not count.
    """
    settled, rest = split_trades(position._trades)
    quantity = sum_quantities(position, settled, rest)
    if include_pending_trades or position.pending_since_at is not None:
        planned = get_pending_quantity(position)
    else:
        if not settled.waiting and _are_executed(rest):  # nearly always: nothing is planned or in redemption
            return quantity
        planned = sum_decimal(
            trade.get_position_quantity()
            for trade in get_unsettled_trades(position)
            if trade.is_planned()
            and trade.trade_id not in position.pending_trades
            and not trade.is_partial_take_profit()
        )
    redeeming = _get_redeeming_quantity(position)
    available = planned + quantity + redeeming
    return ZERO_DECIMAL if redeeming < 0 and available < 0 else available


def _are_executed(trades: Iterable[TradeExecution]) -> bool:
    for trade in trades:  # noqa: SIM110 - runs for every sell
        if trade._executed_at is None:
            return False
    return True


def _get_redeeming_quantity(position: PositionFields) -> Decimal:
    """Return the shares in redemption from asynchronous vaults, <= 0."""
    return sum_decimal(
        trade.get_vault_settlement_request_quantity()
        for trade in get_unsettled_trades(position)
        if trade.planned_quantity <= 0 and trade.is_vault_settlement_in_flight()
    )


def get_buy_quantity(position: PositionFields) -> Decimal:
    """Return the sum of all successful buys, token units."""
    return get_trade_totals(position).get_buy_quantity()


def get_sell_quantity(position: PositionFields) -> Decimal:
    """Return the sum of all successful sells, token units, >= 0."""
    return get_trade_totals(position).get_sell_quantity()


def get_quantity_at_open(position: PositionFields) -> Decimal:
    """Return the quantity of the first trade, token units, even if that trade failed."""
    return get_first_trade(position).get_position_quantity()


def get_available_bridge_capital(position: PositionFields) -> Decimal:
    """Return the bridged capital that no trade on the destination chain uses, token units."""
    return get_quantity(position) - position.bridge_capital_allocated


def adjust_bridge_capital_allocated(position: PositionFields, amount: Decimal) -> None:
    """Add to the capital used by trades on the destination chain; the total may become negative."""
    position.bridge_capital_allocated += amount


# --- Holdings


def get_held_assets(position: PositionFields) -> Iterator[tuple[AssetIdentifier, Decimal]]:
    """Yield the tokens that the wallet must hold for this position, with their quantities.

    Yields nothing for exchange accounts and Hypercore vaults, whose balance is not a token.
    """
    kind = position.pair.kind
    if kind is _SPOT:  # nearly always
        yield position.pair.base, get_quantity(position)
        return
    if kind.is_exchange_account() or position.pair.is_hyperliquid_vault():
        return
    if kind.is_cctp_bridge():
        available = get_available_bridge_capital(position)
        if available > 0:
            yield position.pair.base, available
    elif kind.is_credit_based():
        if position.loan is not None:
            yield from _get_loan_assets(position.loan)
    else:
        quantity = get_quantity(position)
        if kind.is_vault():
            quantity = max(quantity + _get_redeeming_quantity(position), Decimal(0))
        yield position.pair.base, quantity


def _get_loan_assets(loan: Loan) -> Iterator[tuple[AssetIdentifier, Decimal]]:
    yield loan.collateral.asset, loan.get_collateral_quantity()
    if loan.borrowed is not None:
        yield loan.borrowed.asset, Decimal(loan.get_borrowed_quantity())


# --- Predicates: stage


def is_about_to_close(position: PositionFields) -> bool:
    """Return True if nothing would be left after the planned trades."""
    return has_planned_trades(position) and abs(get_quantity(position, planned=True)) <= get_close_epsilon_for_pair(
        position.pair
    )


def can_be_closed(position: PositionFields, quantity: Decimal | None = None) -> bool:
    """Return True if nothing, or only dust, is left.

    A short without debt that still has collateral cannot be closed: its collateral would be missing from the equity.
    A leveraged long without collateral that still has debt cannot either.
    Planned, pending and failed trades are not considered.

    Parameters
    ----------
    quantity
        Result of `get_quantity`, if the caller knows it.
    """
    if position.closed_at is not None:
        return False
    kind = position.pair.kind
    if kind is _CCTP_BRIDGE:
        available = get_available_bridge_capital(position)
        return available <= 0 or abs(available) <= get_close_epsilon_for_pair(position.pair)
    if quantity is None:
        trades = position._trades  # as in `get_quantity`: saves a call
        settled, rest = (NO_TOTALS, trades.values()) if len(trades) <= FEW_TRADES else split_trades(trades)
        quantity = sum_quantities(position, settled, rest)
    if kind is _SPOT and quantity > LARGEST_DUST_EPSILON:  # after a buy: saves looking up the limit of the asset
        return False
    if quantity <= ZERO_DECIMAL and (kind in TOKEN_TRADE_KINDS or kind is _CREDIT_SUPPLY):
        return True
    if position.other_data and position.other_data.get(HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM):
        return quantity <= 0
    if kind.is_shorting():
        # A short that bought back more than it owed can be closed, like a position that sold more than it held.
        return quantity >= -get_close_epsilon_for_pair(position.pair) and not _has_collateral(position)
    if kind.is_longing() and _has_debt(position):
        return False
    return abs(quantity) <= get_close_epsilon_for_pair(position.pair)


def _has_debt(position: PositionFields) -> bool:
    return position.loan is not None and position.loan.get_borrowed_quantity() > COLLATERAL_EPSILON


def _has_collateral(position: PositionFields) -> bool:
    return position.loan is not None and position.loan.get_collateral_quantity() > COLLATERAL_EPSILON
