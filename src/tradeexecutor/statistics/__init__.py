"""Time series, key metrics and summaries computed from a state.

Unlike :py:mod:`tradeexecutor.state.statistics`, which only stores figures, this package calculates them.
"""
