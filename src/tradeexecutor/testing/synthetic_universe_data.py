"""Made-up universes for tests."""

import pandas as pd

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.data_client import read_candles
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["create_synthetic_single_pair_universe"]


def create_synthetic_single_pair_universe(
    candles: pd.DataFrame, chain_id: object, exchange: object, time_bucket: object, pair: TradingPairIdentifier
) -> TradingStrategyUniverse:
    """Return a universe of one pair.

    Parameters
    ----------
    candles
        Candles of the pair.
    chain_id, exchange, time_bucket
        Accepted for existing tests; the pair and its candles know them.
    pair
        A pair with an internal id; its quote is the reserve currency.
    """
    del chain_id, exchange, time_bucket
    return TradingStrategyUniverse({pair: read_candles(candles, pair.get_ticker())}, pair.quote)
