"""Import path of existing strategies; the code is in :mod:`tradeexecutor.strategy.pandas_trader.indicator`."""

from tradeexecutor.strategy.pandas_trader.indicator import IndicatorRegistry
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = ["IndicatorRegistry"]

__getattr__ = refuse_names(__name__)
