"""The state of a strategy: its data, and the rules that keep the data consistent.

There is no network access, no plotting and no command line here, and only the store accesses the disk.
"""
