"""Tags of strategies, which say to clients what a strategy is."""

import enum

__all__ = ["StrategyTag"]


class StrategyTag(enum.Enum):
    """One tag; ``tags`` of a strategy module is a set of them."""

    unit_testing = "unit_testing"
    alpha = "alpha"
    beta = "beta"
    live = "live"
    archived = "archived"
    internal_testing = "internal_testing"
    hero = "hero"
    deposits_disabled = "deposits_disabled"
    exchange_account_strategy = "exchange_account_strategy"
    exchange_account_strategy_gmx = "exchange_account_strategy_gmx"
    exchange_account_strategy_derive = "exchange_account_strategy_derive"
    closed_source = "closed_source"
