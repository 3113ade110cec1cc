"""Helpers that users import in the tests of their own strategies and tools."""
