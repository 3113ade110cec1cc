"""Benchmarks: ``make bench``, or ``python -m benchmarks NAME...``.  What was seen is in BENCHMARKS.md."""
