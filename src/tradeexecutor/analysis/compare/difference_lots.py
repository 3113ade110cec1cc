"""What one run holds more of a pair than the other, split by the cause of it.

The difference of two runs is itself a portfolio: a buy that only B made is a holding of the difference, and its profit
is what the buy changed. Each holding has a *cause*. A later trade that ends the difference, such as the sale of tokens
that only one of the runs has, is no cause of its own: it closes the holdings, and their profit belongs to their causes.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.analysis.compare.causes import Cause

__all__ = ["DifferenceLots"]

ZERO = Decimal(0)


@dataclass(slots=True)
class _Lot:
    """Tokens of one cause, and what they have cost, USD; both are negative for what B has less."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO


@dataclass(slots=True)
class DifferenceLots:
    """Holdings of the difference in one pair.

    Attributes
    ----------
    lots
        What is held, by cause.
    profits
        Profit of what was closed, by cause, USD.
    """

    lots: dict[Cause, _Lot] = field(default_factory=dict[Cause, _Lot])
    profits: defaultdict[Cause, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))

    @property
    def quantity(self) -> Decimal:
        """How many tokens more B holds than A."""
        return sum((lot.quantity for lot in self.lots.values()), ZERO)

    def open(self, cause: Cause, quantity: Decimal, price: Decimal) -> None:
        """Add tokens of a cause at a price, USD per token."""
        lot = self.lots.setdefault(cause, _Lot())
        lot.quantity += quantity
        lot.cost += quantity * price

    def trade(
        self, quantity: Decimal, price: Decimal, cause: Cause, closes_first: Collection[Cause] = ()
    ) -> Cause | None:
        """Book a trade of the difference: it closes what is held on the other side, and the rest opens.

        Parameters
        ----------
        quantity
            Tokens that B bought more, or sold less, than A.
        price
            USD per token.
        cause
            Cause of the trade, if it does not end an earlier difference.
        closes_first
            Causes whose tokens are closed before those of others. Among equals, all are closed in the same proportion.

        Returns
        -------
        Cause or None
            The cause of which tokens were opened; None when everything was closed.
        """
        rest = quantity
        for keys in ([key for key in self.lots if key in closes_first], list(self.lots)):
            held = sum((self.lots[key].quantity for key in keys), ZERO)
            if rest and held and (held > 0) != (rest > 0):
                closed = -held if abs(rest) >= abs(held) else rest
                ended = self._close(keys, closed, held, price)
                rest -= closed
                if abs(closed) >= abs(rest):
                    cause = ended  # the trade was made to end that difference, and what remains of it is small
        if not rest:
            return None
        self.open(cause, rest, price)
        return cause

    def _close(self, keys: Sequence[Cause], closed: Decimal, held: Decimal, price: Decimal) -> Cause:
        """Close a share of some lots; return the cause of the largest one."""
        share = -closed / held
        largest = max(keys, key=lambda key: abs(self.lots[key].quantity))
        remaining = -closed
        for key in keys:
            if key is not largest:
                lot = self.lots[key]
                quantity = lot.quantity * share
                remaining -= quantity
                self._realise(key, quantity, lot.cost * share, price)
        # The largest one takes what the rounding of the others left.
        self._realise(largest, remaining, self.lots[largest].cost * share, price)
        return largest

    def _realise(self, cause: Cause, quantity: Decimal, cost: Decimal, price: Decimal) -> None:
        lot = self.lots[cause]
        lot.quantity -= quantity
        lot.cost -= cost
        self.profits[cause] += quantity * price - cost

    def flatten(self, price: Decimal) -> None:
        """Close everything at a price; holdings that cancel each other out are closed, too."""
        for cause, lot in self.lots.items():
            self.profits[cause] += lot.quantity * price - lot.cost
        self.lots.clear()
