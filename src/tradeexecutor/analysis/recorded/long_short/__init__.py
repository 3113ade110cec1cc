"""The table of all, long and short positions: `table` makes it, `recorded_table` has its recorded form."""
