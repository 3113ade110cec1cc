"""What a portfolio records: the fields of `Portfolio`."""

from dataclasses import dataclass, field

import msgspec

from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.codec.kept_groups import KEEP_TEXTS
from tradeexecutor.state.owner import Owner
from tradeexecutor.state.portfolio.kept_equity import KeptEquity
from tradeexecutor.state.portfolio.trade_index import TradeIndex
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.types import new_dict

_POSITION_TABLES = ("open_positions", "closed_positions", "frozen_positions", "pending_positions", "expired_positions")


class HighestIds(msgspec.Struct, frozen=True, gc=False):
    """The highest id in use of each kind; 0 for none."""

    position: int
    trade: int
    balance_update: int


class _Indexed(OpenAttributes):
    #: Set when a trade is first looked up; not part of the data.
    _trade_index: TradeIndex | None = None
    #: Set when a trade is first planned beside many positions; not part of the data.
    _kept_equity: KeptEquity | None = None
    #: The highest ids at the time when the first new id was given out; not part of the data.
    highest_ids: HighestIds | None = None
    #: The thread to which the state belongs; not part of the data.
    owner: Owner

    def get_trade_index(self) -> TradeIndex:
        """Return the index that finds trades by id, nonce and transaction hash."""
        index = self._trade_index
        if index is None:
            index = self._trade_index = TradeIndex()
        return index

    def get_kept_equity(self) -> KeptEquity:
        """Return what keeps the equity while trades are planned."""
        kept = self._kept_equity
        if kept is None:
            kept = self._kept_equity = KeptEquity()
        return kept


@dataclass(slots=True, eq=False, repr=False)
class PortfolioFields(_Indexed):
    """Fields of a portfolio. A position is in exactly one of the position tables."""

    #: Id of the next position; never reused.
    next_position_id: int = 1
    #: Unique over all positions; never reused.
    next_trade_id: int = 1
    #: Id of the next balance update; never reused.
    next_balance_update_id: int = 1
    #: Position id -> position; this and the other four tables are `PositionsById` after construction.
    open_positions: dict[int, TradingPosition] = field(default_factory=PositionsById)
    #: Asset identifier -> cash; old files use the bare address as the key.
    reserves: dict[str, ReservePosition] = field(default_factory=new_dict)
    #: Position id -> position that holds nothing any more.
    closed_positions: dict[int, TradingPosition] = field(default_factory=PositionsById, metadata=KEEP_TEXTS)
    #: Positions that wait for a repair after a failed trade.
    frozen_positions: dict[int, TradingPosition] = field(default_factory=PositionsById)
    #: For backtests: value positions without a price at zero.
    revalue_failures_as_zero: bool = False
    #: Positions that wait for a market limit trigger.
    pending_positions: dict[int, TradingPosition] = field(default_factory=PositionsById)
    #: Pending positions whose trigger expired.
    expired_positions: dict[int, TradingPosition] = field(default_factory=PositionsById)

    def __post_init__(self) -> None:
        self.owner = Owner()
        for name in _POSITION_TABLES:
            table = getattr(self, name)
            if not isinstance(table, PositionsById):
                setattr(self, name, PositionsById(table))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        cash = ", ".join(f"{reserve.quantity} {reserve.asset.token_symbol}" for reserve in self.reserves.values())
        return (
            f"<Portfolio with {len(self.open_positions)} open, {len(self.frozen_positions)} frozen and "
            f"{len(self.closed_positions)} closed positions, {cash or 'no reserves'}>"
        )
