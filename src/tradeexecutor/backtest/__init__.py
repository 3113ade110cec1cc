"""Backtests: simulated wallet and execution over market data, with a `State` as the result."""
