"""The table of all, long and short positions: `table` makes it, `recorded_table` is how live strategies record it."""
