"""Prices (USD per base token), value and equity (USD) of a position."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from decimal import Decimal

from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.interest import get_accrued_interest
from tradeexecutor.state.position.predicates import LONG_KINDS, has_executed_trades, is_spot
from tradeexecutor.state.position.quantity import get_base_token_balance_update_quantity, get_quantity
from tradeexecutor.state.position.trades import (
    get_executed_trades,
    get_first_trade,
    get_last_trade,
    get_trade_totals,
    get_unsettled_trades,
)
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.trade.totals import TradesById, TradeTotals, split_trades
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_CCTP_BRIDGE = TradingPairKind.cctp_bridge

#: Kinds whose equity is quantity times price.
_PRICED_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.vault,
        TradingPairKind.freqtrade,
        TradingPairKind.exchange_account,
    }
)

#: Kinds whose entry price is the average price of the buys.
_ENTERED_BY_BUYING = LONG_KINDS | {TradingPairKind.credit_supply}


# --- Totals over trades, USD


def get_total_bought_usd(position: PositionFields) -> USDollarAmount:
    """Return the value of all successful buys."""
    return get_trade_totals(position).bought_usd


def get_total_sold_usd(position: PositionFields) -> USDollarAmount:
    """Return the value of all successful sells."""
    return get_trade_totals(position).sold_usd


def get_buy_value(position: PositionFields) -> USDollarAmount:
    """Return the executed value of all buys."""
    return sum(trade.get_executed_value() for trade in position.trades.values() if trade.is_buy())


def get_sell_value(position: PositionFields) -> USDollarAmount:
    """Return the executed value of all sells."""
    return sum(trade.get_executed_value() for trade in position.trades.values() if trade.is_sell())


# --- Prices


def get_current_price(position: PositionFields) -> USDollarPrice:
    """Return the price of the latest valuation, USD per base token."""
    return position._last_token_price


def get_opening_price(position: PositionFields) -> USDollarPrice:
    """Return the executed price of the first trade; 0.0 if it failed. Raises `NotAvailable` before any success."""
    _require_executed_trade(position)
    return get_first_trade(position).executed_price or 0.0


def get_closing_price(position: PositionFields) -> USDollarPrice | None:
    """Return the executed price of the last trade, None if that failed; raises `NotAvailable` before any success."""
    _require_executed_trade(position)
    return get_last_trade(position).executed_price


def _require_executed_trade(position: PositionFields) -> None:
    if not has_executed_trades(position):
        raise NotAvailable(f"position #{position.position_id} has no executed trade")


def get_original_planned_price(position: PositionFields) -> USDollarPrice:
    """Return the planned price of the first trade; raises `InvalidValue` for kinds other than spot."""
    if not is_spot(position):
        raise InvalidValue(f"position #{position.position_id} is not a spot position")
    return get_first_trade(position).planned_price


def get_average_buy(position: PositionFields) -> USDollarPrice:
    """Return the average price of the successful buys; 0.0 without buys."""
    return get_trade_totals(position).get_average_buy()


def get_average_sell(position: PositionFields) -> USDollarPrice:
    """Return the average price of the successful sells; 0.0 without sells."""
    return get_trade_totals(position).get_average_sell()


def get_average_price(position: PositionFields) -> USDollarPrice:
    """Return the average entry price: the price of the buys for long and credit positions, else of the sells."""
    return get_average_entry_price(position, get_trade_totals(position))


def get_average_entry_price(position: PositionFields, totals: TradeTotals) -> USDollarPrice:
    """Return `get_average_price`, computed from the sums of the position's trades."""
    return totals.get_average_buy() if position.pair.kind in _ENTERED_BY_BUYING else totals.get_average_sell()


# --- Value and equity


@contract_signature
def calculate_value_using_price(
    position: PositionFields, token_price: USDollarPrice, reserve_price: USDollarPrice, include_interest: bool = True
) -> USDollarAmount:
    """Return holdings at `token_price` plus the capital locked in unfinished buys at `reserve_price`, USD.

    Parameters
    ----------
    include_interest
        Add the accrued interest of the loan, if there is one.
    """
    settled, rest = split_trades(position._trades)
    tokens, reserve = settled.tokens, settled.locked_reserve
    for trade in rest:
        if trade._executed_quantity is None and trade._started_at is None:
            continue  # planned: saves computing the status
        if trade.is_accounted_for_equity():
            if trade._executed_quantity is not None:
                tokens += trade._executed_quantity
            if trade._executed_at is None:
                reserve += trade.get_equity_for_reserve()
    value = float(tokens) * token_price
    if reserve:  # nearly never; converting a Decimal takes as long as all of the above
        value += float(reserve) * reserve_price
    if position._balance_updates:
        updates = float(get_base_token_balance_update_quantity(position)) * token_price
        value = value - updates if position.pair.kind.is_shorting() else value + updates
    if include_interest and position.loan is not None:
        value += position.loan.get_net_interest()
    return value


def get_equity(position: PositionFields) -> USDollarAmount:
    """Return the USD equity; 0 for loans, whose net asset value is counted separately.

    A closed position may return the value of its residual dust.
    """
    kind = position.pair.kind
    if kind in _PRICED_KINDS:
        return calculate_value_using_price(position, position._last_token_price, position.last_reserve_price, False)
    if kind is _CCTP_BRIDGE:
        gross = calculate_value_using_price(position, position._last_token_price, position.last_reserve_price, False)
        return gross - float(position.bridge_capital_allocated) * position._last_token_price
    return 0


def get_spot_equity(position: PositionFields) -> USDollarAmount:
    """Return `get_equity` of a spot position; in a third of the time if its last trade is executed or planned."""
    trades = position._trades
    if isinstance(trades, TradesById) and not position._balance_updates:
        settled, uncounted = trades._settled, len(trades) - trades._settled_count
        if uncounted == 1:
            last = next(reversed(trades.values()))
            executed = last._executed_quantity
            if executed is None:
                uncounted = 0 if last._started_at is None else 1
            elif last._executed_at and not last._failed_at and not last._repaired_at and not settled.locked_reserve:
                return float(settled.tokens + executed) * position._last_token_price
        if not uncounted and not settled.locked_reserve:
            return settled.get_tokens_as_float() * position._last_token_price
    return get_equity(position)


@contract_signature
def get_value(position: PositionFields, include_interest: bool = True) -> USDollarAmount:
    """Return the USD value; for a closed position only the accrued interest, normally 0.

    Bridge positions count gross: capital used by trades on the destination chain is included.

    Raises
    ------
    UnsupportedPairKind
        Positions of this kind have no value.
    """
    if position.closed_at is not None:
        return get_accrued_interest(position) if include_interest else 0.0
    kind = position.pair.kind
    if kind in _PRICED_KINDS:
        return calculate_value_using_price(
            position, position._last_token_price, position.last_reserve_price, include_interest
        )
    if kind.is_cctp_bridge():
        return float(get_quantity(position))
    if kind.is_credit_based():
        return get_loan_based_nav(position, include_interest)
    raise UnsupportedPairKind(f"a {kind.value} position has no value: #{position.position_id}")


@contract_signature
def get_loan_based_nav(
    position: PositionFields, include_interest: bool = True, include_fees: bool = True
) -> USDollarAmount:
    """Return collateral minus debt, USD; 0.0 before the first execution. Loan positions only.

    Fees are never included.

    Raises
    ------
    InvalidValue
        The position has no loan.
    """
    if not include_fees:
        warn_ignored("get_loan_based_nav", "include_fees", "the value of a loan contains no fees")
    if not position.pair.kind.is_credit_based():
        raise InvalidValue(f"position #{position.position_id} has no loan")
    return 0.0 if position.loan is None else position.loan.get_net_asset_value(include_interest)


def get_vault_settlement_pending_value(position: PositionFields) -> USDollarAmount:
    """Return the deposits that an asynchronous vault has not settled, USD."""
    return sum(
        float(trade.get_vault_settlement_request_reserve())
        for trade in get_unsettled_trades(position)
        if trade.planned_quantity > 0 and trade.is_vault_settlement_in_flight()
    )


def get_loan_in_flight_value(position: PositionFields) -> USDollarAmount:
    """Return the reserve of started trades that is not in the loan yet, USD; loan positions only."""
    total = Decimal(0)
    for trade in get_unsettled_trades(position):
        if trade.reserve_currency_allocated and trade.is_pending():
            total += trade.reserve_currency_allocated
    return float(total) * position.last_reserve_price


def calculate_quantity_usd_value(position: PositionFields, quantity: Decimal) -> USDollarAmount:
    """Return the value of `quantity` base tokens at the latest valuation, USD."""
    if quantity == 0:
        return 0
    price: USDollarPrice | None = position._last_token_price
    return float(quantity) * (get_original_planned_price(position) if price is None else price)  # pyright: ignore[reportUnnecessaryComparison]


def get_entry_price(position: PositionFields) -> USDollarPrice:
    """Return the executed price of the first successful trade; `get_opening_price` uses the very first trade."""
    return _get_first_executed_trade(position).executed_price or 0.0


def get_entry_value(position: PositionFields) -> USDollarAmount:
    """Return the value of the first successful trade, USD; `get_value_at_open` uses the very first trade."""
    return _get_first_executed_trade(position).get_executed_value()


def _get_first_executed_trade(position: PositionFields) -> TradeExecution:
    for trade in get_executed_trades(position):
        if not trade.is_repaired():
            return trade
    raise NotAvailable(f"position #{position.position_id} has no executed trade")


def get_value_at_open(position: PositionFields) -> USDollarAmount:
    """Return the executed value of the first trade, USD."""
    return get_first_trade(position).get_executed_value()


def get_value_at_close(position: PositionFields) -> USDollarAmount:
    """Return the executed value of the last trade, USD."""
    return get_last_trade(position).get_executed_value()


def get_max_size(position: PositionFields) -> USDollarAmount:
    """Return the executed value of the first trade, USD."""
    return get_value_at_open(position)


def get_total_lp_fees_paid(position: PositionFields) -> USDollarAmount:
    """Return the LP fees of all trades, USD."""
    return sum(sum_fees(trade.lp_fees_paid) for trade in position.trades.values())
