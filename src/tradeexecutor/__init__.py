"""The memory of an algorithmic trading strategy, and the tools around it.

Start at :py:class:`tradeexecutor.state.state.State`, the root of the tree. Nothing is imported here, so that
importing one part of the package never pays for the others.
"""

__version__ = "0.2.0"
