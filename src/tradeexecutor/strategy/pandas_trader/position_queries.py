"""Queries of positions, pairs and cash for strategies."""

from collections.abc import Iterable

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import USDollarAmount
from tradeexecutor.strategy.pandas_trader.position_rules import NoSingleOpenPositionException, check_pair
from tradeexecutor.strategy.pandas_trader.spot_planner import SpotPlanner
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["PositionQueries"]


class PositionQueries(SpotPlanner):
    """Read-only methods of `PositionManager`."""

    __slots__ = ()

    @property
    def universe(self) -> TradingStrategyUniverse:
        """Pairs that may be traded; the historical name of `strategy_universe`."""
        return self.strategy_universe

    def is_any_open(self) -> bool:
        """Return True if any position is open."""
        return bool(self.state.portfolio.open_positions)

    def is_any_long_position_open(self) -> bool:
        """Return True if any long position is open."""
        return any(position.is_long() for position in self.state.portfolio.open_positions.values())

    def is_any_short_position_open(self) -> bool:
        """Return True if any short position is open."""
        return any(position.is_short() for position in self.state.portfolio.open_positions.values())

    def is_any_credit_supply_position_open(self) -> bool:
        """Return True if any credit supply position is open."""
        return any(position.is_credit_supply() for position in self.state.portfolio.open_positions.values())

    def get_current_cash(self) -> USDollarAmount:
        """Return the cash in reserves, USD."""
        return self.state.portfolio.get_cash()

    def get_current_portfolio(self) -> Portfolio:
        """Return the portfolio."""
        return self.state.portfolio

    def get_pending_redemptions(self) -> USDollarAmount:
        """Return the pending redemptions, USD."""
        return float(self.state.sync.treasury.pending_redemptions or 0)

    def get_current_position(self) -> TradingPosition:
        """Return the only open position; raises `NoSingleOpenPositionException`."""
        return self._get_single(list(self.state.portfolio.open_positions.values()), "open")

    def get_current_long_position(self) -> TradingPosition:
        """Return the only open long position; raises `NoSingleOpenPositionException`."""
        positions = [position for position in self.state.portfolio.open_positions.values() if position.is_long()]
        return self._get_single(positions, "open long")

    def get_current_short_position(self) -> TradingPosition:
        """Return the only open short position; raises `NoSingleOpenPositionException`."""
        positions = [position for position in self.state.portfolio.open_positions.values() if position.is_short()]
        return self._get_single(positions, "open short")

    def get_current_credit_supply_position(self) -> TradingPosition:
        """Return the only open credit supply position; raises `NoSingleOpenPositionException`."""
        positions = self.state.portfolio.open_positions.values()
        return self._get_single([position for position in positions if position.is_credit_supply()], "open credit")

    @staticmethod
    def _get_single(positions: list[TradingPosition], kind: str) -> TradingPosition:
        if len(positions) != 1:
            raise NoSingleOpenPositionException(f"there are {len(positions)} {kind} positions, not exactly one")
        return positions[0]

    @contract_signature
    def get_current_position_for_pair(
        self, pair: TradingPairIdentifier, pending: bool = False
    ) -> TradingPosition | None:
        """Return the open position of a pair, or None; with `pending`, a pending position takes precedence."""
        check_pair(pair)
        portfolio = self.state.portfolio
        if not portfolio.open_positions and not pending:
            return None
        return portfolio.get_position_by_trading_pair(pair, pending=pending)

    @contract_signature
    def get_closed_positions_for_pair(
        self, pair: TradingPairIdentifier, include_test_position: bool = False
    ) -> list[TradingPosition]:
        """Return the closed positions of a pair, oldest first."""
        check_pair(pair)
        return list(self.state.portfolio.get_closed_positions_for_pair(pair, include_test_position))

    def get_last_closed_position(self) -> TradingPosition | None:
        """Return the most recently closed position; None if there is none."""
        closed = self.state.portfolio.closed_positions.values()
        return max(closed, key=lambda position: (position.closed_at, position.position_id), default=None)

    def get_trading_pair(
        self, description: int | str | Iterable[object] | TradingPairIdentifier
    ) -> TradingPairIdentifier:
        """Return a pair of the universe by internal id, ticker or (chain, exchange, base, quote)."""
        if isinstance(description, TradingPairIdentifier):
            return self.strategy_universe.get_pair_by_id(description.internal_id or 0)
        if isinstance(description, int):
            return self.strategy_universe.get_pair_by_id(description)
        if not isinstance(description, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            check_pair(description)
        return self.strategy_universe.get_pair_by_human_description(description)

    def get_pair_fee(self, pair: TradingPairIdentifier | None = None, direction: str = "buy") -> float | None:
        """Return the trading fee of a pair as a fraction; the same in both directions for now."""
        del direction
        if pair is None:
            pair = self.strategy_universe.get_single_pair()
        check_pair(pair)
        return self.pricing_model.get_pair_fee(self.timestamp, pair)

    def estimate_asset_quantity(self, pair: TradingPairIdentifier, dollar_amount: USDollarAmount) -> float:
        """Return the quantity of the base asset that a USD amount buys at the mid price."""
        check_pair(pair)
        return dollar_amount / self.pricing_model.get_mid_price(self.timestamp, pair)
