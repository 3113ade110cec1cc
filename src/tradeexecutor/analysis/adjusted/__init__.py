"""Return and risk of a strategy, adjusted for deposits and redemptions: the figures that are shown by default."""
