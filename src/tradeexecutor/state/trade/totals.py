"""The trades of a position, with running totals, so that a long-lived position is as fast as a new one.

Trades settle roughly in the order in which they were created. `TradesById` adds up the settled trades at its beginning
once, and reads the few at its end on every call. A trade may wait while many later ones settle, like a take profit far
away or a request to a slow vault. It is then added up with its current values and listed in `TradeTotals.waiting`, so
the later ones can be added up, too.

A trade that has been added up is attached to the table, see :mod:`tradeexecutor.state.codec.watched_record`. The table
adds up all trades again after an assignment to a field that the totals depend on, and after any change of the table
except a new trade at its end. A position whose `trades` is a plain dictionary works as well, but is slower.

Trades are always added in the order of the table, so cached and recomputed totals have the same digits.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from collections.abc import Collection
from decimal import Decimal
from itertools import islice

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL, ensure_exact_zero
from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.trade.lifecycle import IN_FLIGHT
from tradeexecutor.state.trade.trade import TradeExecution, TradeStatus
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_SUCCESS, _PLANNED, _EXPIRED = TradeStatus.success, TradeStatus.planned, TradeStatus.expired

#: While fewer trades than this at the end of a table are not in the cached totals, they are added on every call. A
#: trade that waits gets into the cached totals once this many later ones are settled.
UNCOUNTED_TRADES = 8

#: So few trades are added up faster than their totals are looked up, where nothing but their quantity is needed.
FEW_TRADES = 3

#: Shorter tables are added up, too, once their totals have been asked for so often, as on every bar of a backtest.
READS_BEFORE_COUNTING = 8

#: Statuses in which a trade may wait for a long time.
_WAITING = frozenset({_PLANNED, TradeStatus.vault_settlement_pending, TradeStatus.cctp_in_transit})


class TradeTotals:
    """Sums over trades.

    Attributes
    ----------
    quantity
        What successful trades add to the position, base token units, signed.
    tokens
        Executed quantity of the trades that count as equity, base token units, signed.
    locked_reserve
        Capital locked in started and broadcasted buys, reserve token units.
    bought, sold
        Quantities of successful buys and sells, base token units, >= 0.
    bought_usd, sold_usd
        Values of successful buys and sells, USD, >= 0.
    all_bought_usd, all_sold_usd
        Values of buys and sells of any status, USD, >= 0.
    has_buys, has_sells
        Whether there is a buy or sell of any status.
    quantity_as_planned
        `quantity` with the planned trades.
    waiting
        The trades without outcome among those added up.
    """

    __slots__ = (
        "_converted",
        "_tokens_as_float",
        "all_bought_usd",
        "all_sold_usd",
        "bought",
        "bought_usd",
        "has_buys",
        "has_sells",
        "locked_reserve",
        "quantity",
        "quantity_as_planned",
        "sold",
        "sold_usd",
        "tokens",
        "waiting",
    )

    def __init__(self) -> None:
        self.quantity = self.quantity_as_planned = self.tokens = self.locked_reserve = ZERO_DECIMAL
        self.bought = self.sold = ZERO_DECIMAL
        self.bought_usd: USDollarAmount = 0
        self.sold_usd: USDollarAmount = 0
        self.all_bought_usd: USDollarAmount = 0
        self.all_sold_usd: USDollarAmount = 0
        self.has_buys = self.has_sells = False
        self.waiting: tuple[TradeExecution, ...] = ()
        self._converted, self._tokens_as_float = ZERO_DECIMAL, 0.0

    def copy(self) -> "TradeTotals":
        """Return an independent copy."""
        result = TradeTotals.__new__(TradeTotals)
        result.quantity, result.quantity_as_planned = self.quantity, self.quantity_as_planned
        result.tokens, result.locked_reserve = self.tokens, self.locked_reserve
        result.bought, result.bought_usd, result.all_bought_usd = self.bought, self.bought_usd, self.all_bought_usd
        result.sold, result.sold_usd, result.all_sold_usd = self.sold, self.sold_usd, self.all_sold_usd
        result.has_buys, result.has_sells = self.has_buys, self.has_sells
        result.waiting = self.waiting
        result._converted, result._tokens_as_float = self._converted, self._tokens_as_float
        return result

    def add(self, trade: TradeExecution) -> None:
        """Add the next trade to the sums."""
        executed, price = trade._executed_quantity, trade._executed_price
        if not (
            executed is None
            or price is None
            or not trade._executed_at
            or trade._failed_at
            or trade._repaired_at
            or trade._repaired_trade_id
        ):  # nearly always: a success, whose value and quantity need no call
            self._add_success(
                executed, abs(float(executed) * float(price)), is_buy=trade._planned_quantity > ZERO_DECIMAL
            )
            return
        value = trade.get_value()
        status = trade.get_status()
        if status is _SUCCESS or status in IN_FLIGHT:
            if trade._executed_quantity is not None:
                self.tokens += trade._executed_quantity
            if status is not _SUCCESS:
                self.locked_reserve += trade.get_equity_for_reserve()
        successful = trade._executed_at is not None
        quantity = trade.get_position_quantity() if successful else ZERO_DECIMAL
        if successful:
            self.quantity += quantity
            self.quantity_as_planned += quantity
        elif status is _PLANNED:
            self.quantity_as_planned += trade.get_position_quantity()
        if trade._planned_quantity > ZERO_DECIMAL:
            self.has_buys = True
            self.all_bought_usd += value
            if successful:
                self.bought += quantity
                self.bought_usd += value
        else:
            self.has_sells = True
            self.all_sold_usd += value
            if successful:
                self.sold += abs(quantity)
                self.sold_usd += value

    def _add_success(self, quantity: Decimal, value: USDollarAmount, *, is_buy: bool) -> None:
        """Add a success that was not repaired: what it executed, base token units, signed, and its value, USD."""
        self.tokens += quantity
        self.quantity += quantity
        self.quantity_as_planned += quantity
        if is_buy:
            self.has_buys = True
            self.all_bought_usd += value
            self.bought += quantity
            self.bought_usd += value
        else:
            self.has_sells = True
            self.all_sold_usd += value
            self.sold += abs(quantity)
            self.sold_usd += value

    def get_tokens_as_float(self) -> float:
        """Return `tokens` as a float; converted once, because that takes longer than what most callers do with it."""
        if self._converted is not self.tokens:
            self._tokens_as_float = float(self.tokens)
            self._converted = self.tokens
        return self._tokens_as_float

    def get_buy_quantity(self) -> Decimal:
        """Return `bought` without rounding errors."""
        return ensure_exact_zero(self.bought)

    def get_sell_quantity(self) -> Decimal:
        """Return `sold` without rounding errors."""
        return ensure_exact_zero(self.sold)

    def get_average_buy(self) -> USDollarPrice:
        """Return the average price of the successful buys, USD; 0.0 without buys."""
        quantity = self.get_buy_quantity()
        return self.bought_usd / float(quantity) if quantity else 0.0

    def get_average_sell(self) -> USDollarPrice:
        """Return the average price of the successful sells, USD; 0.0 without sells."""
        quantity = self.get_sell_quantity()
        return self.sold_usd / float(quantity) if quantity else 0.0


#: The sums over no trades; must not be changed.
NO_TOTALS = TradeTotals()


class TradesById(WatchedDict[int, TradeExecution]):
    """Trade id -> trade, in order of creation, with totals of the settled trades at its beginning."""

    #: Totals of the first `_settled_count` trades.
    _settled: TradeTotals = NO_TOTALS
    _settled_count: int = 0
    #: How often totals were asked for while trades were not in `_settled`.
    _reads: int = 0

    def forget(self) -> None:
        """Discard the cached totals; the next call adds up all trades again."""
        self._settled = NO_TOTALS
        self._settled_count = 0

    def on_removed(self, key: int, entry: TradeExecution) -> None:
        """Discard the cached totals and notify the listeners."""
        self.forget()
        super().on_removed(key, entry)

    def on_entry_changed(self, entry: TradeExecution) -> None:
        """Discard the cached totals if the trade is in them, and notify the listeners."""
        if self._settled_count and not any(trade is entry for trade in self.get_uncounted()):
            self.forget()
        super().on_entry_changed(entry)

    def on_changed(self) -> None:
        """Discard the cached totals and notify the listeners."""
        self.forget()
        super().on_changed()

    def count_settled(self) -> tuple[TradeTotals, Collection[TradeExecution]]:
        """Add the settled trades at the beginning to the totals; returns like `split_trades`."""
        self.watch()
        return self._settle(self.get_uncounted())

    def note_read(self) -> None:
        """Count a request for totals of a table that is not added up, and add it up after some of them."""
        self._reads += 1
        if self._reads >= READS_BEFORE_COUNTING:
            self._reads = 0
            self.count_settled()

    def get_uncounted(self) -> list[TradeExecution]:
        """Return the last trades, which are not in the cached totals."""
        count = len(self) - self._settled_count
        if count == 1:  # nearly always: a trade that is planned or in flight
            return [next(reversed(self.values()))]
        rest = list(islice(reversed(self.values()), count))
        rest.reverse()
        return rest

    def _settle(self, rest: list[TradeExecution]) -> tuple[TradeTotals, list[TradeExecution]]:
        """Add the settled trades at the beginning of `rest` to the totals; return the totals and the other trades."""
        added = 0
        settled_later: int | None = None  # counted only if a trade has no outcome
        for trade in rest:
            settled = _is_settled(trade)
            if settled:
                if settled_later is not None:
                    settled_later -= 1
            else:
                if settled_later is None:
                    settled_later = sum(map(_is_settled, rest[added:]))
                if settled_later < UNCOUNTED_TRADES or trade.get_status() not in _WAITING:
                    break
            if not trade.attach(self, trade.trade_id):
                break
            if self._settled is NO_TOTALS:
                self._settled = TradeTotals()
            try:
                self._settled.add(trade)
            except BaseException:
                self.forget()
                raise
            if not settled:
                self._settled.waiting += (trade,)
            added += 1
        self._settled_count += added
        return self._settled, rest[added:]


def _is_settled(trade: TradeExecution) -> bool:
    """Return True if the trade has its outcome. A trade in flight depends on fields that are not watched."""
    if trade._executed_at is not None or trade._failed_at is not None:
        return True
    return trade._expired_at is not None and trade.get_status() is _EXPIRED


def split_trades(trades: dict[int, TradeExecution]) -> tuple[TradeTotals, Collection[TradeExecution]]:
    """Return the totals of the first trades, which must not be changed, and the trades after them.

    All trades of a plain dictionary are returned as unsettled.
    """
    if not isinstance(trades, TradesById):
        return NO_TOTALS, trades.values()
    settled_count = trades._settled_count
    if not settled_count:
        if len(trades) < UNCOUNTED_TRADES:
            return NO_TOTALS, trades.values()
    else:
        uncounted = len(trades) - settled_count
        if not uncounted:
            return trades._settled, ()
        if uncounted < UNCOUNTED_TRADES:
            return trades._settled, trades.get_uncounted()
    return trades.count_settled()


def add_up(trades: dict[int, TradeExecution]) -> TradeTotals:
    """Return the totals of all trades; the caller must not change them."""
    if isinstance(trades, TradesById) and len(trades) != trades._settled_count:
        trades.note_read()
    settled, rest = split_trades(trades)
    if not rest:
        return settled
    totals = TradeTotals() if settled is NO_TOTALS else settled.copy()
    for trade in rest:
        totals.add(trade)
    return totals
