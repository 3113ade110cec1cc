"""Pure functions over numbers: profit, interest, leverage, dust, and the checks of values.

The functions do no I/O and import nothing else of the project: they take and return plain numbers.
"""
