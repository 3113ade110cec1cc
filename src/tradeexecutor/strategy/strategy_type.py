"""Import path of existing strategies: the value of ``trading_strategy_type``."""

import enum

__all__ = ["StrategyType"]


class StrategyType(enum.Enum):
    """How a strategy decides; all of them are a function ``decide_trades``."""

    managed_positions = "managed_positions"
    position_manager = "position_manager"
    portfolio_construction = "portfolio_construction"
