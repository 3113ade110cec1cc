"""Charts computed from a state, and the series that they draw."""
