"""Trade analysis computed from a state: how trades and positions did, one by one and in total."""
