"""Two states side by side: which decisions they share, and where they differ."""
