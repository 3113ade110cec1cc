"""Misspelt import path of :mod:`tradeexecutor.state.blockchain_transaction` that existing code uses."""

from tradeexecutor.state.blockchain_transaction import (
    AssetDelta,
    BlockchainTransaction,
    BlockchainTransactionType,
    JSONAssetDelta,
    solidity_arg_encoder,
)

__all__ = [
    "AssetDelta",
    "BlockchainTransaction",
    "BlockchainTransactionType",
    "JSONAssetDelta",
    "solidity_arg_encoder",
]
