"""Market data that grows while a strategy runs: sources of candles, and what is done about gaps and late candles.

interface   what a source is
files       files and folders that another program extends
paged       sources that are asked page by page: what is new, and the last candles again
http        interfaces that a user describes
exchanges   exchanges that ccxt knows
sources     the two of them as users name them
series      joining, comparing and filling series of candles
market      the market of a running strategy: history, source, gaps, late and revised candles
download    candles of a source in Parquet files
"""
