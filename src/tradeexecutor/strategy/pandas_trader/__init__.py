"""Strategies that decide on candles and pandas indicators."""
