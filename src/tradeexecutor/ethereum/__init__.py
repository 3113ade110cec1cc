"""Trading on real EVM chains: the only package that talks to a chain.

It needs the extra ``ethereum``: ``pip install "tradeexecutor[ethereum]"``.  What it promises about money stands in
``docs/live-invariants.md``.
"""
