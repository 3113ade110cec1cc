"""Booking the deposits and redemptions that a wallet has on its chain."""

import datetime

from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.pricing import find_venue
from tradeexecutor.ethereum.share_vault import attach_vault, find_vault
from tradeexecutor.ethereum.treasury import EthereumSync, WatchedAddress
from tradeexecutor.operations.chain_balances import get_wallet_address
from tradeexecutor.operations.state_location import StateLocation, open_new_store
from tradeexecutor.operations.sync_treasury import TreasuryChange, read_treasury_figures
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.treasury_sync import TreasurySyncResult

__all__ = ["create_state_of_wallet", "manage_vault", "sync_treasury_from_chain"]


def manage_vault(state: State, settings: ChainFile, connection: ChainConnection, address: str) -> None:
    """Record that the share holders of a vault own the money; nothing changes if this is recorded already.

    Parameters
    ----------
    address
        Contract of the vault.

    Raises
    ------
    OperationRefused
        The money belongs to the share holders of another vault.
    WrongChain
        There is no such vault, or it accepts another token than the reserve currency.
    """
    known = find_vault(state.sync.treasury)
    if known is None:
        attach_vault(state, connection, address, settings.reserve)
    elif known.address.lower() != address.lower():
        raise OperationRefused(f"the money belongs to the share holders of the vault {known.address}, not of {address}")


def sync_treasury_from_chain(
    state: State,
    settings: ChainFile,
    connection: ChainConnection,
    now: datetime.datetime,
    *,
    vault: str | None = None,
) -> TreasuryChange:
    """Book the transfers in final blocks that are not booked yet, and undo those that a reorganisation removed.

    Parameters
    ----------
    settings
        Settings of the chain.
    connection
        Connection to it.
    now
        Time of the booking, naive UTC.
    vault
        Contract of the vault that the strategy manages, see `manage_vault`; None for the one in the state, if any.

    Raises
    ------
    OperationRefused
        The state was not prepared for a wallet on this chain, or belongs to another vault.
    UnconfirmedTreasurySync
        The node is behind, or the chain is being reorganised; nothing has changed.
    TreasuryEventRefused
        A reorganisation removed a deposit that was already spent; a person has to decide.
    """
    wallet = WatchedAddress(get_wallet_address(state, connection.chain_id))
    before = read_treasury_figures(state)
    if vault is not None:
        manage_vault(state, settings, connection, vault)
    booked = EthereumSync(connection, wallet).sync_treasury(now, state, [settings.reserve])
    return TreasuryChange(TreasurySyncResult(booked), before, read_treasury_figures(state))


def create_state_of_wallet(
    place: StateLocation, name: str, settings: ChainFile, connection: ChainConnection, address: str
) -> State:
    """Create the state of a new live strategy; the balance of its wallet becomes the opening balance.

    Parameters
    ----------
    address
        Address of the wallet; its key is not needed.

    Raises
    ------
    OperationRefused
        The state exists.
    WrongChain, NotTradeable
        A pair of the settings does not agree with the chain.
    ChainUnavailable
        No node answered.
    """
    venues = settings.make_venues(connection)
    for pair in settings.list_traded_pairs():
        find_venue(venues, pair).check(pair)
    with open_new_store(place) as store:
        state = store.create(name)
        EthereumSync(connection, WatchedAddress(address)).sync_initial(state, reserve_assets=[settings.reserve])
        store.sync(state)
    return state
