"""Profit of a position: USD amounts and fractions (0.05 is 5 %).

The formulas, with worked examples, are in :mod:`tradeexecutor.accounting.profit` and
:mod:`tradeexecutor.accounting.interest`; this module collects their inputs from the position.

Some figures keep a flaw because recorded files contain it. Their docstrings name the figure to use instead.
`TradingPosition.get_net_profit_usd` counts each dollar once, for every kind of position and at any time.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.profit import (
    calculate_cost_adjusted_profit,
    calculate_cost_adjusted_realised_profit,
    calculate_realised_profit,
    calculate_unrealised_profit,
    get_fraction,
    get_quantity_without_interest,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import InvalidValue, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.interest import estimate_gained_interest, get_claimed_interest, get_repaid_interest
from tradeexecutor.state.position.pnl import calculate_pnl, calculate_share_price_pnl, calculate_share_price_profit
from tradeexecutor.state.position.predicates import (
    is_credit_supply,
    is_frozen,
    is_long,
    is_spot,
    is_using_internal_share_price_profit,
)
from tradeexecutor.state.position.quantity import get_quantity, get_redeemed
from tradeexecutor.state.position.risk import get_capital_tied_at_open_pct
from tradeexecutor.state.position.times import get_entered_at
from tradeexecutor.state.position.trades import get_executed_trades, get_trade_totals
from tradeexecutor.state.position.value import (
    get_average_entry_price,
    get_total_bought_usd,
    get_total_sold_usd,
)
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceData
from tradeexecutor.state.trade.totals import TradeTotals
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

_EXCHANGE_ACCOUNT, _VAULT = TradingPairKind.exchange_account, TradingPairKind.vault


# --- USD


@contract_signature
def get_realised_profit_usd(position: PositionFields, include_interest: bool = True) -> USDollarAmount | None:
    """Return the profit of the quantity sold, USD; None while nothing was sold, 0 while frozen.

    **Misleading** if something is bought after a sale: the recorded definition multiplies the quantity sold by the
    difference of the average prices of all sells and all buys, so a later buy changes the profit of an earlier sale.
    Example: two bought at 50 and one sold at 80 give 30; one more bought at 200 changes it to -20, while
    `get_average_cost_profit_usd` stays at 30.

    A trade in the other direction that is only planned, or has failed, counts as a reduction, as in recorded
    figures; see `has_realised_profit`. Tokens that a short bought back to pay interest, and interest of the collateral
    that a leveraged long sold, have no price gain; they count once, as repaid or claimed interest.
    """
    return _get_realised_profit_usd(position, get_trade_totals(position), include_interest=include_interest)


def _get_realised_profit_usd(
    position: PositionFields, totals: TradeTotals, *, include_interest: bool = True
) -> USDollarAmount | None:
    if is_frozen(position):
        return 0
    if not (totals.has_buys and totals.has_sells):
        return None
    kind = position.pair.kind
    if is_spot(position):
        closed = totals.get_sell_quantity()
    elif kind.is_credit_supply():
        closed = ZERO_DECIMAL
    elif kind.is_shorting():
        closed = get_quantity_without_interest(totals.get_buy_quantity(), _iterate_paid_interest(position))
    elif kind.is_longing():
        closed = get_quantity_without_interest(totals.get_sell_quantity(), _iterate_claimed_interest(position))
    else:
        closed = totals.get_buy_quantity()
    profit = calculate_realised_profit(totals.get_average_buy(), totals.get_average_sell(), closed)
    if include_interest and kind.is_credit_based():
        profit += get_claimed_interest(position) - get_repaid_interest(position)
    return profit


def _iterate_paid_interest(position: PositionFields) -> Iterator[Decimal]:
    return (trade.paid_interest for trade in get_executed_trades(position) if trade.paid_interest)


def _iterate_claimed_interest(position: PositionFields) -> Iterator[Decimal]:
    return (trade.claimed_interest for trade in get_executed_trades(position) if trade.claimed_interest)


@contract_signature
def get_unrealised_profit_usd(
    position: PositionFields, include_interest: bool = True, account_redemptions: bool = True
) -> USDollarAmount:
    """Return the profit of the quantity held, at the latest price, USD.

    As in recorded figures, all that a bridge holds counts as profit, and the debt interest of a short also counts in
    its quantity; `get_net_profit_usd` counts each dollar once. Tokens redeemed in kind are no longer held.
    """
    if not account_redemptions:
        warn_ignored("get_unrealised_profit_usd", "account_redemptions", "what was redeemed is never held")
    if is_using_internal_share_price_profit(position):
        return _get_share_price_profit_usd(position)
    return _get_unrealised_profit_usd(position, get_trade_totals(position), include_interest=include_interest)


def _get_unrealised_profit_usd(
    position: PositionFields, totals: TradeTotals, *, include_interest: bool = True
) -> USDollarAmount:
    loan = position.loan  # nearly always None: saves computing the accrued interest
    quantity = get_quantity(position)
    if loan is not None and loan.borrowed is not None:  # the interest of both sides is added below, once
        quantity = loan.collateral.quantity if position.pair.kind.is_longing() else -loan.borrowed.quantity
    profit = calculate_unrealised_profit(position.last_token_price, get_average_entry_price(position, totals), quantity)
    if not include_interest:
        return profit
    return profit + (0.0 if loan is None else loan.get_net_interest())


def get_total_profit_usd(position: PositionFields) -> USDollarAmount:
    """Return realised plus unrealised profit, USD; 0.0 for a bridge.

    Tokens that an account correction added or removed do not count, see `get_net_profit_usd`.
    """
    return get_total_profit(position)[0]


def get_total_profit(position: PositionFields) -> tuple[USDollarAmount, Percent]:
    """Return `get_total_profit_usd` (USD) and `get_total_profit_percent` (fraction)."""
    if position.pair.kind.is_cctp_bridge():
        return 0.0, 0.0
    if is_using_internal_share_price_profit(position):
        return _get_share_price_profit_usd(position), _get_share_price_profit_pct(position)
    totals = get_trade_totals(position)
    profit = (_get_realised_profit_usd(position, totals) or 0) + _get_unrealised_profit_usd(position, totals)
    invested = totals.bought_usd if is_long(position) else totals.sold_usd
    return profit, profit / invested if invested else 0


def is_profitable(position: PositionFields) -> bool:
    """Return True if the total profit is positive."""
    return get_total_profit_usd(position) > 0


def is_loss(position: PositionFields) -> bool:
    """Return True if the total profit is negative."""
    return get_total_profit_usd(position) < 0


def _get_share_price_profit_usd(position: PositionFields) -> USDollarAmount:
    return get_share_price_profit(position).profit_usd if position.share_price_state is not None else 0


def _get_share_price_profit_pct(position: PositionFields) -> Percent:
    return get_share_price_profit(position).profit_pct if position.share_price_state is not None else 0


# --- Fractions


def _get_invested_usd(position: PositionFields) -> USDollarAmount:
    """Return the value of what was bought (longs) or sold (others), USD."""
    return get_total_bought_usd(position) if is_long(position) else get_total_sold_usd(position)


def get_total_profit_percent(
    position: PositionFields, calculation_method: str = "legacy", end_at: datetime.datetime | None = None
) -> Percent:
    """Return total profit as a fraction of what was bought (longs) or sold (others); 0 without trades.

    Parameters
    ----------
    calculation_method
        ``"legacy"`` as above; ``"cumulative"`` walks the trades with an average cost, see
        `tradeexecutor.state.position.pnl.calculate_pnl`.
    end_at
        Valuation time of an open position, for ``"cumulative"``.

    Raises
    ------
    InvalidValue
        The calculation method is unknown.
    """
    if calculation_method == "cumulative" and not (
        position.pair.kind.is_cctp_bridge() or is_using_internal_share_price_profit(position)
    ):
        return calculate_pnl(position, end_at=end_at).profit_pct
    if calculation_method not in ("legacy", "cumulative"):
        raise InvalidValue(f"unknown calculation method {calculation_method!r}")
    return get_total_profit(position)[1]


def get_unrealised_profit_pct(position: PositionFields) -> Percent:
    """Return unrealised profit as a fraction of what was bought (longs) or sold (others)."""
    if is_using_internal_share_price_profit(position):
        return _get_share_price_profit_pct(position)
    return get_fraction(get_unrealised_profit_usd(position), _get_invested_usd(position))


def get_realised_profit_percent(position: PositionFields) -> Percent:
    """Return the realised profit as a fraction of the cost of the quantity sold."""
    if is_spot(position):
        return get_unrealised_and_realised_profit_percent(position, include_unrealised=False)
    if is_long(position) or is_credit_supply(position):
        invested = get_total_bought_usd(position)
    elif position.pair.kind.is_shorting():
        invested = get_total_sold_usd(position)
    else:
        return 0
    return get_fraction(get_realised_profit_usd(position) or 0, invested)


@contract_signature
def get_unrealised_and_realised_profit_percent(
    position: PositionFields, valuation_price: USDollarPrice | None = None, include_unrealised: bool = True
) -> Percent:
    """Return total profit as a fraction of the cost, which excludes redemptions in kind; long only.

    Buy and sell volumes count trades of *any* status at their value, so a failed or started trade distorts
    the figure, as recorded figures do; `get_cost_adjusted_profit_percent` counts only what happened.

    Parameters
    ----------
    valuation_price
        USD per base token for what is still held; the latest valuation if None.
    include_unrealised
        If False, compare only the quantity sold with its share of the cost.
    """
    totals = get_trade_totals(position)
    return _get_cost_adjusted_profit(
        position,
        totals,
        totals.all_bought_usd,
        totals.all_sold_usd,
        valuation_price,
        include_unrealised=include_unrealised,
    )


def get_cost_adjusted_profit_percent(
    position: PositionFields, valuation_price: USDollarPrice | None = None, *, include_unrealised: bool = True
) -> Percent:
    """Return `get_unrealised_and_realised_profit_percent` from successful trades only; spot and vault only.

    The parameters are the same. A valuation price of 0 is used as it is.
    """
    totals = get_trade_totals(position)
    return _get_cost_adjusted_profit(
        position, totals, totals.bought_usd, totals.sold_usd, valuation_price, include_unrealised=include_unrealised
    )


def _get_cost_adjusted_profit(
    position: PositionFields,
    totals: TradeTotals,
    buy_value: USDollarAmount,
    sell_value: USDollarAmount,
    valuation_price: USDollarPrice | None,
    *,
    include_unrealised: bool,
) -> Percent:
    if not is_long(position):
        raise UnsupportedPairKind(f"position #{position.position_id} is not a long")
    redeemed = get_redeemed(position)
    if totals.bought_usd == 0:
        return 0
    bought = totals.get_buy_quantity()
    if not include_unrealised:
        return calculate_cost_adjusted_realised_profit(
            bought, totals.get_sell_quantity(), buy_value, sell_value, redeemed
        )
    quantity = get_quantity(position)
    price = position.last_token_price if valuation_price is None else valuation_price
    held = price * float(quantity) if quantity else 0
    return calculate_cost_adjusted_profit(bought, buy_value, sell_value, redeemed, held)


def get_size_relative_realised_profit_percent(position: PositionFields) -> Percent:
    """Return the realised profit fraction times the fraction of the portfolio that was tied at open."""
    return get_realised_profit_percent(position) * get_capital_tied_at_open_pct(position)


def get_size_relative_unrealised_or_realised_profit_percent(position: PositionFields) -> Percent:
    """Return the profit (spot: total, else realised) times the fraction tied at open; for credit the interest alone."""
    if is_credit_supply(position):
        return estimate_gained_interest(position)
    if is_spot(position):
        return get_unrealised_and_realised_profit_percent(position) * get_capital_tied_at_open_pct(position)
    return get_size_relative_realised_profit_percent(position)


# --- Internal share price


def get_share_price_profit(
    position: PositionFields, end_at: datetime.datetime | None = None, mark_price: USDollarPrice | None = None
) -> PositionInternalSharePriceData:
    """Return the profit of the holder of one internal share.

    The first trade mints shares at 1.0. Later buys mint and sells burn shares at the share price of that time, so
    only the market moves the share price.

    Parameters
    ----------
    end_at
        Valuation time of an open position; now if None.
    mark_price
        USD per base token; the latest valuation if missing or 0.
    """
    state = position.share_price_state
    if state is None:
        return calculate_share_price_pnl(position, end_at=end_at, mark_price=mark_price)
    duration = (position.closed_at or end_at or utc_now()) - get_entered_at(position)
    return calculate_share_price_profit(position, state, mark_price, duration)
