"""What a strategy earned and risked, deposits and redemptions set apart: the figures that we show by default."""
