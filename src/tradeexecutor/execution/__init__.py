"""Execution of planned trades: the interface, and its simulated implementation."""
