"""One small module for each command: reads arguments, asks, calls an operation, prints."""
