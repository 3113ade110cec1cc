"""A chain of one's own on this machine: anvil, with tokens, pools and vaults to trade.

For tests of this project, for the demo, and for tests of strategies; see :mod:`tradeexecutor.testing.chain_fixtures`.
"""
