"""Figures as the reference defines them, under its names: recorded files contain them, so they must not change.

Deposits count as profit in some of them. The figures that our own tables and charts show by default are in
`tradeexecutor.analysis.adjusted`.
"""
