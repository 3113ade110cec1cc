"""A local chain on this machine: anvil with tokens, pools and vaults to trade.

It is used by tests of this project, by the demo, and by tests of strategies; see
:mod:`tradeexecutor.testing.chain_fixtures`.
"""
