"""Booking the deposits and redemptions that a wallet has on its chain."""

import datetime

from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.pricing import find_venue
from tradeexecutor.ethereum.treasury import EthereumSync, WatchedAddress
from tradeexecutor.operations.chain_balances import get_wallet_address
from tradeexecutor.operations.state_location import StateLocation, open_new_store
from tradeexecutor.operations.sync_treasury import TreasuryChange, read_treasury_figures
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.treasury_sync import TreasurySyncResult

__all__ = ["create_state_of_wallet", "sync_treasury_from_chain"]


def sync_treasury_from_chain(
    state: State, settings: ChainFile, connection: ChainConnection, now: datetime.datetime
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

    Raises
    ------
    OperationRefused
        The state was not prepared for a wallet on this chain.
    UnconfirmedTreasurySync
        The node is behind, or the chain is being reorganised; nothing has changed.
    TreasuryEventRefused
        A reorganisation removed a deposit that was already spent; a person has to decide.
    """
    wallet = WatchedAddress(get_wallet_address(state, connection.chain_id))
    before = read_treasury_figures(state)
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
    for pair in settings.pairs:
        find_venue(venues, pair).check(pair)
    with open_new_store(place) as store:
        state = store.create(name)
        EthereumSync(connection, WatchedAddress(address)).sync_initial(state, reserve_assets=[settings.reserve])
        store.sync(state)
    return state
