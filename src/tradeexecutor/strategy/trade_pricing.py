"""Price estimates of trades: the import path that strategies use."""

from tradeexecutor.state.trade.pricing import (
    PriceImpactToleranceExceeded,
    TradePricing,
    format_fees_dollars,
    format_fees_percentage,
)

__all__ = ["PriceImpactToleranceExceeded", "TradePricing", "format_fees_dollars", "format_fees_percentage"]
