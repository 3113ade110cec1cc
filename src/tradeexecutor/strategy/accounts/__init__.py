"""Actual balances of an account: account checks, corrections, deposits and redemptions."""
