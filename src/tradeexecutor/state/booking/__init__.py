"""How money and interest that no trade moves are booked: deposits, redemptions, interest, share prices."""
