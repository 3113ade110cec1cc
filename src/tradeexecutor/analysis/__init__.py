"""Trade analysis of a state: results of trades and positions, individually and in total."""
