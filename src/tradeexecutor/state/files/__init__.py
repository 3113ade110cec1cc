"""Files that survive a crash: flushed replacement, locks, checksums, compressed copies."""
