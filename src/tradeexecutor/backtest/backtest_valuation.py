"""Value of positions in a backtest: the proceeds of selling them."""

import datetime
from collections.abc import Collection

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.valuation import ValuationModel

__all__ = ["BacktestValuationModel", "backtest_valuation_factory"]

_SPOT = TradingPairKind.spot_market_hold


class BacktestValuationModel(ValuationModel):
    """Valuation at the sell price, so that the fee of an exit is already deducted.

    The base of shorts and leveraged longs has the sell price, too, like in recorded files; a supply of credit, and the
    money on another chain, have the price 1.
    """

    __slots__ = ("_candle_pricing", "pricing_model")

    changes_only_price = True

    def __init__(self, pricing_model: PricingModel):
        self.pricing_model = pricing_model
        # Candles have the same price for any quantity, which takes longer to add up than the price takes to find.
        # None if the price may depend on it, or comes from elsewhere.
        self._candle_pricing: BacktestPricing | None = None
        if (
            isinstance(pricing_model, BacktestPricing)
            and type(pricing_model).get_valuation_price is BacktestPricing.get_valuation_price
            and type(self).get_price is BacktestValuationModel.get_price
        ):
            self._candle_pricing = pricing_model

    def get_price(self, ts: datetime.datetime, position: TradingPosition) -> USDollarPrice:
        """Return the price at which the position could be sold, USD.

        Raises
        ------
        UnsupportedPairKind
            Positions of this kind cannot be valued in a backtest.
        """
        pair = position.pair
        if pair.kind is not _SPOT:
            if pair.kind.is_credit_supply() or pair.kind.is_cctp_bridge():
                return 1.0
            if not (pair.is_spot() or pair.kind.is_leverage() or pair.is_vault()):
                raise UnsupportedPairKind(f"positions of this kind cannot be valued in a backtest: {position}")
            pair = pair.get_pricing_pair()
        quantity = position.get_quantity() if self._candle_pricing is None else ZERO_DECIMAL
        return self.pricing_model.get_valuation_price(ts, pair, quantity)

    def find_prices(self, ts: datetime.datetime, positions: Collection[TradingPosition]) -> list[USDollarPrice]:
        """Return the prices of several positions; raises as `get_price`."""
        if self._candle_pricing is None:
            return [self.get_price(ts, position) for position in positions]
        # Runs on every bar: the same as `get_price`, with fewer calls.
        find_sale_price = self._candle_pricing.find_sale_price
        now = self._candle_pricing.to_us(ts)
        prices: list[USDollarPrice] = []
        for position in positions:
            pair = position.pair
            prices.append(find_sale_price(now, pair) if pair.kind is _SPOT else self.get_price(ts, position))
        return prices

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Revalue the position.

        The update is returned but not stored, because a backtest would store one for each candle. It has no previous
        value, because that is not used in a backtest and takes as long as the valuation itself.
        """
        old_price = position.last_token_price
        price = self.get_price(ts, position)
        new_value = position.revalue_base_asset(ts, price)
        return ValuationUpdate(
            position_id=position.position_id,
            created_at=ts,
            valued_at=ts,
            new_value=new_value,
            new_price=price,
            old_price=old_price,
            quantity=position.get_quantity(),
        )


def backtest_valuation_factory(pricing_model: PricingModel) -> BacktestValuationModel:
    """Return a valuation model; implements `ValuationModelFactory`."""
    return BacktestValuationModel(pricing_model)
