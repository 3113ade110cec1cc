"""The tree: the data a strategy remembers, and the rules that keep it true.

No network, no plotting, no command line; only the store touches the disk.
"""
