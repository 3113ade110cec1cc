"""Balances of the wallet of a state, read from its chain."""

from tradeexecutor.ethereum.balances import ChainBalances
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.balance_source import RecordedBalance, RecordedBalances
from tradeexecutor.strategy.asset import get_onchain_assets, get_relevant_assets
from tradeexecutor.strategy.sync_model import BalanceNotReadable

__all__ = ["fetch_state_balances", "get_wallet_address"]


def get_wallet_address(state: State, chain_id: int) -> str:
    """Return the address of the wallet of a state; raises `OperationRefused` if it has none on this chain."""
    deployment = state.sync.deployment
    if deployment.address is None or deployment.chain_id is None or int(deployment.chain_id) != chain_id:
        raise OperationRefused(f"the state has no wallet on chain {chain_id}", remedy=Remedy.make_live_state)
    return deployment.address


def fetch_state_balances(state: State, settings: ChainFile, connection: ChainConnection) -> RecordedBalances:
    """Return the balances of the wallet of a state on its chain, in the newest final block.

    Tokens of the reserve, of all positions and of all pairs in the settings are read.

    Parameters
    ----------
    settings
        Settings of the chain.
    connection
        Connection to it.

    Raises
    ------
    OperationRefused
        The state was not prepared for a wallet on this chain.
    BalanceNotReadable, ChainUnavailable
        A balance cannot be read.
    """
    chain_id, address = connection.chain_id, get_wallet_address(state, connection.chain_id)
    traded = {asset for pair in settings.list_traded_pairs() for asset in get_onchain_assets(pair)}
    assets = get_relevant_assets(None, [settings.reserve], state) | traded
    block = connection.find_safe_block()
    if block is None:
        raise BalanceNotReadable(f"chain {chain_id} has not {connection.confirmations} blocks yet")
    source = ChainBalances(connection, address)
    found = source.fetch_onchain_balances(assets, filter_zero=False, block_identifier=block.number)
    records = [
        RecordedBalance(block.timestamp, item.asset, item.amount, block.number, address.lower()) for item in found
    ]
    return RecordedBalances(records, f"chain {chain_id} at block {block.number:,}")
