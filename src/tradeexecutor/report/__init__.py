"""Reports for people: figures with their explanations, and one page with everything about a state."""
