"""Lending of idle cash from ``decide_trades``: supplies of the reserve currency to a lending pool, at a price of 1.

A supply grows by its interest. `manage_credit_flow` moves cash between the reserves and the supply, so that a strategy
that computes what it needs with `calculate_credit_flow_needed` never has to know which of the two has it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.pandas_trader.leveraged_orders import LeveragedOrders
from tradeexecutor.strategy.pandas_trader.position_rules import (
    NotEnoughCashForBuys,
    PositionManagerError,
    check_pair,
    check_position,
    has_no_market,
)
from tradeexecutor.strategy.pandas_trader.spot_planner import sells_all

__all__ = ["CreditPositions", "PositionAvailabilityResponse"]


@dataclass(frozen=True, slots=True)
class PositionAvailabilityResponse:
    """Answer to the question whether a position of a pair can be opened now.

    Attributes
    ----------
    pair
        The pair.
    available
        Whether it can be opened.
    reason
        Why not; None if it can.
    """

    pair: TradingPairIdentifier
    available: bool
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.available


class CreditPositions(LeveragedOrders):
    """The part of `PositionManager` that lends idle cash, and says what cash there is."""

    __slots__ = ()

    # --- Supplying and recalling

    def open_credit_supply_position_for_reserves(
        self,
        amount: USDollarAmount | Decimal,
        flags: set[TradeFlag] | None = None,
        notes: str | None = None,
        lending_reserve_identifier: object = None,
    ) -> list[TradeExecution]:
        """Lend an amount of the reserve currency.

        Parameters
        ----------
        amount
            Reserve currency; rounded down to its decimals.
        flags, notes
            Stored with the trade.
        lending_reserve_identifier
            Accepted for existing strategies: the reserve currency is what is lent.

        Raises
        ------
        PositionManagerError
            The amount is not positive.
        """
        del lending_reserve_identifier
        pair = self.strategy_universe.get_credit_supply_pair()
        trade = self._plan_credit(
            pair, self._to_reserve(amount), flags={TradeFlag.open} | (flags or set()), notes=notes
        )
        message = f"Lent {trade.planned_reserve} {pair.quote.token_symbol}, position #{trade.position_id}"
        self.state.visualisation.add_message(self.timestamp, message)
        return [trade]

    def adjust_credit_supply_position(
        self,
        position: TradingPosition,
        new_value: USDollarAmount | None = None,
        delta: USDollarAmount | None = None,
        trade_type: TradeType = TradeType.rebalance,
        flags: set[TradeFlag] | None = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Lend more, or recall a part.

        Parameters
        ----------
        position
            An open supply of credit.
        new_value, delta
            Value after the trade, or its change, USD; exactly one of them.
        trade_type, flags, notes
            Stored with the trade.

        Returns
        -------
        list
            The trade; empty when nothing changes.

        Raises
        ------
        PositionManagerError
            Both or none of the amounts are given, or all would be recalled.
        """
        _check_credit(position)
        if (new_value is None) == (delta is None):
            raise PositionManagerError("give either the new value or its change")
        if delta is None:
            delta = float(new_value or 0) - position.get_value()
        if not delta:
            return []
        amount = self._to_reserve(abs(delta))
        if delta < 0 and amount >= position.get_quantity():
            raise PositionManagerError(
                f"{position} has {position.get_quantity()}; close_credit_supply_position closes it"
            )
        own_flags = {TradeFlag.increase if delta > 0 else TradeFlag.reduce}
        trade = self._plan_credit(
            position.pair,
            amount if delta > 0 else -amount,
            flags=own_flags | (flags or set()),
            notes=notes,
            trade_type=trade_type,
            position=position,
        )
        return [trade]

    def close_credit_supply_position(
        self,
        position: TradingPosition,
        quantity: Decimal | None = None,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Recall a supply of credit with its interest.

        Parameters
        ----------
        position
            An open supply of credit.
        quantity
            What is recalled, reserve currency; None for everything.
        notes, trade_type, flags
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            The position is closed.
        """
        _check_credit(position)
        if position.is_closed():
            raise PositionManagerError(f"{position} is already closed")
        if self._withdraw_opening(position):
            return []
        trade = self._plan_credit(
            position.pair,
            -(position.get_quantity() if quantity is None else quantity),
            flags={TradeFlag.close} | (flags or set()),
            notes=notes,
            trade_type=trade_type,
            position=position,
            closing=True,
        )
        if quantity is not None and quantity < position.get_quantity():
            self._remember_part(trade)
        return [trade]

    def replan_credit(self, position: TradingPosition, trade: TradeExecution) -> None:
        """Plan an order again for the loan of now; a simulation calls it when the order arrives, no strategy.

        A recall of everything takes the interest of its way, too, and no recall takes more than there is.

        Raises
        ------
        InvalidTrade
            Nothing is lent that could be recalled.
        """
        if trade.is_sell():
            held = position.get_quantity()
            if sells_all(trade) or -trade.planned_quantity > held:
                trade.planned_quantity, trade.planned_reserve = -held, held
        trade.planned_loan_update, _ = get_loan_after_trade(
            position.loan, trade, LoanChange.read(trade), closing=TradeFlag.close in (trade.flags or ())
        )

    def add_cash_to_credit_supply(
        self, cash: USDollarAmount, min_usd_threshold: USDollarAmount = 1.0
    ) -> list[TradeExecution]:
        """Lend cash in addition to what is lent; nothing below the threshold, USD."""
        if cash < min_usd_threshold:
            return []
        position = self._find_credit_position()
        if position is None:
            return self.open_credit_supply_position_for_reserves(cash)
        return self.adjust_credit_supply_position(position, delta=cash)

    # --- Flow between cash and credit

    def calculate_credit_flow_needed(
        self,
        trades: Iterable[TradeExecution],
        allocation_pct: Percent,
        buffer_pct: Percent = 0.01,
        lending_reserve_identifier: object = None,
    ) -> USDollarAmount:
        """Return what has to be recalled (+) before trades can be executed, or may be lent (-), USD.

        It is the cost of the buys less the proceeds of the sells, plus what shall stay in cash, less the cash; not more
        than what is lent.

        Parameters
        ----------
        trades
            Planned trades of the decision.
        allocation_pct
            Fraction of the portfolio that may be invested, 0-1; the rest stays in cash.
        buffer_pct
            Fraction by which the sells may bring less than planned.
        lending_reserve_identifier
            Accepted for existing strategies.

        Raises
        ------
        PositionManagerError
            The allocation is not a fraction from 0 to 1.
        """
        del lending_reserve_identifier
        if not 0 <= allocation_pct <= 1:
            raise PositionManagerError(f"the allocation must be a fraction from 0 to 1, not {allocation_pct}")
        paid, received = self._sum_cash(trades)
        kept = self.state.portfolio.get_net_asset_value() * (1 - allocation_pct)
        flow = paid - received * (1 - buffer_pct) + kept - self.get_current_cash()
        if flow <= 0:
            return flow
        position = self._find_credit_position()
        return 0.0 if position is None else min(flow, position.get_value())

    def manage_credit_flow(
        self,
        flow: USDollarAmount,
        lending_reserve_identifier: object = None,
        cash_change_tolerance_usd: USDollarAmount = 50.0,
    ) -> list[TradeExecution]:
        """Recall (+) or lend (-) an amount, USD.

        A recall closes the supply, which claims its interest, and lends the rest again as a new position.

        Parameters
        ----------
        flow
            See `calculate_credit_flow_needed`.
        lending_reserve_identifier
            Accepted for existing strategies.
        cash_change_tolerance_usd
            Smaller flows change nothing.

        Returns
        -------
        list
            Planned trades, the recall first.

        Raises
        ------
        PositionManagerError
            Nothing is lent that could be recalled.
        """
        del lending_reserve_identifier
        if abs(flow) < cash_change_tolerance_usd:
            return []
        if flow < 0:
            return self.add_cash_to_credit_supply(-flow)
        position = self._find_credit_position()
        if position is None:
            raise PositionManagerError(f"nothing is lent, {flow:,.2f} cannot be recalled")
        rest = round_down_to_units(position.get_quantity() - Decimal(flow), self.reserve_currency.decimals)
        trades = self.close_credit_supply_position(position)
        if rest >= Decimal(str(cash_change_tolerance_usd)):
            trades += self.open_credit_supply_position_for_reserves(rest, flags={TradeFlag.ignore_open})
        return trades

    # --- Checks

    def check_enough_cash(self, trades: Iterable[TradeExecution]) -> None:
        """Check that cash and what sells and recalls bring cover buys, shorts and lending.

        Raises
        ------
        NotEnoughCashForBuys
            They do not cover them.
        """
        paid, received = self._sum_cash(trades)
        available = self.get_current_cash() + received
        if paid > available:
            message = f"the buys cost {paid:,.2f}, there are {available:,.2f}, {received:,.2f} of it from sells"
            raise NotEnoughCashForBuys(message, available, paid)

    def get_cash_after(self, trades: Iterable[TradeExecution]) -> USDollarAmount:
        """Return the cash after planned trades, as planned; negative when they cost more than there is, USD."""
        paid, received = self._sum_cash(trades)
        return self.get_current_cash() + received - paid

    def check_enter_position(self, pair: TradingPairIdentifier) -> PositionAvailabilityResponse:
        """Return whether a position of a pair can be opened: the pair is good, and has a price."""
        check_pair(pair)
        market = pair.get_pricing_pair()
        if self.is_problematic_pair(market):
            return PositionAvailabilityResponse(
                pair, available=False, reason="blacklisted, or frozen by a failed trade"
            )
        if not has_no_market(pair) and not self.pricing_model.can_trade(self.timestamp, market):
            return PositionAvailabilityResponse(pair, available=False, reason="its market has no price now")
        return PositionAvailabilityResponse(pair, available=True)

    # --- Helpers

    def _sum_cash(self, trades: Iterable[TradeExecution]) -> tuple[USDollarAmount, USDollarAmount]:
        """Return what planned trades take from the cash and what they bring at once, USD; not those on other chains."""
        paid = received = 0.0
        for trade in trades:
            pair = trade.pair
            if pair.kind.is_leverage():
                released = float(trade.planned_collateral_allocation or 0)
                paid += float(trade.planned_reserve) + max(released, 0.0)
                received += max(-released, 0.0)
            elif pair.quote.chain_id != self.reserve_currency.chain_id:
                continue
            elif trade.is_buy():
                paid += trade.get_planned_value()
            elif not (pair.is_async_vault() or (pair.is_cctp_bridge() and BridgeTerms.of(pair).transfer_time)):
                received += trade.get_planned_value()  # the others bring it later
        return paid, received

    def _find_credit_position(self) -> TradingPosition | None:
        positions = self.state.portfolio.open_positions.values()
        return next((position for position in positions if position.is_credit_supply()), None)

    def _plan_credit(
        self,
        pair: TradingPairIdentifier,
        amount: Decimal,
        *,
        flags: set[TradeFlag],
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        position: TradingPosition | None = None,
        closing: bool = False,
    ) -> TradeExecution:
        """Plan to lend (+) or recall (-) an amount of the reserve currency."""
        _, trade, _ = self.state.supply_credit(
            strategy_cycle_at=self.timestamp,
            pair=pair,
            trade_type=trade_type,
            reserve_currency=self.reserve_currency,
            collateral_asset_price=self.reserve_price,
            collateral_quantity=amount,
            notes=notes,
            pair_fee=0.0,
            lp_fees_estimated=0.0,
            planned_mid_price=self.reserve_price,
            position=position,
            closing=closing,
            flags=flags,
        )
        return trade


def _check_credit(position: TradingPosition) -> None:
    check_position(position)
    if not position.is_credit_supply():
        raise UnsupportedPairKind(f"{position} is not a supply of credit")
