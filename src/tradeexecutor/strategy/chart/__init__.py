"""Charts that a strategy file declares with ``create_charts``."""
