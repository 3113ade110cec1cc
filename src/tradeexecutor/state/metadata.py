"""Public description of a strategy beside its state; it is kept in memory and never saved."""

import datetime
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.types import JSONHexAddress, JSONObject, new_dict, new_list, new_set


class StrategyTag(enum.Enum):
    """Labels for sorting and filtering strategies."""

    unit_testing = "unit_testing"
    alpha = "alpha"
    beta = "beta"
    live = "live"
    archived = "archived"
    internal_testing = "internal_testing"
    #: The strategy is shown first.
    hero = "hero"
    deposits_disabled = "deposits_disabled"
    exchange_account_strategy = "exchange_account_strategy"
    exchange_account_strategy_gmx = "exchange_account_strategy_gmx"
    exchange_account_strategy_derive = "exchange_account_strategy_derive"
    closed_source = "closed_source"


@dataclass(slots=True)
class OnChainData:
    """Addresses of the strategy on chain."""

    chain_id: int | None = None
    #: How assets are held: the name of the vault type, or ``hot_wallet``.
    asset_management_mode: str | None = None
    #: Contracts of the vault by role, e.g. ``vault``, ``comptroller``.
    smart_contracts: JSONObject = field(default_factory=new_dict)
    #: Address that may change the vault.
    owner: JSONHexAddress | None = None
    #: Account that signs the trades.
    trade_executor_hot_wallet: JSONHexAddress | None = None


@dataclass(slots=True)
class Metadata:
    """Description of a strategy for its web page."""

    name: str
    short_description: str | None
    long_description: str | None
    icon_url: str | None
    #: Time of the start of the executor, naive UTC.
    started_at: datetime.datetime
    #: False after a crash.
    executor_running: bool
    on_chain_data: OnChainData = field(default_factory=OnChainData)
    #: `State` of the backtest with which live trading is compared.
    backtested_state: Any = field(default=None, repr=False)
    #: Reports of the backtest.
    backtest_notebook: Path | None = None
    backtest_html: Path | None = None
    #: Key metrics use only live data when there is at least this much of it.
    key_metrics_backtest_cut_off: datetime.timedelta = datetime.timedelta(days=365 * 2)
    badges: list[str] = field(default_factory=new_list)
    tags: set[StrategyTag] = field(default_factory=new_set)
    #: Strategies with a higher number are shown earlier.
    sort_priority: int = 0
    #: Management and performance fees, fractions by name.
    fees: JSONObject = field(default_factory=new_dict)

    @staticmethod
    def create_dummy() -> "Metadata":
        """Return metadata for tests."""
        return Metadata(
            name="Dummy",
            short_description="Dummy metadata",
            long_description=None,
            icon_url=None,
            started_at=utc_now(),
            executor_running=True,
        )

    def has_backtest_data(self) -> bool:
        """Return True if both reports of the backtest exist."""
        return all(path is not None and path.exists() for path in (self.backtest_notebook, self.backtest_html))

    @staticmethod
    def parse_badges_configuration(config_line: str | None) -> list[str]:
        """Return the items of a comma-separated list.

        >>> Metadata.parse_badges_configuration("polygon, metamask")
        ['polygon', 'metamask']
        """
        return [badge.strip() for badge in config_line.split(",")] if config_line else []
