"""Many backtests of one strategy at once, to learn what a single one cannot tell."""
