"""Display of state objects in notebooks and as text."""
