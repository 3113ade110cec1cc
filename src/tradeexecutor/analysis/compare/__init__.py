"""Comparison of two states: common decisions, and differences."""
