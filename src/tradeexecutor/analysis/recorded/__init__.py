"""Figures with the names and definitions of recorded files, which must not change.

Deposits count as profit in some of them. The figures that tables and charts show by default are in
`tradeexecutor.analysis.adjusted`.
"""
