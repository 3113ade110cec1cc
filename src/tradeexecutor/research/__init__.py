"""Analyses of a strategy with many backtests."""
