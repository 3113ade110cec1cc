"""Records of the internal share price of positions; :mod:`tradeexecutor.accounting.share_price` computes them."""

import datetime
from dataclasses import dataclass

from tradeexecutor.accounting.share_price import Shares, buy_shares, change_assets, open_shares, sell_shares
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice, UTCDatetime


@dataclass(slots=True)
class PositionInternalSharePriceState(Serialisable):
    """Present internal share price of a spot, vault or exchange account position.

    A change returns a new record and leaves the old one unchanged as history.
    """

    #: Assets divided by supply, USD per share.
    current_share_price: float
    #: Number of internal shares.
    total_supply: float
    #: Tokens held.
    cumulative_quantity: float
    #: All money ever invested, USD.
    total_invested: USDollarAmount
    #: Highest supply ever.
    peak_total_supply: float
    #: Share price at the opening of the position, USD per share.
    initial_share_price: float = 1.0
    #: Time of the latest trade or flow that changed it.
    last_updated_at: UTCDatetime | None = None

    @staticmethod
    def open(
        value: USDollarAmount, quantity: float, at: datetime.datetime | None, initial_share_price: float = 1.0
    ) -> "PositionInternalSharePriceState":
        """Return the first record, after a purchase of `quantity` tokens for `value` USD; both equal for accounts."""
        return _record(open_shares(value, quantity, initial_share_price), at)

    def after_trade(
        self, quantity: float, price: USDollarPrice, value: USDollarAmount, at: datetime.datetime | None
    ) -> "PositionInternalSharePriceState":
        """Return the record after an executed trade. Only the time changes when nothing was traded or held.

        Parameters
        ----------
        quantity
            Executed tokens, + buy, - sell.
        price, value
            Executed price and value, USD; the value is positive.
        """
        shares = (  # those of `_get_shares`, without a call
            self.current_share_price,
            self.total_supply,
            self.cumulative_quantity,
            self.total_invested,
            self.peak_total_supply,
            self.initial_share_price,
        )
        if quantity > 0.0:
            shares = buy_shares(shares, value, quantity)
        elif quantity < 0.0:
            shares = sell_shares(shares, -quantity, price)
        return _record(shares, at)

    def after_balance_change(self, quantity: float, at: datetime.datetime | None) -> "PositionInternalSharePriceState":
        """Return the record after a gain or loss of `quantity` tokens (signed) that is not a trade."""
        return _record(change_assets(self._get_shares(), quantity), at)

    def _get_shares(self) -> Shares:
        return (
            self.current_share_price,
            self.total_supply,
            self.cumulative_quantity,
            self.total_invested,
            self.peak_total_supply,
            self.initial_share_price,
        )


def _record(shares: Shares, at: datetime.datetime | None) -> PositionInternalSharePriceState:
    record = object.__new__(PositionInternalSharePriceState)  # for every trade, in half the time of the constructor
    (
        record.current_share_price,
        record.total_supply,
        record.cumulative_quantity,
        record.total_invested,
        record.peak_total_supply,
        record.initial_share_price,
    ) = shares
    record.last_updated_at = at
    return record


@dataclass(slots=True)
class PositionInternalSharePriceData:
    """Profit of a position from its share price."""

    initial_share_price: float
    current_share_price: float
    #: Internal shares.
    total_supply: float
    total_assets: USDollarAmount
    profit_pct: Percent
    profit_usd: USDollarAmount
    duration: datetime.timedelta | None

    def is_win(self) -> bool:
        """Return True if there is a profit."""
        return self.profit_usd > 0

    def is_loss(self) -> bool:
        """Return True if there is no profit."""
        return not self.is_win()
