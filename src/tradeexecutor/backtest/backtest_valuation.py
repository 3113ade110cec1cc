"""Value of positions in a backtest: the proceeds of selling them."""

import datetime

from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.valuation import ValuationModel

__all__ = ["BacktestValuationModel", "backtest_valuation_factory"]


class BacktestValuationModel(ValuationModel):
    """Valuation of spot positions at the sell price, so that the fee of the exit is already deducted."""

    __slots__ = ("pricing_model",)

    changes_only_price = True

    def __init__(self, pricing_model: PricingModel):
        self.pricing_model = pricing_model

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Revalue the position.

        The update is returned but not stored, because a backtest would store one for each candle. It has no previous
        value, because that is not used in a backtest and takes as long as the valuation itself.
        """
        pair = position.pair
        if not pair.is_spot():
            raise UnsupportedPairKind(f"only spot positions can be valued, not {position}")
        old_price = position.last_token_price
        quantity = position.get_quantity()
        price = self.pricing_model.get_valuation_price(ts, pair, quantity)
        new_value = position.revalue_base_asset(ts, price)
        return ValuationUpdate(
            position_id=position.position_id,
            created_at=ts,
            valued_at=ts,
            new_value=new_value,
            new_price=price,
            old_price=old_price,
            quantity=quantity,
        )


def backtest_valuation_factory(pricing_model: PricingModel) -> BacktestValuationModel:
    """Return a valuation model; implements `ValuationModelFactory`."""
    return BacktestValuationModel(pricing_model)
