"""Pure functions over numbers: profit, interest, leverage, dust, and the checks of values.

No I/O, and nothing of the project is imported here: every function takes and returns plain numbers.
"""
