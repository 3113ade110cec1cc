"""What people look at: figures in words, and one page with everything about a state."""
