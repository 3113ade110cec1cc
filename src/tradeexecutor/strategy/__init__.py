"""What a strategy author uses: decision input, indicators, position manager, and the cycle that calls them.

This package does not depend on whether the strategy runs on history or on a live market: market data, prices, deposits
and execution come through the interfaces `trading_strategy_universe`, `pricing_model`, `sync_model` and
`tradeexecutor.execution.interface`.
"""
