"""The difference between the equity of two runs, split into causes that add up to it.

The identity, with the meaning of each term and an example by hand, is in docs/compare.md. In short, with A's prices as
the yardstick: the prices of a trade that both made are compared for B's quantity, and quantities that differ are valued
at A's price. Both are exact, for any prices and quantities.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

from tradeexecutor.analysis.compare.causes import SINGLE_CAUSES, Cause
from tradeexecutor.analysis.compare.difference_lots import DifferenceLots
from tradeexecutor.analysis.compare.matching import match
from tradeexecutor.analysis.compare.pair_names import PairNamer
from tradeexecutor.analysis.compare.plot_difference import InputDifference, find_first_input
from tradeexecutor.analysis.compare.run_facts import RunFacts, Traded, read_facts
from tradeexecutor.state.state import State

__all__ = ["Attribution", "Occurrence", "Part", "attribute_difference"]

ZERO = Decimal(0)

#: Digits of the calculation: far more than a state records, so that a difference of sums is exact in its last cent.
_CONTEXT = Context(prec=60)

#: Digits after the decimal point of the result, USD.
_UNIT = Decimal("1e-9")

#: Smaller amounts, USD, are the rounding to whole units of a token; they count, and are not named.
_NOTED = Decimal("1e-5")

#: Sizes that differ by a smaller fraction are the same decision: token amounts are rounded to whole units.
_SAME_SIZE = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The first time that a cause changed something.

    Attributes
    ----------
    at
        Time of the decision, naive UTC.
    pair
        Name of the pair.
    trade_a, trade_b
        Ids of the trades; None where a run has none.
    """

    at: datetime.datetime
    pair: str
    trade_a: int | None
    trade_b: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause contributes to the difference.

    Attributes
    ----------
    amount
        USD; positive if B has more because of it.
    trades
        Number of trades that it concerns.
    first
        The first of them; None if no trade is concerned.
    """

    cause: Cause
    amount: Decimal
    trades: int = 0
    first: Occurrence | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Result of `attribute_difference`; all amounts are USD.

    Attributes
    ----------
    equity_a, equity_b
        Net asset values.
    difference
        ``equity_b - equity_a``: exactly the sum of the amounts of `parts`.
    parts
        One for each cause, in the order of `Cause`.
    gas_a, gas_b
        Gas that was paid. It comes from a wallet outside the books, so that the equity does not contain it.
    first_input
        The first recorded input that differed, up to the first decision that differed; None if none is known.
    """

    equity_a: Decimal
    equity_b: Decimal
    difference: Decimal
    parts: tuple[Part, ...]
    gas_a: Decimal
    gas_b: Decimal
    first_input: InputDifference | None = None

    @property
    def gas(self) -> Decimal:
        """How gas changes the difference, USD; negative if B paid more."""
        return self.gas_a - self.gas_b

    @property
    def difference_after_gas(self) -> Decimal:
        """Return the difference if each run had paid its gas from its own cash, USD."""
        return self.difference + self.gas

    def round_amounts(self) -> dict[Cause, Decimal]:
        """Return the amounts in whole cents; they add up to the difference in whole cents."""
        cent = Decimal("0.01")
        rounded: dict[Cause, Decimal] = {}
        total = shown = ZERO
        for part in self.parts:
            total += part.amount
            rounded[part.cause] = total.quantize(cent) - shown
            shown += rounded[part.cause]
        return rounded

    def get_part(self, cause: Cause) -> Part:
        """Return the part of a cause."""
        return next(part for part in self.parts if part.cause is cause)


def attribute_difference(a: State, b: State, time_tolerance: datetime.timedelta = datetime.timedelta(0)) -> Attribution:
    """Split the difference between the equity of two states into causes.

    Parameters
    ----------
    a, b
        The states, e.g. of the backtest and of the live strategy; they are not changed.
    time_tolerance
        How far apart the decisions of one trade may be, and times that count as equal.
    """
    namer = PairNamer((a, b))
    with localcontext(Context(prec=28)):
        facts = read_facts(a, namer), read_facts(b, namer)
    with localcontext(_CONTEXT):
        work = _Attributor(*facts, time_tolerance)
        work.attribute()
        result = work.finish()
    part = result.get_part(Cause.decision)
    until = part.first.at if part.first is not None else None
    first_input = find_first_input(a, b, until) if until is not None else None
    return Attribution(
        result.equity_a, result.equity_b, result.difference, result.parts, result.gas_a, result.gas_b, first_input
    )


@dataclass(slots=True)
class _Attributor:
    a: RunFacts
    b: RunFacts
    tolerance: datetime.timedelta
    amounts: defaultdict[Cause, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    counts: defaultdict[Cause, int] = field(default_factory=lambda: defaultdict(int))
    first: dict[Cause, Occurrence] = field(default_factory=dict[Cause, Occurrence])
    lots: defaultdict[str, DifferenceLots] = field(default_factory=lambda: defaultdict(DifferenceLots))
    #: What both runs hold of each pair at the time that is looked at.
    held: defaultdict[str, tuple[Decimal, Decimal]] = field(default_factory=lambda: defaultdict(lambda: (ZERO, ZERO)))

    def attribute(self) -> None:
        """Attribute trades, flows, interest, corrections and valuations."""
        matches = match(
            self.a.trades,
            self.b.trades,
            lambda item: (item.name, item.trade.is_buy()),
            lambda item: item.decided_at,
            lambda item: item.trade.trade_id,
            self.tolerance,
        )
        for x, y in matches:
            self._attribute_match(x, y)
        self.amounts[Cause.deposits] += self.b.sum_flows() - self.a.sum_flows()
        self.amounts[Cause.correction] += self.b.cash_corrections - self.a.cash_corrections
        for name in self._list_names():
            self.amounts[Cause.interest] += self.b.get_interest(name) - self.a.get_interest(name)
            self.amounts[Cause.correction] += self.b.get_corrections(name) - self.a.get_corrections(name)
            self._attribute_holding(name)

    def _list_names(self) -> Iterable[str]:
        return dict.fromkeys([*self.a.holdings, *self.b.holdings])

    def finish(self) -> Attribution:
        """Return the parts, with the rest that nothing explains."""
        opening = self._get_opening_balance(self.b) - self._get_opening_balance(self.a)
        self.amounts[Cause.deposits] += opening
        equity_a, equity_b = _round(self.a.equity), _round(self.b.equity)
        amounts = {cause: _round(self.amounts[cause]) for cause in Cause}
        difference = equity_b - equity_a
        amounts[Cause.unexplained] = _round(difference - sum(amounts.values(), ZERO))
        parts = tuple(Part(cause, amounts[cause], self.counts[cause], self.first.get(cause)) for cause in Cause)
        return Attribution(equity_a, equity_b, _round(difference), parts, _round(self.a.gas), _round(self.b.gas))

    @staticmethod
    def _get_opening_balance(facts: RunFacts) -> Decimal:
        """Return the money that a run without recorded deposits began with, USD; 0 with recorded ones."""
        if facts.flows:
            return ZERO
        explained = facts.cash_corrections
        for name in facts.holdings:
            explained += facts.get_trading_result(name) + facts.get_interest(name) + facts.get_corrections(name)
        return facts.equity - explained

    # --- Trades

    def _attribute_match(self, x: Traded | None, y: Traded | None) -> None:
        item = x or y
        assert item is not None, "a match has at least one trade"
        if x is not None and y is not None and x.is_executed and y.is_executed:
            self._attribute_common(x, y)
        elif x is not None and x.is_executed:
            self._attribute_single(x, y, -x.quantity, is_of_a=True)
        elif y is not None and y.is_executed:
            self._attribute_single(y, x, y.quantity, is_of_a=False)
        else:
            return
        before = self.held[item.name]
        after = (
            before[0] + (ZERO if x is None else x.quantity),
            before[1] + (ZERO if y is None else y.quantity),
        )
        self.held[item.name] = after
        lots = self.lots[item.name]
        if not any(after) and not lots.quantity:
            lots.flatten(item.price)

    def _attribute_single(self, item: Traded, other: Traded | None, quantity: Decimal, *, is_of_a: bool) -> None:
        """Attribute a trade that only one of the runs executed."""
        cause = self._find_cause(item, other, is_of_a=is_of_a)
        opened = self.lots[item.name].trade(quantity, item.price, cause, SINGLE_CAUSES)
        if opened is cause:
            self._note(cause, item if is_of_a else other, other if is_of_a else item)

    def _find_cause(self, item: Traded, other: Traded | None, *, is_of_a: bool) -> Cause:
        if other is not None:
            return Cause.failed_trade
        own, others = (self.a, self.b) if is_of_a else (self.b, self.a)
        at, ticker = item.decided_at, item.trade.pair.get_ticker()
        if others.is_frozen(item.name, at):
            return Cause.failed_trade
        if others.cycles.is_outside(at, self.tolerance):
            return Cause.period
        length = own.cycles.get_length(at)
        if length is not None and not others.cycles.has_decided(at, length, self.tolerance):
            return Cause.missed_cycle
        if own.cycles.is_late(at, ticker) or others.cycles.is_late(at, ticker):
            return Cause.late_data
        return Cause.decision

    def _attribute_common(self, x: Traded, y: Traded) -> None:
        """Attribute a trade that both executed."""
        had_difference = self._has_difference(x.decided_at)
        changes = self._split_price(x, y)
        for cause, change in changes.items():
            self.amounts[cause] -= y.quantity * change
            if abs(y.quantity * change) >= _NOTED:
                self._note(cause, x, y)
        money_a, money_b = x.quantity * x.price, y.quantity * y.price
        more = y.quantity - x.quantity
        is_sized_by_money = x.quantity > 0 and abs(money_b / money_a - 1) < abs(y.quantity / x.quantity - 1)
        if is_sized_by_money:
            # The same money buys fewer tokens at a higher price; only the rest is another size.
            more = (money_b - money_a) / y.price
        lots = self.lots[x.name]
        if more:
            is_rounding = abs(more) <= abs(x.quantity) * _SAME_SIZE
            cause = Cause.size if had_difference or is_rounding else Cause.decision
            if lots.trade(more, x.price, cause) is cause and not is_rounding:
                self._note(cause, x, y)
        if is_sized_by_money:
            for cause, change in changes.items():
                if change:
                    lots.open(cause, -money_a * change / (x.price * y.price), x.price)

    def _split_price(self, x: Traded, y: Traded) -> dict[Cause, Decimal]:
        """Return how much more B's price is than A's, by cause, USD per token.

        A price is the mid price, times the factor of the slippage, times the factor of the fees. The factors change
        from A to B one after the other, so that the changes add up to the difference.
        """
        if not (x.mid > 0 and y.mid > 0 and x.price > 0):
            return {Cause.slippage: y.price - x.price}
        moved = x.price * y.mid / x.mid
        slipped = y.price * x.fee_factor / y.fee_factor
        return {
            self._find_price_cause(x, y): moved - x.price,
            Cause.slippage: slipped - moved,
            Cause.fees: y.price - slipped,
        }

    def _find_price_cause(self, x: Traded, y: Traded) -> Cause:
        ticker_a, ticker_b = (item.trade.pair.get_ticker() for item in (x, y))
        is_late = self.a.cycles.is_late(x.decided_at, ticker_a) or self.b.cycles.is_late(y.decided_at, ticker_b)
        if is_late or abs(y.delay - x.delay) > self.tolerance:
            return Cause.late_data
        if abs(y.read_at - x.read_at) > self.tolerance or abs(y.decided_at - x.decided_at) > self.tolerance:
            return Cause.timing
        return Cause.price

    def _has_difference(self, at: datetime.datetime) -> bool:
        """Return True if the runs differed before a decision, in trades or deposits."""
        return bool(self.first) or self.a.sum_flows(at) != self.b.sum_flows(at)

    def _note(self, cause: Cause, x: Traded | None, y: Traded | None) -> None:
        self.counts[cause] += 1
        item = x or y
        assert item is not None
        if cause not in self.first:
            ids = (None if side is None else side.trade.trade_id for side in (x, y))
            self.first[cause] = Occurrence(item.decided_at, item.name, *ids)

    # --- What is held at the end

    def _attribute_holding(self, name: str) -> None:
        of_a, of_b = self.a.holdings[name], self.b.holdings[name]
        price = of_a.price if of_a.traded or not of_b.price else of_b.price
        if of_a.traded and of_b.traded:
            self.amounts[Cause.valuation] += of_b.traded * (of_b.price - of_a.price)
        elif of_b.traded:
            price = of_b.price
        lots = self.lots[name]
        lots.flatten(price)
        for cause, profit in lots.profits.items():
            self.amounts[cause] += profit


def _round(amount: Decimal) -> Decimal:
    """Return an amount with the digits of the result; zero without digits, which would be printed as ``0E-9``."""
    return amount.quantize(_UNIT) if abs(amount) >= _UNIT / 2 else ZERO
