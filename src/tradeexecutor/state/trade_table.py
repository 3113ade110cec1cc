"""The trades of a position, with running totals, so that a long-lived position answers as fast as a new one.

Trades settle in about the order in which they were made.  `TradeTable` adds up the settled ones at its beginning
once, and looks at the few at its end every time.

Fields are public and people assign to them.  A trade that has been added up is *sealed*: it stays a
`TradeExecution`, but assigning to one of the fields that the totals depend on breaks the seal, and the table adds up
anew when it is next asked.  So does any change of the table other than appending a trade.  A position whose `trades`
was replaced by a plain dictionary works as well, only slower.

Sums run left to right in the order of the table whether they are kept or made anew, so both ways give the same
digits.
"""

import weakref
from collections.abc import Collection
from decimal import Decimal
from itertools import islice
from typing import Any, SupportsIndex

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL, ensure_exact_zero
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade_status import IN_FLIGHT
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_SUCCESS = TradeStatus.success

#: So many trades at the end of the table are looked at every time: fewer than this are not worth adding up.
_MAX_REST = 8

#: Assigning to one of these on a sealed trade changes the totals.
_COUNTED_FIELDS = frozenset(
    {
        "broadcasted_at",
        "cctp_in_transit_at",
        "executed_at",
        "executed_price",
        "executed_quantity",
        "expired_at",
        "failed_at",
        "planned_price",
        "planned_quantity",
        "repaired_at",
        "repaired_trade_id",
        "started_at",
        "vault_settlement_pending_at",
    }
)


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
        "sold",
        "sold_usd",
        "tokens",
    )

    def __init__(self) -> None:
        self.quantity = self.tokens = self.locked_reserve = self.bought = self.sold = ZERO_DECIMAL
        self.bought_usd: USDollarAmount = 0
        self.sold_usd: USDollarAmount = 0
        self.all_bought_usd: USDollarAmount = 0
        self.all_sold_usd: USDollarAmount = 0
        self.has_buys = self.has_sells = False

    def copy(self) -> "TradeTotals":
        """Return an independent copy."""
        result = TradeTotals.__new__(TradeTotals)
        result.quantity, result.tokens, result.locked_reserve = self.quantity, self.tokens, self.locked_reserve
        result.bought, result.bought_usd, result.all_bought_usd = self.bought, self.bought_usd, self.all_bought_usd
        result.sold, result.sold_usd, result.all_sold_usd = self.sold, self.sold_usd, self.all_sold_usd
        result.has_buys, result.has_sells = self.has_buys, self.has_sells
        return result

    def add(self, trade: TradeExecution) -> None:
        """Add one more trade."""
        value = trade.get_value()
        status = trade.get_status()
        if status is _SUCCESS or status in IN_FLIGHT:
            if trade.executed_quantity is not None:
                self.tokens += trade.executed_quantity
            if status is not _SUCCESS:
                self.locked_reserve += trade.get_equity_for_reserve()
        successful = trade.executed_at is not None
        quantity = trade.get_position_quantity() if successful else ZERO_DECIMAL
        if successful:
            self.quantity += quantity
        if trade.planned_quantity > 0:
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


class TradeTable(dict[int, TradeExecution]):
    """Trade id -> trade, in order of creation, with totals of the settled trades at its beginning."""

    # Class attributes until something settles, so that making a table costs no more than making a dictionary.
    _settled: TradeTotals = _NOTHING
    _settled_count: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return TradeTable, (dict(self),)

    def forget(self) -> None:
        """Add up anew next time."""
        self._settled = _NOTHING
        self._settled_count = 0

    def split(self) -> tuple[TradeTotals, Collection[TradeExecution]]:
        """Return the totals of the trades at the beginning, not to be changed, and the trades after them."""
        size = len(self) - self._settled_count
        if size < _MAX_REST and not self._settled_count:
            return _NOTHING, self.values()
        rest = list(islice(reversed(self.values()), size))
        rest.reverse()
        return (self._settled, rest) if size < _MAX_REST else self._settle(rest)

    def _settle(self, rest: list[TradeExecution]) -> tuple[TradeTotals, list[TradeExecution]]:
        """Add the settled trades at the beginning of `rest` to the totals; return these and what is left."""
        settled = 0
        for trade in rest:
            if trade.executed_at is None and trade.failed_at is None and trade.expired_at is None:
                break
            if not _seal(trade, self):
                break
            if self._settled is _NOTHING:
                self._settled = TradeTotals()
            self._settled.add(trade)
            settled += 1
        self._settled_count += settled
        return self._settled, rest[settled:]

    # --- Changes other than appending

    def __setitem__(self, key: int, value: TradeExecution) -> None:
        if key in self:
            self.forget()
        super().__setitem__(key, value)

    def __delitem__(self, key: int) -> None:
        self.forget()
        super().__delitem__(key)

    def pop(self, *args: Any) -> Any:
        """Remove a trade, see `dict.pop`."""
        self.forget()
        return super().pop(*args)

    def popitem(self) -> tuple[int, TradeExecution]:
        """Remove the last trade, see `dict.popitem`."""
        self.forget()
        return super().popitem()

    def clear(self) -> None:
        """Remove all trades."""
        self.forget()
        super().clear()

    def update(self, *args: Any, **kwargs: TradeExecution) -> None:
        """Add or replace trades, see `dict.update`."""
        self.forget()
        super().update(*args, **kwargs)

    def setdefault(self, key: int, default: Any = None) -> Any:
        """Return a trade, adding it if missing, see `dict.setdefault`."""
        return super().setdefault(key, default)

    def __ior__(self, other: Any) -> "TradeTable":
        self.update(other)
        return self


def split_trades(trades: dict[int, TradeExecution]) -> tuple[TradeTotals, Collection[TradeExecution]]:
    """Return `TradeTable.split`, for a plain dictionary everything as unsettled."""
    if type(trades) is TradeTable:
        return trades.split()
    return _NOTHING, trades.values()


def add_up(trades: dict[int, TradeExecution]) -> TradeTotals:
    """Return the totals of all trades; not to be changed by the caller."""
    settled, rest = split_trades(trades)
    if not rest:
        return settled
    totals = TradeTotals() if settled is _NOTHING else settled.copy()
    for trade in rest:
        totals.add(trade)
    return totals


# --- Seals


class _SealedTrade(TradeExecution):
    """A trade that its table has added up.  Same fields, same methods; only assignments are watched."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _COUNTED_FIELDS:
            _break_seal(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in _COUNTED_FIELDS:
            _break_seal(self)
        object.__delattr__(self, name)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        _break_seal(self)  # a copy belongs to no table
        return TradeExecution.__reduce_ex__(self, protocol)


# For people and for tools that go by the name it is what it was.
_SealedTrade.__name__ = TradeExecution.__name__
_SealedTrade.__qualname__ = TradeExecution.__qualname__


def _seal(trade: TradeExecution, table: TradeTable) -> bool:
    """Seal a trade for a table; return False when it cannot be, because another table has it or it is a subclass."""
    if type(trade) is TradeExecution:
        trade.table = weakref.ref(table)
        trade.__class__ = _SealedTrade
        return True
    if type(trade) is not _SealedTrade:
        return False
    owner = trade.table()
    if owner is None or owner.get(trade.trade_id) is not trade:
        object.__setattr__(trade, "table", weakref.ref(table))
        return True
    return owner is table


def _break_seal(trade: TradeExecution) -> None:
    table = trade.table()
    object.__setattr__(trade, "__class__", TradeExecution)
    del trade.table
    if table is not None:
        table.forget()
