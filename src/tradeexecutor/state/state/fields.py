"""What the root of the tree records: the fields of `State`."""

import datetime
from dataclasses import dataclass, field

from tradeexecutor.state.archive_ref import ArchiveRef
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
    """What was simulated; only backtests have it."""

    start_at: UTCDatetime
    end_at: UTCDatetime
    decision_cycle_duration: CycleDuration
    #: First time the strategy had enough data to decide.
    ready_at: UTCDatetime | None = None
    description: str | None = None

    def mark_ready(self, timestamp: datetime.datetime) -> None:
        """Record when the strategy was ready; only the first call counts."""
        if self.ready_at is None:
            to_datetime = getattr(timestamp, "to_pydatetime", None)
            self.ready_at = to_datetime() if to_datetime else timestamp


@dataclass(slots=True, repr=False)
class StateFields(Serialisable):
    """Fields of the root object.  Users see `tradeexecutor.state.state.State`."""

    created_at: UTCDatetime = field(default_factory=utc_now)
    #: Baseline of share price returns; differs from 1.0 after early history was pruned.
    initial_share_price: USDollarPrice = 1.0
    #: When the state was last saved.
    last_updated_at: UTCDatetime | None = None
    #: Number of the next decision cycle, from 1.
    cycle: int = 1
    #: Logical time of the latest decision cycle.
    last_cycle_at: UTCDatetime | None = None
    last_open_positions_cycle_at: UTCDatetime | None = None
    name: str | None = None
    portfolio: Portfolio = field(default_factory=Portfolio)
    stats: Statistics = field(default_factory=Statistics)
    #: Asset identifiers; bare addresses in old files.
    asset_blacklist: set[str] = field(default_factory=new_set)
    blacklisted_assets: set[AssetIdentifier] = field(default_factory=new_set)
    #: Asset identifier -> text; the first line has the time.
    blacklist_reason: dict[str, str] = field(default_factory=new_dict)
    visualisation: Visualisation = field(default_factory=Visualisation)
    uptime: Uptime = field(default_factory=Uptime)
    sync: Sync = field(default_factory=Sync)
    deployment_info: DeploymentInfo | None = None
    backtest_data: BacktestData | None = None
    #: User variables by cycle.
    other_data: OtherData | None = field(default_factory=OtherData)
    #: Where detail went that was taken out of closed positions, oldest first.  Not in the file when there is none.
    archives: list[ArchiveRef] = field(default_factory=new_list, metadata=LEFT_OUT_WHEN_EMPTY)
