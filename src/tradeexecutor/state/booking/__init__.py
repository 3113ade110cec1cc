"""Booking of money and interest outside trades: deposits, redemptions, interest, share prices."""
