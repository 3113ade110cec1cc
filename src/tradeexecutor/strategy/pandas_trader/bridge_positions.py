"""Moving money to other chains from ``decide_trades``, and back.

A bridge position is the money on another chain. Trades there are paid by it, and what they bring comes back to it; the
reserves pay only for trades on their own chain.
"""

import logging
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.pandas_trader.credit_positions import CreditPositions
from tradeexecutor.strategy.pandas_trader.position_rules import (
    OrderTooSmall,
    PositionManagerError,
    check_pair,
    check_position,
)

__all__ = ["BridgePositions"]

logger = logging.getLogger(__name__)


class BridgePositions(CreditPositions):
    """The part of `PositionManager` that moves money between chains."""

    __slots__ = ()

    def get_bridge_pair(self, chain_id: int) -> TradingPairIdentifier:
        """Return the bridge from the chain of the reserve currency to another; raises `PairNotFound` without one."""
        return self.strategy_universe.get_bridge_pair(chain_id)

    def get_current_bridge_position(self, chain_id: int) -> TradingPosition | None:
        """Return the open bridge position whose money is on a chain; None without one."""
        return self.state.portfolio.get_bridge_position_for_chain(chain_id)

    def get_cash_on_chain(self, chain_id: int) -> USDollarAmount:
        """Return the money on a chain that no position uses and that is not on its way, USD."""
        if chain_id == self.reserve_currency.chain_id:
            return self.get_current_cash()
        position = self.get_current_bridge_position(chain_id)
        return 0.0 if position is None else float(position.get_available_bridge_capital())

    def open_cctp_bridge_position(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        trade_type: TradeType = TradeType.rebalance,
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Send money to another chain; adds to the bridge position that is open.

        Parameters
        ----------
        pair
            The bridge, see `get_bridge_pair`.
        value
            Reserve currency to send, rounded down to its decimals; the fee of the bridge is taken out of it.
        trade_type, notes, slippage_tolerance, flags
            Stored with the trade; the amount that arrives does not slip.

        Raises
        ------
        UnsupportedPairKind
            The pair is not a bridge.
        OrderTooSmall
            The amount is below the minimum of the bridge, or its fee takes all of it.
        PositionManagerError
            The amount is not positive.
        """
        check_pair(pair)
        if not pair.is_cctp_bridge():
            raise UnsupportedPairKind(f"{pair} is not a bridge")
        amount = self._to_reserve(value)
        return [
            self._plan_transfer(
                pair,
                amount,
                trade_type,
                notes=notes,
                slippage_tolerance=slippage_tolerance,
                flags={TradeFlag.increase} | (flags or set()),
            )
        ]

    @contract_signature
    def close_cctp_bridge_position(
        self,
        position: TradingPosition,
        trade_type: TradeType = TradeType.rebalance,
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        flags: set[TradeFlag] | None = None,
        quantity: Decimal | None = None,
        pending: bool = False,
    ) -> list[TradeExecution]:
        """Bring money back from another chain.

        Parameters
        ----------
        position
            An open bridge position.
        quantity
            What is sent, token units. None for all that is there when the transfer starts: also what sales on the other
            chain bring that are planned and come first.
        trade_type, notes, slippage_tolerance, flags
            Stored with the trade.
        pending
            Accepted for existing strategies.

        Returns
        -------
        list
            The trade; empty when there is nothing to send, which is logged as a warning.

        Raises
        ------
        UnsupportedPairKind
            It is not a bridge position.
        OrderTooSmall
            The amount is below the minimum of the bridge, or its fee takes all of it.
        PositionManagerError
            The position is closed, or there is less.
        """
        del pending
        check_position(position)
        if not position.pair.is_cctp_bridge():
            raise UnsupportedPairKind(f"{position} is not a bridge position")
        if position.is_closed():
            raise PositionManagerError(f"{position} is already closed")
        available = position.get_available_bridge_capital() - _sum_planned_back(position)
        if quantity is not None:
            quantity = round_down_to_units(quantity, position.pair.base.decimals)
            if not 0 < quantity <= available:
                raise PositionManagerError(f"{position} has {available} to bring back, not {quantity}")
        closing = quantity is None or available - quantity <= get_close_epsilon_for_pair(position.pair)
        amount = available + self._sum_planned_sales(position.pair.chain_id) if closing else quantity
        assert amount is not None
        if amount <= 0:
            logger.warning("%s has nothing to bring back, only %s", position, amount)
            return []
        return [
            self._plan_transfer(
                position.pair,
                -amount,
                trade_type,
                notes=notes,
                slippage_tolerance=slippage_tolerance,
                flags={TradeFlag.close if closing else TradeFlag.reduce} | (flags or set()),
                position=position,
            )
        ]

    def _bring_back(self, position: TradingPosition) -> list[TradeExecution]:
        """Bring all money of a bridge position back, if the bridge takes it."""
        try:
            return self.close_cctp_bridge_position(position)
        except OrderTooSmall as error:
            logger.warning("%s is left open: %s", position, error)
            return []

    def _plan_transfer(
        self,
        pair: TradingPairIdentifier,
        amount: Decimal,
        trade_type: TradeType,
        *,
        notes: str | None,
        slippage_tolerance: Percent | None,
        flags: set[TradeFlag],
        position: TradingPosition | None = None,
    ) -> TradeExecution:
        """Plan to send an amount out (+) or back (-)."""
        terms, decimals = BridgeTerms.of(pair), pair.base.decimals
        obstacle = terms.find_obstacle(abs(amount), decimals)
        if obstacle is not None:
            raise OrderTooSmall(f"cannot send {abs(amount)} {pair.base.token_symbol}: {obstacle}")
        _, trade, _ = self.state.create_trade(
            strategy_cycle_at=self.timestamp,
            pair=pair,
            quantity=amount,
            reserve=None,
            assumed_price=1.0,
            trade_type=trade_type,
            reserve_currency=self.reserve_currency,
            reserve_currency_price=self.reserve_price,
            notes=notes,
            lp_fees_estimated=float(terms.get_fee(abs(amount), decimals)),
            planned_mid_price=1.0,
            position=position,
            slippage_tolerance=self.default_slippage_tolerance if slippage_tolerance is None else slippage_tolerance,
            closing=TradeFlag.close in flags,
            flags=flags,
        )
        return trade

    def _sum_planned_sales(self, chain_id: int) -> Decimal:
        """Return what the planned sales on a chain bring at once, token units."""
        total = ZERO_DECIMAL
        for position in self.state.portfolio.open_positions.values():
            pair = position.pair
            if pair.chain_id != chain_id or not (pair.is_spot() or pair.is_synchronous_vault()):
                continue
            for trade in position.get_unsettled_trades():
                if trade.is_planned() and trade.is_sell() and trade.trade_id not in position.pending_trades:
                    total += trade.planned_reserve
        return total


def _sum_planned_back(position: TradingPosition) -> Decimal:
    """Return what planned transfers take out of a bridge position, token units."""
    planned = (trade for trade in position.get_unsettled_trades() if trade.is_planned() and trade.is_sell())
    return sum((-trade.planned_quantity for trade in planned), ZERO_DECIMAL)
