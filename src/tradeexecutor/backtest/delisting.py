"""Closing positions in markets that no longer trade.

A halt and a delisting differ only in their duration: a market that has not traded for `DelistingPolicy.after` counts as
delisted from then on, and so does one without a trade in the last week, or the last three candles, before the end of
the run. Until then positions keep the value of the last price, because the future of the market is not known.
"""

import datetime
import enum
from dataclasses import dataclass

import numpy as np

from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.state.booking.waiting_orders import discard_planned, expire_waiting_orders
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.strategy.market_data import from_us, to_us
from tradeexecutor.strategy.runner import StrategyRunner
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["DEFAULT_DELISTED_AFTER", "DelistedPosition", "Delisting", "DelistingPolicy"]

#: Default time without a trade after which a market counts as delisted; halts of some weeks happen.
DEFAULT_DELISTED_AFTER = datetime.timedelta(days=90)

_US = datetime.timedelta(microseconds=1)
_NEVER = to_us(datetime.datetime.max)

#: Longest time without a trade before the end of a run in which a market may be closed for holidays.
_LONGEST_HOLIDAY = datetime.timedelta(days=7)


class Delisting(enum.Enum):
    """Price at which a position in a delisted market is closed."""

    #: The last price.
    last_price = "last_price"
    #: Zero: it is written off. A position with debt is closed at the last price all the same.
    write_off = "write_off"


@dataclass(frozen=True, slots=True)
class DelistedPosition:
    """A position that was closed because its market is delisted.

    Attributes
    ----------
    position_id, ticker
        The position.
    closed_at, last_trade_at
        When it was closed, and when the market last traded; naive UTC.
    """

    position_id: int
    ticker: str
    closed_at: datetime.datetime
    last_trade_at: datetime.datetime


class DelistingPolicy:
    """Policy that closes positions in delisted markets.

    Parameters
    ----------
    universe
        Markets and their candles.
    pricing, wallet
        Pricing and wallet of the run.
    outcome
        Price at which the positions are closed.
    after
        Time without a trade after which a market counts as delisted.

    Attributes
    ----------
    closed
        The positions that were closed, in order of time.
    """

    def __init__(
        self,
        universe: TradingStrategyUniverse,
        pricing: BacktestPricing,
        wallet: SimulatedWallet,
        outcome: Delisting,
        after: datetime.timedelta,
    ):
        self.universe = universe
        self.pricing = pricing
        self.wallet = wallet
        self.outcome = outcome
        self.closed: list[DelistedPosition] = []
        #: Time from which a market counts as delisted (us) and internal id of its pair, the latest first.
        self._due: list[tuple[int, int]] = []
        wait = min(after // _US, _NEVER)
        for pair in universe.iterate_pairs():
            candles = universe.get_candles(pair)
            ends = candles.ends[np.r_[candles.starts[1:] - candles.ends[:-1] > wait, True]]
            self._due += [(min(int(end) + wait, _NEVER), pair.internal_id or 0) for end in ends]
        self._due.sort(reverse=True)

    @property
    def next_due_at(self) -> datetime.datetime:
        """The time from which the next market counts as delisted, naive UTC; ``datetime.max`` when there is none."""
        return from_us(self._due[-1][0]) if self._due else datetime.datetime.max

    def skip_until(self, ts: datetime.datetime) -> None:
        """Leave out the markets that counted as delisted at or before `ts`, because an earlier policy closed them."""
        self._due = [item for item in self._due if item[0] > to_us(ts)]

    def apply(self, runner: StrategyRunner, ts: datetime.datetime) -> None:
        """Close the positions in markets that count as delisted by `ts`."""
        now = to_us(ts)
        pair_ids: set[int] = set()
        while self._due and self._due[-1][0] <= now:
            pair_ids.add(self._due.pop()[1])
        self._close(runner, ts, pair_ids)

    def apply_at_end(self, runner: StrategyRunner, ts: datetime.datetime) -> None:
        """Close the positions in markets that had stopped trading long before the run ends at `ts`."""
        gone: set[int] = set()
        for pair in self.universe.iterate_pairs():
            candles = self.universe.get_candles(pair)
            if ts - candles.last_end_at > max(_LONGEST_HOLIDAY, 3 * candles.typical_length):
                gone.add(pair.internal_id or 0)
        self._close(runner, ts, gone)

    def _close(self, runner: StrategyRunner, ts: datetime.datetime, pair_ids: set[int]) -> None:
        portfolio = runner.state.portfolio
        found = [
            position
            for table in (portfolio.open_positions, portfolio.pending_positions, portfolio.frozen_positions)
            for position in table.values()
            if (position.pair.internal_id or 0) in pair_ids and not self._has_traded(position, ts)
        ]
        for position in found:
            self._close_position(runner, ts, position)

    def _has_traded(self, position: TradingPosition, ts: datetime.datetime) -> bool:
        """Return True if the market has reopened since it counted as delisted; the decision may be later than that."""
        cursor = self.universe.get_cursor(position.pair)
        index = cursor.seek(to_us(ts))
        return index >= 0 and cursor.ends[index] > to_us(ts)

    def _close_position(self, runner: StrategyRunner, ts: datetime.datetime, position: TradingPosition) -> None:
        portfolio = runner.state.portfolio
        cursor = self.universe.get_cursor(position.pair)
        last_end = cursor.candles.ends[cursor.seek_visible(to_us(ts))]
        last_trade_at = ts - datetime.timedelta(microseconds=to_us(ts) - int(last_end))
        expire_waiting_orders(position, ts)
        for trade in list(position.get_unsettled_trades()):
            if trade.is_planned():
                trade.add_note("lapsed: the market is delisted")
                discard_planned(portfolio, trade, ts)
        if position.is_pending():
            portfolio.pending_positions.pop(position.position_id, None)
            portfolio.expired_positions[position.position_id] = position
            return
        quantity = position.get_quantity()
        if not quantity:
            return
        note = f"delisted: {position.pair.get_ticker()} has not traded since {last_trade_at}"
        is_frozen = position.position_id in portfolio.frozen_positions
        has_debt = position.is_leverage()
        if has_debt and is_frozen:
            return  # its debt cannot be repaid, and is not forgiven
        # A debt has to be repaid at a price that there was; it is never a gift.
        if (self.outcome is Delisting.write_off and not has_debt) or is_frozen:
            position.add_notes_message(note)
            portfolio.mark_down_position(position, ts)
            self.wallet.update_balance(position.pair.base, -quantity, note)
        else:
            price = self.pricing.get_last_price(ts, position.pair)
            manager = runner.make_position_manager(ts)
            trades = manager.close_position(position, notes=note, trigger_price=price)
            runner.execute(ts, trades, triggered=True)
        if position.is_closed():
            ticker = position.pair.get_ticker()
            self.closed.append(DelistedPosition(position.position_id, ticker, ts, last_trade_at))
