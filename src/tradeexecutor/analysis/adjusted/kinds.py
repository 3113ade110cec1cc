"""What each kind of position earned and cost: profit, fees, interest, funding, liquidations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.state.types import USDollarAmount

__all__ = ["KindFigures", "get_exposure", "get_funding", "get_interest_earned", "get_interest_paid", "measure_kinds"]

_NAMES: Mapping[TradingPairKind, str] = {
    TradingPairKind.spot_market_hold: "spot",
    TradingPairKind.spot_market_hold_rebalancing_token: "spot",
    TradingPairKind.lending_protocol_short: "short",
    TradingPairKind.lending_protocol_long: "leveraged long",
    TradingPairKind.credit_supply: "credit",
    TradingPairKind.vault: "vault",
    TradingPairKind.cctp_bridge: "bridge",
}


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The positions of one kind that executed anything, whether open or closed; amounts in USD.

    Attributes
    ----------
    name
        ``spot``, ``short``, ``leveraged long``, ``credit``, ``vault``, ``bridge``, or another kind.
    positions, closed
        Number of positions, and how many of them are closed.
    won, lost
        Closed positions with a net profit and with a net loss; of credit neither.
    profit
        Net profit after all of the following.
    fees
        Trading fees paid.
    interest_earned, interest_paid
        Interest on collateral and lent cash, and on debt, see `get_interest_earned` and `get_interest_paid`.
    liquidations, liquidation_penalties
        Number of liquidations, and what their liquidators took in addition to the debt.
    funding
        Funding received; negative if more was paid, see `get_funding`.
    exposure
        Value that rises and falls with the price of the open positions, see `get_exposure`.
    leverage
        Exposure in relation to the value of the open positions; None without any.
    """

    name: str
    positions: int
    closed: int
    won: int
    lost: int
    profit: USDollarAmount
    fees: USDollarAmount
    interest_earned: USDollarAmount
    interest_paid: USDollarAmount
    liquidations: int
    liquidation_penalties: USDollarAmount
    funding: USDollarAmount = 0.0
    exposure: USDollarAmount = 0.0
    leverage: float | None = None


def get_interest_earned(position: TradingPosition) -> USDollarAmount:
    """Return the interest of the collateral, claimed or still in the loan, USD; 0.0 without a loan."""
    unclaimed = position.loan.get_collateral_interest() if position.loan is not None else 0.0
    return position.get_claimed_interest() + unclaimed - _get_funding_of_side(position, is_debt=False)


def get_interest_paid(position: TradingPosition) -> USDollarAmount:
    """Return the interest of the debt, USD; 0.0 without debt.

    Repaid interest counts at the price at which its tokens were bought, unpaid interest at the present price.
    """
    unpaid = position.loan.get_borrow_interest() if position.loan is not None else 0.0
    return position.get_repaid_interest() + unpaid - _get_funding_of_side(position, is_debt=True)


def get_funding(position: TradingPosition) -> USDollarAmount:
    """Return the funding that a short or leveraged long received, USD; negative if it paid more."""
    return _get_funding_of_side(position, is_debt=False) - _get_funding_of_side(position, is_debt=True)


def _get_funding_of_side(position: TradingPosition, *, is_debt: bool) -> USDollarAmount:
    """Return by how much funding changed the collateral or the debt, USD."""
    return sum(
        event.usd_value
        for event in position.balance_updates.values()
        if event.cause is BalanceUpdateCause.funding and event.asset.is_debt() is is_debt
    )


def get_exposure(position: TradingPosition) -> USDollarAmount:
    """Return the value of an open position that rises and falls with its price, USD; 0.0 when it is closed.

    This is the collateral of a leveraged long and the debt of a short, with interest. Lent cash has none.
    """
    if position.is_closed() or position.is_credit_supply():
        return 0.0
    if position.loan is not None:
        loan = position.loan
        return loan.get_borrow_value() if position.is_short() else loan.get_collateral_value()
    return position.get_value()


def measure_kinds(positions: Iterable[TradingPosition]) -> tuple[KindFigures, ...]:
    """Return the figures of each kind, in order of the first position of each."""
    groups: dict[str, list[TradingPosition]] = {}
    for position in positions:
        if position.has_executed_trades():
            kind = position.pair.kind
            groups.setdefault(_NAMES.get(kind) or kind.value.replace("_", " "), []).append(position)
    return tuple(_measure(name, group) for name, group in groups.items())


def _measure(name: str, positions: list[TradingPosition]) -> KindFigures:
    figures = [*map(measure_plain, positions)]
    measured = [*zip(positions, figures, strict=True)]
    profits = [get_net_result(position)[0] if plain is None else plain.net_result[0] for position, plain in measured]
    scored = [
        profit
        for (position, plain), profit in zip(measured, profits, strict=True)
        if plain is not None or (position.is_closed() and not position.is_credit_supply())
    ]
    others = [position for position, plain in measured if plain is None]
    still_open = [position for position in others if not position.is_closed()]
    with_interest = [position for position in others if _may_have_interest(position)]
    exposure = sum(map(get_exposure, still_open), 0.0)
    value = sum(position.get_value() for position in still_open)
    liquidations = [
        trade
        for position in positions
        for trade in position.trades.values()
        if trade.other_data and trade.is_liquidation() and trade.is_success()
    ]
    return KindFigures(
        name=name,
        positions=len(positions),
        closed=len(positions) - len(still_open),
        won=sum(profit > 0 for profit in scored),
        lost=sum(profit < 0 for profit in scored),
        profit=sum(profits),
        fees=sum(position.get_total_lp_fees_paid() if plain is None else plain.lp_fees for position, plain in measured),
        interest_earned=sum(map(get_interest_earned, with_interest), 0.0),
        interest_paid=sum(map(get_interest_paid, with_interest), 0.0),
        liquidations=len(liquidations),
        liquidation_penalties=sum(map(_get_penalty, liquidations)),
        funding=sum(map(get_funding, with_interest), 0.0),
        exposure=exposure,
        leverage=exposure / value if value > 0 else None,
    )


def _may_have_interest(position: TradingPosition) -> bool:
    """Return False if a position, like nearly all spot positions, has neither loan, balance events nor interest."""
    if position.loan is not None or position.balance_updates:
        return True
    return any(trade.claimed_interest or trade.paid_interest for trade in position.trades.values())


def _get_penalty(trade: TradeExecution) -> USDollarAmount:
    """Return what a liquidator took in addition to the debt, USD; negative when the collateral did not cover it.

    It is 0.0 for a liquidation without these details, as another program may have written it.
    """
    details: Any = (trade.other_data or {}).get(LIQUIDATION_KEY)
    try:
        if "penalty" in details:
            return float(details["penalty"])
        return float(details["taken"]) - float(abs(trade.executed_quantity or 0)) * float(details["price"])
    except (KeyError, TypeError, ValueError):
        return 0.0
