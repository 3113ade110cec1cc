"""Parts of charts: candles, markers, rows, axes, themes, and thinning of long series."""
