"""How a planned trade meets a market: one interface, and its simulated implementation."""
