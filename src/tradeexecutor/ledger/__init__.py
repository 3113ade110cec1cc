"""Double-entry bookkeeping derived from a state, and the proof that every recorded balance adds up.

Start with `tradeexecutor.ledger.proof.prove`; ``docs/ledger.md`` explains the ideas.
"""
