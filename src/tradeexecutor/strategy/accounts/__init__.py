"""What an account really holds: checks against balances that were read, corrections, deposits and redemptions."""
