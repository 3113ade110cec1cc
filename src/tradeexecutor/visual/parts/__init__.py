"""What charts are made of: candles, markers, rows, axes, themes, and fewer points for the same picture."""
