"""Values of positions on a chain: the proceeds of selling them now."""

import datetime
from decimal import Decimal

from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.valuation import ValuationModel

__all__ = ["EthereumValuation"]


class EthereumValuation(ValuationModel):
    """Values tokens, vault shares and lent money at their present proceeds, shorts at the cost of their debt."""

    def __init__(self, pricing_model: PricingModel):
        self.pricing_model = pricing_model

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Revalue the position and record it.

        Raises
        ------
        UnsupportedPairKind
            The position has another kind.
        PriceUnavailable
            The market has no price.
        """
        pair = position.pair
        is_short = pair.kind.is_shorting()
        if not (is_short or pair.is_spot() or pair.is_vault() or pair.is_credit_supply()):
            raise UnsupportedPairKind(f"positions of kind {pair.kind.value} cannot be valued: {position}")
        old_price, old_value, quantity = position.last_token_price, position.get_value(), position.get_quantity()
        # A frozen position whose first purchase failed has no tokens; its price is that of a negligible amount.
        if is_short:
            pricing = self._get_price_of_debt(ts, position)
        else:
            pricing = self.pricing_model.get_sell_price(ts, pair, quantity if quantity > 0 else None)
        new_value = position.revalue_base_asset(ts, pricing.price)
        update = ValuationUpdate(
            position_id=position.position_id,
            created_at=ts,
            valued_at=ts,
            new_value=new_value,
            new_price=pricing.price,
            old_value=old_value,
            old_price=old_price,
            block_number=pricing.block_number,
            quantity=quantity,
        )
        position.valuation_updates.append(update)
        return update

    def _get_price_of_debt(self, ts: datetime.datetime, position: TradingPosition) -> TradePricing:
        """Return the price at which the debt of a short is bought back."""
        loan = position.loan
        debt = Decimal(0) if loan is None else loan.get_borrowed_quantity()
        mid_price = self.pricing_model.get_mid_price(ts, position.pair)
        return self.pricing_model.get_buy_price(ts, position.pair, debt * Decimal(mid_price) or None)
