"""The trades of a position, with running totals, so that a long-lived position answers as fast as a new one.

Trades settle in about the order in which they were made.  `TradesById` adds up the settled ones at its beginning once,
and looks at the few at its end every time.  A trade may wait while many later ones settle, like a take profit far away
or a request to a slow vault.  It does not hold them up: it is added up as what it is, and listed in
`TradeTotals.waiting`.

The totals follow every change.  A trade that has been added up is attached to the table, see
:mod:`tradeexecutor.state.codec.watched_record`: the table adds all trades up again after an assignment to a field that
the totals depend on, and after any change of the table but a new trade at its end.  A position whose `trades` was
replaced by a plain dictionary works as well, only slower.

Sums run left to right in the order of the table whether they are kept or made again, so both ways give the same
digits.
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

#: Fewer trades than this at the end of a table are not added up but looked at every time.  A trade that waits is added
#: up, too, once this many later ones are settled.
UNCOUNTED_TRADES = 8

#: A trade may stay like this for long.
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
        Capital of started and broadcasted buys, reserve token units.
    bought, sold
        Quantities of successful buys and sells, base token units, >= 0.
    bought_usd, sold_usd
        Their values, USD, >= 0.
    all_bought_usd, all_sold_usd
        Values of buys and sells of any status, USD, >= 0.
    has_buys, has_sells
        Whether there is a buy or sell of any status.
    quantity_as_planned
        `quantity` with the planned trades.
    waiting
        Those of the trades that wait for their outcome.
    """

    __slots__ = (
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

    def copy(self) -> "TradeTotals":
        """Return an independent copy."""
        result = TradeTotals.__new__(TradeTotals)
        result.quantity, result.quantity_as_planned = self.quantity, self.quantity_as_planned
        result.tokens, result.locked_reserve = self.tokens, self.locked_reserve
        result.bought, result.bought_usd, result.all_bought_usd = self.bought, self.bought_usd, self.all_bought_usd
        result.sold, result.sold_usd, result.all_sold_usd = self.sold, self.sold_usd, self.all_sold_usd
        result.has_buys, result.has_sells = self.has_buys, self.has_sells
        result.waiting = self.waiting
        return result

    def add(self, trade: TradeExecution) -> None:
        """Add one more trade."""
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

    def get_buy_quantity(self) -> Decimal:
        """Return `bought`, rounding errors removed."""
        return ensure_exact_zero(self.bought)

    def get_sell_quantity(self) -> Decimal:
        """Return `sold`, rounding errors removed."""
        return ensure_exact_zero(self.sold)

    def get_average_buy(self) -> USDollarPrice:
        """Return the average price of the successful buys, 0.0 without any."""
        quantity = self.get_buy_quantity()
        return self.bought_usd / float(quantity) if quantity else 0.0

    def get_average_sell(self) -> USDollarPrice:
        """Return the average price of the successful sells, 0.0 without any."""
        quantity = self.get_sell_quantity()
        return self.sold_usd / float(quantity) if quantity else 0.0


_NOTHING = TradeTotals()


class TradesById(WatchedDict[int, TradeExecution]):
    """Trade id -> trade, in order of creation, with totals of the settled trades at its beginning."""

    #: Totals of the first `_settled_count` trades.
    _settled: TradeTotals = _NOTHING
    _settled_count: int = 0

    def forget(self) -> None:
        """Add all trades up again when they are next asked for."""
        self._settled = _NOTHING
        self._settled_count = 0

    def on_removed(self, key: int, entry: TradeExecution) -> None:
        """Forget the totals and tell the listeners."""
        self.forget()
        super().on_removed(key, entry)

    def on_entry_changed(self, entry: TradeExecution) -> None:
        """Forget the totals and tell the listeners."""
        self.forget()
        super().on_entry_changed(entry)

    def on_changed(self) -> None:
        """Forget the totals and tell the listeners."""
        self.forget()
        super().on_changed()

    def split(self) -> tuple[TradeTotals, Collection[TradeExecution]]:
        """Return the totals of the trades at the beginning, not to be changed, and the trades after them."""
        if len(self) < UNCOUNTED_TRADES:
            return _NOTHING, self.values()
        self.watch()
        size = len(self) - self._settled_count
        rest = list(islice(reversed(self.values()), size))
        rest.reverse()
        return (self._settled, rest) if size < UNCOUNTED_TRADES else self._settle(rest)

    def _settle(self, rest: list[TradeExecution]) -> tuple[TradeTotals, list[TradeExecution]]:
        """Add the settled trades at the beginning of `rest` to the totals; return these and what is left."""
        added = 0
        settled_later = sum(map(_is_settled, rest))
        for trade in rest:
            settled = _is_settled(trade)
            if settled:
                settled_later -= 1
            elif settled_later < UNCOUNTED_TRADES or trade.get_status() not in _WAITING:
                break
            if not trade.attach(self, trade.trade_id):
                break
            if self._settled is _NOTHING:
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
    """Tell whether the trade has its outcome; what is in flight depends on more fields than are watched."""
    if trade._executed_at is not None or trade._failed_at is not None:
        return True
    return trade._expired_at is not None and trade.get_status() is _EXPIRED


def split_trades(trades: dict[int, TradeExecution]) -> tuple[TradeTotals, Collection[TradeExecution]]:
    """Return `TradesById.split`, for a plain dictionary everything as unsettled."""
    if len(trades) < UNCOUNTED_TRADES or not isinstance(trades, TradesById):
        return _NOTHING, trades.values()
    return trades.split()


def add_up(trades: dict[int, TradeExecution]) -> TradeTotals:
    """Return the totals of all trades; not to be changed by the caller."""
    settled, rest = split_trades(trades)
    if not rest:
        return settled
    totals = TradeTotals() if settled is _NOTHING else settled.copy()
    for trade in rest:
        totals.add(trade)
    return totals
