"""Prices of a backtest, read from candles.

Prices never come from the future: at time `T` the market price is the open of the candle that starts at `T`, because
that is the first price traded at or after the decision. When no candle starts at `T`, the last known price is the open
of the candle in progress, or, while the market is closed, the last close: positions are valued at it, but no trade
fills at it, see `BacktestPricing.can_trade`. High, low, close and volume of a candle that has not ended are never used
for pricing.
"""

import datetime
from decimal import Decimal

from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.strategy.market_data import CandleCursor, from_us, to_us
from tradeexecutor.strategy.pricing_model import PriceUnavailable, PricingModel
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["BacktestPricing", "FuturePrice"]

#: The fields of a price that is read from a candle.
_FIELDS = ("price", "mid_price", "lp_fee", "pair_fee", "market_feed_delay", "side", "path", "read_at")

_make_pricing = make_short_constructor(TradePricing, _FIELDS, InvalidValue, checks_rules=False)

_PAIR = TradingPairIdentifier
_ONE_US = datetime.timedelta(microseconds=1)
_NO_DELAY = datetime.timedelta(0)


def _is_usual(mid: float, fee: float, pair: TradingPairIdentifier) -> bool:
    """Return whether a price made of these values cannot break a rule of `TradePricing`."""
    return type(fee) is float and type(mid) is float and fee >= 0.0 and mid >= 0.0 and type(pair) is _PAIR


class FuturePrice(PriceUnavailable):
    """The requested price is in the future of the simulated time."""


class BacktestPricing(PricingModel):
    """Pricing model that reads prices from the candles of the universe and adds the fee of the pair.

    Parameters
    ----------
    universe
        Pairs and candles.
    data_delay_tolerance
        Longest time for which a market may be closed and still have a price; after it, prices raise
        `PriceUnavailable`. None for no limit. Positions are valued at the last price in any case.
    default_fee
        Fee of pairs that do not declare one, as a fraction.
    latency
        Time between a decision and the arrival of its orders in the market, see `tradeexecutor.strategy.latency`.

    Notes
    -----
    Buying costs ``mid * (1 + fee)`` per unit, selling brings ``mid * (1 - fee)``. The fee in reserve currency is
    ``quantity * mid * fee``, so price and fee add up exactly. A tax of the token, see `MarketTerms`, comes on top.
    """

    def __init__(
        self,
        universe: TradingStrategyUniverse,
        data_delay_tolerance: datetime.timedelta | None = None,
        default_fee: float = 0.0,
        latency: datetime.timedelta = _NO_DELAY,
    ):
        self.universe = universe
        self.latency = latency
        self.default_fee = default_fee
        self._tolerance = None if data_delay_tolerance is None else data_delay_tolerance // _ONE_US
        self._fees: dict[int, float] = {}
        #: Pair id -> what `get_valuation_price` needs of the pair.
        self._sales: dict[int | None, tuple[CandleCursor, float, float]] = {}
        self._asked_at: datetime.datetime | None = None
        self._asked = 0
        self._clock: int | None = None
        self._fills_before_clock = False

    def advance_to(self, ts: datetime.datetime, *, fills_before: bool = False) -> None:
        """Set the simulated time; later prices are refused from now on.

        Parameters
        ----------
        ts
            The time, naive UTC.
        fills_before
            Whether fills at `ts` belong to the candle that ends at `ts`, not to the one that starts.
        """
        self.move_to(ts, to_us(ts))
        self._fills_before_clock = fills_before

    def move_to(self, ts: datetime.datetime, now: int) -> None:
        """Set the simulated time like `advance_to`; `now` is the same time as given by `to_us`."""
        self._asked_at = ts
        self._asked = self._clock = now
        self._fills_before_clock = False

    def to_us(self, ts: datetime.datetime) -> int:
        """Return a time as microseconds since 1970; raises `FuturePrice` if it is later than the simulated one."""
        # The same time is converted many times in a row.
        if ts is not self._asked_at:
            asked = to_us(ts)
            if self._clock is not None and asked > self._clock:
                raise FuturePrice(f"the price at {ts} is not known yet at {from_us(self._clock)}")
            self._asked = asked
            self._asked_at = ts
        return self._asked

    def _find(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> tuple[CandleCursor, int, int]:
        """Return cursor, index of the last candle that has started, and age of the market price in us."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        if index < 0:
            begins = cursor.candles.first_start_at
            raise PriceUnavailable(f"{pair.get_ticker()} has no price at {ts}; its data begins {begins}")
        age = now - cursor.ends[index]
        if age < 0:
            return cursor, index, now - cursor.starts[index]
        if self._tolerance is not None and age > self._tolerance:
            ended = from_us(cursor.ends[index])
            raise PriceUnavailable(f"the last price of {pair.get_ticker()} before {ts} is of {ended}, which is too old")
        return cursor, index, age

    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the market price in USD, see the module docstring; raises `FuturePrice` and `PriceUnavailable`."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        if index >= 0 and cursor.ends[index] > now:
            return cursor.open[index]
        cursor, index, _ = self._find(ts, pair)
        return cursor.close[index]

    def get_last_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the market price in USD of any age; raises `PriceUnavailable` only before the data begins."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        if index < 0:
            return self.get_mid_price(ts, pair)  # raises
        return cursor.open[index] if cursor.ends[index] > now else cursor.close[index]

    def is_market_open(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> bool:
        """Return True if a candle of the pair is in progress at `ts`, so that the market is open."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        return index >= 0 and cursor.ends[index] > now

    def can_trade(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> bool:
        """Return True if a candle of the pair starts at `ts`; only then a price of that time is known."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        return index >= 0 and cursor.starts[index] == now

    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the fee of the pair as a fraction, or the default fee if it has none."""
        return self._get_fee(pair)

    def _get_fee(self, pair: TradingPairIdentifier) -> float:
        fee = self._fees.get(pair.internal_id or 0)
        if fee is None:
            fee = self._fees[pair.internal_id or 0] = pair.fee if pair.fee is not None else self.default_fee
        return fee

    def get_valuation_price(self, ts: datetime.datetime, pair: TradingPairIdentifier, quantity: Decimal) -> float:
        """Return the sell price in USD, from the last price of any age."""
        return self.find_sale_price(self.to_us(ts), pair)

    def find_sale_price(self, now: int, pair: TradingPairIdentifier) -> float:
        """Return the sell price in USD at a time of `to_us`, from the last price of any age."""
        # Runs for every position on every bar.
        cursor, after_fee, after_tax = self._sales.get(pair.internal_id) or self._prepare_sale(pair)
        index = cursor.index + 1
        if index < cursor.count and cursor.starts[index] == now:  # on most bars the next candle starts now
            cursor.index = index
            price = cursor.open[index]
        else:
            index = cursor.seek(now)
            if index < 0:
                return self.get_mid_price(from_us(now), pair)  # raises
            price = cursor.open[index] if cursor.ends[index] > now else cursor.close[index]
        return price * after_fee * after_tax

    def _prepare_sale(self, pair: TradingPairIdentifier) -> tuple[CandleCursor, float, float]:
        """Return the candles of a pair, and the shares of a price that fee and tax of a sale leave."""
        terms = self.universe.get_terms(pair)
        sale = (self.universe.get_cursor(pair), 1 - self._get_fee(pair), 1 - terms.sell_tax)
        self._sales[pair.internal_id] = sale
        return sale

    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return price and fee of buying for an amount of the reserve currency; raises `PriceUnavailable`."""
        mid, delay = self._get_market(ts, pair, mid_price)
        fee = self._get_fee(pair)
        paid = float(reserve or 0) * fee / (1 + fee)
        pricing = _make_pricing(mid * (1 + fee), mid, [paid], [fee], delay, True, [pair], ts)
        if not _is_usual(mid, fee, pair):
            pricing.check_rules()
        return self.universe.get_terms(pair).tax_buy(pricing, reserve)

    def get_sell_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return price and fee of selling a quantity, which must be positive; raises `PriceUnavailable`.

        Raises
        ------
        InvalidValue
            The quantity is not positive.
        """
        if quantity is not None and quantity < 0:
            raise InvalidValue(f"the quantity of a sell price must be positive, not {quantity}")
        mid, delay = self._get_market(ts, pair, mid_price)
        fee = self._get_fee(pair)
        paid = float(quantity or 0) * mid * fee
        pricing = _make_pricing(mid * (1 - fee), mid, [paid], [fee], delay, False, [pair], ts)
        if not _is_usual(mid, fee, pair):
            pricing.check_rules()
        return self.universe.get_terms(pair).tax_sell(pricing, quantity)

    def _get_market(
        self, ts: datetime.datetime, pair: TradingPairIdentifier, mid_price: float | None
    ) -> tuple[float, datetime.timedelta]:
        if mid_price is not None:
            return float(mid_price), self._check_resting_price(ts, pair, mid_price)
        cursor, index, age = self._find(ts, pair)
        price = cursor.open[index] if cursor.ends[index] > self._asked else cursor.close[index]
        return price, datetime.timedelta(microseconds=age) if age else _NO_DELAY

    def _check_resting_price(
        self, ts: datetime.datetime, pair: TradingPairIdentifier, price: float
    ) -> datetime.timedelta:
        """Return the age of a price; raises `PriceUnavailable` if it traded neither just before nor at `ts`."""
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek(now)
        if index >= 0 and cursor.ends[index] > now and price == cursor.open[index]:
            return datetime.timedelta(microseconds=now - cursor.starts[index])
        last = cursor.seek_visible(now)
        if last < 0 or not cursor.low[last] <= price <= cursor.high[last]:
            raise PriceUnavailable(f"{pair.get_ticker()} did not trade at {price} just before {ts}")
        return datetime.timedelta(microseconds=now - cursor.ends[last])

    def get_traded_value(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the value traded in the candle of a fill at `ts`, reserve currency; None without volume data.

        It is the candle in progress, or, for a level that was reached inside a candle and is booked at its end, that
        candle. It is used to estimate the slippage of a fill, never by decisions, because it is known only after the
        end of the candle.
        """
        cursor = self.universe.get_cursor(pair)
        now = self.to_us(ts)
        index = cursor.seek_visible(now) if self._fills_before_clock else cursor.seek(now)
        volume = cursor.candles.volume
        if volume is None or index < 0:
            return None
        return float(volume[index]) * cursor.close[index]
