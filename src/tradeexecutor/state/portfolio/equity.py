"""Value and profit of the portfolio; all amounts are USD.

*Total equity* is open positions, loans, cash and capital in flight; it excludes frozen positions.
*Net asset value* includes frozen positions and excludes bridge transfers in transit.
*Net assets* (`calculate_net_assets`) include everything, and each dollar once.
"""

import functools
import operator
from collections import defaultdict
from collections.abc import Sequence

from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.portfolio.cash import get_cash
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.portfolio.lookup import (
    add_up_closed,
    get_all_positions,
    get_open_and_frozen_positions,
    get_open_loans,
)
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.value import get_spot_equity
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.state.types import USDollarAmount

_SPOT = TradingPairKind.spot_market_hold
_CCTP_BRIDGE, _VAULT = TradingPairKind.cctp_bridge, TradingPairKind.vault
_LOAN_KINDS = frozenset(kind for kind in TradingPairKind if kind.is_credit_based())


# --- Cash


def has_trading_capital(portfolio: PortfolioFields, threshold_usd: USDollarAmount = 0.15) -> bool:
    """Return True if total equity reaches the threshold."""
    return calculate_total_equity(portfolio) >= threshold_usd


# --- Equity


def calculate_total_equity(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the value of open positions, loans, cash and capital in flight, USD; excludes frozen positions.

    Capital in flight is what started trades have taken out of the cash: bridge transfers in transit, pending vault
    deposits, and reserves on their way into a loan or into a position that a trigger is opening.
    """
    # One pass instead of one for each of the five parts.
    total = get_cash(portfolio)
    positions = portfolio.open_positions
    if positions:
        for position in positions.values():
            if position.pair.kind is _SPOT:  # nearly always
                total += get_spot_equity(position)
            else:
                total += _get_net_assets(position)
    if portfolio.pending_positions:
        for position in portfolio.pending_positions.values():
            total += _get_net_assets(position)
    return total


@contract_signature
def get_net_asset_value(portfolio: PortfolioFields, include_interest: bool = True) -> USDollarAmount:
    """Return open and frozen positions, loans, cash, pending vault deposits and reserves of other trades in flight.

    Bridge transfers in transit are excluded, as in recorded figures; `calculate_net_assets` includes them.
    """
    return (
        get_position_equity_and_loan_nav(portfolio, include_interest)
        + get_frozen_position_equity(portfolio)
        + get_cash(portfolio)
        + get_vault_settlement_pending_value(portfolio)
        + get_loan_in_flight_value(portfolio)
        # Positions that a trigger has started to open; their loans are counted by get_loan_in_flight_value.
        + sum(position.get_equity() for position in portfolio.pending_positions.values())
        + sum(p.get_vault_settlement_pending_value() for p in portfolio.frozen_positions.values() if p.is_vault())
    )


def calculate_net_assets(portfolio: PortfolioFields) -> USDollarAmount:
    """Return everything the strategy owns minus what it owes, with each dollar counted once, USD.

    This is cash, open and frozen positions, loans, and every kind of capital in flight: what a trade took out of the
    cash counts from the start of the trade. `calculate_total_equity` excludes frozen positions, `get_net_asset_value`
    excludes bridge transfers.
    """
    total = get_cash(portfolio)
    for table in (portfolio.open_positions, portfolio.frozen_positions, portfolio.pending_positions):
        for position in table.values():
            total += _get_net_assets(position)
    return total


@contract_signature
def get_position_equity_and_loan_nav(portfolio: PortfolioFields, include_interest: bool = True) -> USDollarAmount:
    """Return the equity of open positions; loans count with their net asset value."""
    equity: USDollarAmount = 0
    loans: USDollarAmount = 0
    for position in portfolio.open_positions.values():
        if position.pair.kind in _LOAN_KINDS:
            loans += position.get_loan_based_nav(include_interest)
        else:
            equity += position.get_equity()
    return equity + loans


@contract_signature
def get_all_loan_nav(
    portfolio: PortfolioFields, include_interest: bool = True, include_trading_fees: bool = True
) -> USDollarAmount:
    """Return the net asset value of the loans of open positions, USD; fees are never included."""
    if not include_trading_fees:
        warn_ignored("get_all_loan_nav", "include_trading_fees", "the value of a loan contains no fees")
    return sum(
        position.get_loan_based_nav(include_interest)
        for position in portfolio.open_positions.values()
        if position.is_loan_based()
    )


def get_frozen_position_equity(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the value of frozen positions."""
    return sum(position.get_value() for position in portfolio.frozen_positions.values())


def get_live_position_equity(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the value of open positions.

    Bridge positions count gross, so capital in use on the destination chain counts twice; `calculate_net_assets`
    counts it once.
    """
    return sum(position.get_value() for position in portfolio.open_positions.values())


def get_in_transit_value(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the capital in transit over a bridge."""
    total: USDollarAmount = 0
    for position in portfolio.open_positions.values():
        if position.pair.kind is _CCTP_BRIDGE:
            total += _get_in_transit_value(position)
    return total


def get_vault_settlement_pending_value(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the deposits that asynchronous vaults have not settled."""
    total: USDollarAmount = 0
    for table in (portfolio.open_positions, portfolio.pending_positions):
        for position in table.values():
            if position.pair.kind is _VAULT:
                total += position.get_vault_settlement_pending_value()
    return total


def get_loan_in_flight_value(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the reserves of started trades that are not in their loans yet."""
    total: USDollarAmount = 0
    for table in (portfolio.open_positions, portfolio.frozen_positions, portfolio.pending_positions):
        for position in table.values():
            if position.pair.kind in _LOAN_KINDS:
                total += position.get_loan_in_flight_value()
    return total


def calculate_total_equity_chain(portfolio: PortfolioFields) -> dict[ChainId, USDollarAmount]:
    """Return the equity per chain: reserves, positions and capital in transit at its destination.

    Loans and pending vault settlements are excluded, as in recorded figures.
    """
    result: defaultdict[ChainId, USDollarAmount] = defaultdict(float)
    for reserve in portfolio.reserves.values():
        result[ChainId(reserve.asset.chain_id)] += reserve.get_value()
    for position in portfolio.open_positions.values():
        if not position.is_loan_based():
            result[ChainId(position.pair.chain_id)] += position.get_equity()
        for trade in position.trades.values():
            if trade.get_status() is TradeStatus.cctp_in_transit:
                destination = (trade.other_data or {}).get("cctp_dest_chain_id", position.pair.chain_id)
                result[ChainId(destination)] += float(trade.planned_reserve)
    return dict(result)


# --- Profit


def get_net_profit_usd(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the sum of `TradingPosition.get_net_profit_usd` of open, frozen and closed positions."""
    return sum(position.get_net_profit_usd() for position in get_all_positions(portfolio))


def get_unrealised_profit_usd(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the unrealised profit of open positions.

    Capital on a bridge counts as profit, as in recorded figures; `get_net_profit_usd` excludes it.
    """
    return sum(position.get_unrealised_profit_usd() for position in portfolio.open_positions.values())


def get_unrealised_profit_in_leveraged_positions(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the unrealised profit of open leveraged positions."""
    return sum(p.get_unrealised_profit_usd() for p in portfolio.open_positions.values() if p.is_leverage())


def get_realised_profit_in_leveraged_positions(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the realised profit of open leveraged positions."""
    return sum(p.get_realised_profit_usd() or 0 for p in portfolio.open_positions.values() if p.is_leverage())


def get_closed_profit_usd(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the profit of closed positions, test positions included."""
    return add_up_closed(portfolio, TradingPosition.get_total_profit_usd, _Total, "profit").value


class _Total:
    """Sum of amounts; 0 without any."""

    def __init__(self) -> None:
        self.value: USDollarAmount = 0

    def extend(self, amounts: Sequence[USDollarAmount]) -> None:
        """Add amounts, one after another."""
        self.value = functools.reduce(operator.add, amounts, self.value)  # `sum` of Python 3.12 rounds once


# --- Loans


def get_borrowed(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the debt of open and frozen positions."""
    return sum(position.get_borrowed() for position in get_open_and_frozen_positions(portfolio))


def get_loan_net_asset_value(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the net asset value of all loans of open and frozen positions."""
    return sum(loan.get_net_asset_value() for loan in get_open_loans(portfolio))


def get_total_claimed_interest(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the collateral interest that was moved to the cash."""
    return sum(position.get_claimed_interest() for position in get_all_positions(portfolio))


def get_total_repaid_interest(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the debt interest that was repaid."""
    return sum(position.get_repaid_interest() for position in get_all_positions(portfolio))


def _get_net_assets(position: TradingPosition) -> USDollarAmount:
    """Return the share of a position, which must not be closed, in the net assets; includes capital in flight."""
    kind = position.pair.kind
    if kind in _LOAN_KINDS:
        return position.get_loan_based_nav() + position.get_loan_in_flight_value()
    value = position.get_equity()
    if kind is _VAULT:
        value += position.get_vault_settlement_pending_value()
    elif kind is _CCTP_BRIDGE:
        value += _get_in_transit_value(position)
    return value


def _get_in_transit_value(position: TradingPosition) -> USDollarAmount:
    """Return the capital of a bridge position that has left one chain and not arrived on the other."""
    return sum(
        float(trade.planned_reserve)
        for trade in position.get_unsettled_trades()
        if trade.get_status() is TradeStatus.cctp_in_transit
    )
