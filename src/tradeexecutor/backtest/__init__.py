"""Market data in, simulated wallet and execution, a `State` out."""
