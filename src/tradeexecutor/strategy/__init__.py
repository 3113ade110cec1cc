"""What a strategy author uses: decision input, indicators, position manager, and the cycle that calls them.

Nothing in this package knows whether the strategy runs on history or on a live market: market data, prices,
deposits and execution arrive through the interfaces `trading_strategy_universe`, `pricing_model`, `sync_model`
and `tradeexecutor.execution.interface`.
"""
