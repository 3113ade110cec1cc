"""Helpers that users import in their own tests, such as a trader that fills every order."""
