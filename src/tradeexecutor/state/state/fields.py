"""The fields of `State`."""

import datetime
from dataclasses import dataclass, field

from tradeexecutor.state.archive_ref import ArchiveRef
from tradeexecutor.state.benchmark import Benchmark
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import LEFT_OUT_WHEN_EMPTY, Serialisable
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.deployment_info import DeploymentInfo
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.statistics import Statistics
from tradeexecutor.state.sync import Sync
from tradeexecutor.state.types import USDollarPrice, UTCDatetime, new_dict, new_list, new_set
from tradeexecutor.state.uptime import Uptime
from tradeexecutor.state.visualisation import Visualisation


@dataclass(slots=True)
class BacktestData(Serialisable):
    """Facts about the simulation; only backtests have them."""

    #: Start of the simulated period.
    start_at: UTCDatetime
    #: End of the simulated period.
    end_at: UTCDatetime
    #: Time between two decisions.
    decision_cycle_duration: CycleDuration
    #: First time at which the strategy had enough data to decide.
    ready_at: UTCDatetime | None = None
    #: Free text about the run; None without one.
    description: str | None = None
    #: What could have been held instead: everything that could be traded, then single pairs.  Not in the file when
    #: there is none.
    benchmarks: list[Benchmark] = field(default_factory=new_list, metadata=LEFT_OUT_WHEN_EMPTY)

    def mark_ready(self, timestamp: datetime.datetime) -> None:
        """Record when the strategy had enough data to decide; only the first call counts."""
        if self.ready_at is None:
            to_datetime = getattr(timestamp, "to_pydatetime", None)
            self.ready_at = to_datetime() if to_datetime else timestamp


@dataclass(slots=True, repr=False)
class StateFields(Serialisable):
    """Fields of the root object. Users see `tradeexecutor.state.state.State`."""

    #: Time at which the state was made.
    created_at: UTCDatetime = field(default_factory=utc_now)
    #: Share price at the start of the recorded history; differs from 1.0 after early history was pruned.
    initial_share_price: USDollarPrice = 1.0
    #: Time of the last save.
    last_updated_at: UTCDatetime | None = None
    #: Number of the next decision cycle, from 1.
    cycle: int = 1
    #: Logical time of the latest decision cycle.
    last_cycle_at: UTCDatetime | None = None
    #: Logical time of the latest decision cycle after which positions were open.
    last_open_positions_cycle_at: UTCDatetime | None = None
    #: Name of the strategy, for people.
    name: str | None = None
    #: Positions, trades and reserves.
    portfolio: Portfolio = field(default_factory=Portfolio)
    #: Samples of the portfolio and of its positions over time.
    stats: Statistics = field(default_factory=Statistics)
    #: Asset identifiers; old files have bare addresses.
    asset_blacklist: set[str] = field(default_factory=new_set)
    #: Tokens that must not be traded.
    blacklisted_assets: set[AssetIdentifier] = field(default_factory=new_set)
    #: Asset identifier -> text; the first line has the time.
    blacklist_reason: dict[str, str] = field(default_factory=new_dict)
    #: What the strategy draws and notes about its decisions.
    visualisation: Visualisation = field(default_factory=Visualisation)
    #: Completed cycles, and checks in between.
    uptime: Uptime = field(default_factory=Uptime)
    #: What was read from the chain, and up to where.
    sync: Sync = field(default_factory=Sync)
    #: How the strategy was deployed; None if nothing was recorded.
    deployment_info: DeploymentInfo | None = None
    #: Facts about the simulation; None in live trading.
    backtest_data: BacktestData | None = None
    #: User variables by cycle.
    other_data: OtherData | None = field(default_factory=OtherData)
    #: Archives with the detail that was removed from closed positions, oldest first. Left out of the file if empty.
    archives: list[ArchiveRef] = field(default_factory=new_list, metadata=LEFT_OUT_WHEN_EMPTY)
