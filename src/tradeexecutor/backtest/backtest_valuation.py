"""Value of positions in a backtest: what selling them would bring."""

import datetime

from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.valuation import ValuationModel

__all__ = ["BacktestValuationModel", "backtest_valuation_factory"]


class BacktestValuationModel(ValuationModel):
    """Values spot positions at the sell price, so that fees of leaving are already taken off."""

    __slots__ = ("pricing_model",)

    def __init__(self, pricing_model: PricingModel):
        self.pricing_model = pricing_model

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Revalue the position.

        The update is returned and not stored: a backtest would keep one per candle. For the same reason it does not
        carry the value before, which nobody reads and which costs as much as the valuation itself.
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
    """Make a valuation model; a `ValuationModelFactory`."""
    return BacktestValuationModel(pricing_model)
