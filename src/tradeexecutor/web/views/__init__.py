"""Answers that are made for pages of people: what a page shows, computed from one save of a state."""
