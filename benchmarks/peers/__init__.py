"""Other programs on the same data: see `benchmarks.peers.__main__`."""
