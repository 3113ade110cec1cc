"""Venues for trades: one module for each kind of exchange, vault or lending pool."""
