"""The root of the tree: everything a strategy remembers.

>>> state = State(name="example")
>>> State.read_json_blob(state.to_json()).name
'example'

Trade transitions are in :mod:`~tradeexecutor.state.state.transitions`.
"""

import datetime
import os
from pathlib import Path
from typing import Any, Self

from tradeexecutor.state.value_checks import check_naive_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import decode
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.interning import share_equal_objects
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, SCHEMA_VERSION_KEY, require_state, upcast
from tradeexecutor.state.display.html_repr import render_state
from tradeexecutor.state.errors import (
    DamagedStateFile,
    IntegrityError,
    InvalidStateFile,
    InvalidValue,
    NewerStateFile,
    UncleanState,
)
from tradeexecutor.state.files.checksum_header import parse_sealed
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import planning
from tradeexecutor.state.state.fields import BacktestData
from tradeexecutor.state.state.transitions import StateTrading
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType

__all__ = [
    "BacktestData",
    "State",
    "TradeExecution",
    "TradeFlag",
    "TradeStatus",
    "TradeType",
    "TradingPosition",
    "UncleanState",
]


class State(StateTrading):
    """Everything a strategy remembers, in backtests and live trading alike."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<State for {self.name}>"

    def _repr_html_(self) -> str:
        return render_state(self)

    # --- JSON

    def to_dict(self) -> dict[str, Any]:
        """Return the tree of the state file: plain JSON data, with the schema version first."""
        tree = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, **super(StateTrading, self).to_dict()}
        if not self.archives:
            del tree["archives"]  # most states never have any, and other programs need not learn of it
        return tree

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, consume: bool = False) -> Self:
        """Build a state from the tree of a state file, old schema versions included.

        The objects inside the tree of an old file are changed in place; `data` itself is not.

        Parameters
        ----------
        consume
            The tree is not needed afterwards: equal pairs and assets in it may become one object, which halves the
            memory of a state with many trades.

        Raises
        ------
        NewerStateFile
            The schema version is newer than this program.
        InvalidStateFile
            The tree is not a state.
        """
        if not isinstance(data, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidStateFile(f"a state is a JSON object, got {type(data).__name__}")
        data = dict(data)
        version = data.pop(SCHEMA_VERSION_KEY, 0)
        if type(version) is not int or version < 0:
            raise InvalidStateFile(f"{SCHEMA_VERSION_KEY} must be a positive integer, got {version!r}")
        if version > SCHEMA_VERSION:
            raise NewerStateFile(version, SCHEMA_VERSION)
        upcast(data, version)
        return decode(data, cls, share_equal_objects if consume else None)

    @classmethod
    def read_json_blob(cls, text: str | bytes) -> Self:
        """Read a state from JSON text; raises `InvalidStateFile`, `DamagedStateFile` or `NewerStateFile`."""
        with pause_garbage_collection():
            return cls.from_dict(require_state(parse_sealed(text)), consume=True)

    @classmethod
    def read_json_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a state file.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        InvalidStateFile, DamagedStateFile, NewerStateFile
            The message names the file.
        """
        path = Path(path)
        content = path.read_bytes()
        try:
            return cls.read_json_blob(content)
        except NewerStateFile as e:
            raise NewerStateFile(e.file_version, e.supported_version, path) from None
        except DamagedStateFile as e:
            raise DamagedStateFile(e.reason, path) from None
        except InvalidStateFile as e:
            raise InvalidStateFile(str(e), path) from e

    def to_json_safe(self) -> str:
        """Return JSON text; raises `BadStateData` naming the path of a value that must not reach a file."""
        return self.to_json()

    def write_json_file(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, atomically.

        The text is made before the file is touched: a value that cannot be written leaves the old file in place.
        `last_updated_at` is not changed.  Live strategies save through `tradeexecutor.state.store.JSONFileStore`.
        """
        write_atomically(Path(path), self.to_json_bytes())

    # --- Planning trades

    request_trade = planning.request_trade
    request_short = planning.request_short
    request_credit = planning.request_credit
    create_trade = planning.create_trade
    trade_short = planning.trade_short
    supply_credit = planning.supply_credit

    # --- Cycle bookkeeping

    def record_cycle_end(self, cycle: int, now_: datetime.datetime | None = None, live: bool = False) -> None:
        """Record that a decision cycle is complete; live cycles also in `other_data`."""
        if type(cycle) is not int:
            raise InvalidValue(f"cycle must be an int, got {cycle!r}")
        now_ = now_ or utc_now()
        check_naive_utc(now_, "end of the cycle")
        self.uptime.record_cycle_complete(cycle, now_)
        if live and self.other_data is not None:
            self.other_data.save(cycle, "decision_cycle_ended_at", now_.isoformat())

    def mark_ready(self, timestamp: datetime.datetime) -> None:
        """Record in a backtest when the strategy had enough data to decide; only the first call counts."""
        if self.backtest_data is not None:
            self.backtest_data.mark_ready(timestamp)

    # --- Time ranges

    def get_strategy_time_range(self) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """Return start and end: of the backtest, else from creation to the last save."""
        if self.backtest_data is not None and self.backtest_data.start_at:
            return self.backtest_data.start_at, self.backtest_data.end_at or self.last_cycle_at
        return self.created_at, self.last_updated_at

    def get_trading_time_range(self) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """Return the strategy range without the time before it was ready and after the last open position."""
        start, end = self.get_strategy_time_range()
        if self.backtest_data is not None and self.backtest_data.ready_at:
            return self.backtest_data.ready_at, self.last_open_positions_cycle_at or self.last_cycle_at
        return start, self.last_open_positions_cycle_at or end

    def get_strategy_duration(self) -> datetime.timedelta | None:
        """Return the length of the strategy range; None when either end is unknown."""
        start, end = self.get_strategy_time_range()
        return end - start if start is not None and end is not None else None

    def get_formatted_strategy_duration(self) -> str:
        """Return e.g. ``3 days 4 hours``, under a day ``4 hours 5 minutes``, or ``Unknown``."""
        duration = self.get_strategy_duration()
        if duration is None:
            return "Unknown"
        hours, rest = divmod(duration.seconds, 3600)
        return f"{duration.days} days {hours} hours" if duration.days else f"{hours} hours {rest // 60} minutes"

    def get_strategy_start_and_end(self) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """Return the times of the first and last portfolio sample, or of the first and last trade."""
        samples = self.stats.portfolio
        if samples:
            return samples[0].calculated_at, samples[-1].calculated_at
        first, last = self.portfolio.get_first_and_last_executed_trade()
        return (first.opened_at if first else None), (last.executed_at if last else None)

    # --- Assets that must not be traded

    def is_empty(self) -> bool:
        """Tell whether nothing has happened yet."""
        return self.portfolio.is_empty()

    def is_good_pair(self, pair: TradingPairIdentifier) -> bool:
        """Tell whether the pair is tradeable and neither of its tokens is blacklisted."""
        if not isinstance(pair, TradingPairIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"expected a TradingPairIdentifier, got {pair!r}")
        return pair.is_tradeable() and not self._is_blacklisted(pair.base) and not self._is_blacklisted(pair.quote)

    def _is_blacklisted(self, asset: AssetIdentifier) -> bool:
        return (
            asset in self.blacklisted_assets
            or asset.get_identifier() in self.asset_blacklist
            or asset.address in self.asset_blacklist  # old files
        )

    def blacklist_asset(self, asset: AssetIdentifier, reason: str | None = None) -> None:
        """Stop trading an asset; the reason is recorded with the time."""
        if not isinstance(asset, AssetIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"expected an AssetIdentifier, got {asset!r}")
        identifier = asset.get_identifier()
        self.asset_blacklist.add(identifier)
        self.blacklisted_assets.add(asset)
        self.blacklist_reason[identifier] = f"Blacklisted {utc_now()}:\n{reason or '-'}"

    def unblacklist_asset(self, asset: AssetIdentifier) -> None:
        """Allow an asset again; raises `InvalidValue` if it is not blacklisted."""
        if not self._is_blacklisted(asset):
            raise InvalidValue(f"{asset} is not blacklisted")
        identifier = asset.get_identifier()
        self.asset_blacklist -= {identifier, asset.address}
        self.blacklisted_assets.discard(asset)
        self.blacklist_reason.pop(identifier, None)

    # --- Reserves

    def update_reserves(self, new_reserves: list[ReservePosition]) -> None:
        """Replace reserves by asset; raises `UnexecutedTrades` while trades are in flight."""
        self.portfolio.update_reserves(new_reserves)

    # --- Checks

    def check_if_clean(self) -> None:
        """Raise `UncleanState` if a trade was broadcasted and its outcome never recorded."""
        unclean = [
            trade
            for position in self.portfolio.get_open_and_frozen_positions()
            for trade in position.trades.values()
            if trade.is_unfinished()
        ]
        if unclean:
            names = ", ".join(str(trade) for trade in unclean)
            raise UncleanState(
                f"trades were broadcasted and their outcome is not known: {names}; "
                "check them on the chain and repair them",
                [trade.trade_id for trade in unclean],
            )

    def perform_integrity_check(self) -> None:
        """Check the ids of the tree.

        Position and trade ids are unique over all tables, the id counters are above every used id, table keys
        equal the ids in the values, trades know their position, and statistics belong to known positions.

        Raises
        ------
        IntegrityError
            Names the first contradiction.
        """
        portfolio = self.portfolio
        positions: dict[int, TradingPosition] = {}
        trades: dict[int, TradeExecution] = {}
        for table in portfolio.get_position_tables():
            for key, position in table.items():
                if position.position_id != key or key in positions:
                    raise IntegrityError(f"position id {key} is used twice or does not match its position {position!r}")
                positions[key] = position
        for position in positions.values():
            for table in (position.trades, position.pending_trades, position.expired_trades):
                for key, trade in table.items():
                    # A partial take profit is in `trades` and `pending_trades` at once.
                    if trade.trade_id != key or (key in trades and trades[key].position_id != trade.position_id):
                        raise IntegrityError(
                            f"trade id {key} is used twice or does not match its trade {trade.trade_id}"
                        )
                    if trade.position_id != position.position_id:
                        raise IntegrityError(
                            f"trade #{key} says position #{trade.position_id}, is in #{position.position_id}"
                        )
                    trades[key] = trade
        for what, used, following in (
            ("position", positions, portfolio.next_position_id),
            ("trade", trades, portfolio.next_trade_id),
        ):
            highest = max(used, default=0)
            if highest + 1 != following:
                raise IntegrityError(f"next {what} id is {following}, the highest used one is {highest}")
        unknown = sorted(set(self.stats.positions) - set(positions))
        if unknown:
            raise IntegrityError(f"statistics of unknown positions: {unknown}")
