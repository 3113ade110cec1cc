"""Balances of a wallet on chain, with which the books are compared."""

from collections.abc import Collection

from tradeexecutor.ethereum.abi import ERC20_BALANCE_OF
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.errors import RpcError
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.strategy.sync_model import BalanceNotReadable, OnChainBalance

__all__ = ["ChainBalances"]


class ChainBalances:
    """Balances of one address, a :py:class:`~tradeexecutor.strategy.accounts.balance_source.BalanceSource`.

    Parameters
    ----------
    connection
        Connection to the chain.
    address
        Address that holds the tokens.
    """

    def __init__(self, connection: ChainConnection, address: str):
        self.connection = connection
        self.address = address

    def get_token_storage_address(self) -> str:
        """Return the address that holds the tokens."""
        return self.address

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> list[OnChainBalance]:
        """Return balances as of one block, the newest one by default; assets of other chains are left out.

        Raises
        ------
        BalanceNotReadable
            The block does not exist, or an asset is not a token of this chain.
        ChainUnavailable
            No node answered.
        """
        head = self.connection.get_head()
        block = head if block_identifier is None else self.connection.find_block(block_identifier)
        if block is None:
            raise BalanceNotReadable(f"chain {self.connection.chain_id} has no block {block_identifier:,} yet")
        found: list[OnChainBalance] = []
        for asset in assets:
            if asset.chain_id != self.connection.chain_id:
                continue
            try:
                raw = int(self.connection.call(asset.address, ERC20_BALANCE_OF, self.address, block=block.number))
            except RpcError as error:
                raise BalanceNotReadable(f"the balance of {asset} at block {block.number:,}: {error}") from error
            if raw or not filter_zero:
                found.append(OnChainBalance(block.number, block.timestamp, asset, asset.convert_to_decimal(raw)))
        return found
