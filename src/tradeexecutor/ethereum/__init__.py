"""Trading on real EVM chains: the only package that connects to a chain.

It needs the extra ``ethereum``: ``pip install "tradeexecutor[ethereum]"``. ``docs/live-invariants.md`` lists the
guarantees about money.
"""
