"""Import path of existing code; the code is in :mod:`tradeexecutor.strategy.data_client`."""

from tradeexecutor.strategy.data_client import translate_token, translate_trading_pair

__all__ = ["translate_token", "translate_trading_pair"]
