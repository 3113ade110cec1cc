"""The tokens that a strategy must not trade: listing them, adding one, removing one."""

import datetime
import re
from dataclasses import dataclass

from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State

__all__ = [
    "BlacklistChange",
    "BlacklistedToken",
    "TokenAddress",
    "add_to_blacklist",
    "list_blacklist",
    "remove_from_blacklist",
]

#: ``chain-address``; the chain may be negative.
_IDENTIFIER = re.compile(r"^(?P<chain>-?\d+)-(?P<address>.+)$")

_ADDRESS = re.compile(r"^0x[0-9a-f]{40}$")


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """A token by its address.

    Attributes
    ----------
    address
        Address of its contract in lower case.
    chain_id
        Its chain; None if the address alone identifies the token.
    """

    address: str
    chain_id: int | None = None

    @classmethod
    def parse(cls, text: str, chain_id: int | None = None) -> "TokenAddress":
        """Return the token of an address, which may have its chain in front: ``137-0x0d50...``.

        Raises
        ------
        InvalidValue
            The text is not an address.
        """
        match = _IDENTIFIER.match(text.strip())
        if match:
            text, chain_id = match["address"], int(match["chain"])
        address = text.strip().lower()
        if not _ADDRESS.match(address):
            raise InvalidValue(f"{text!r} is not an address: 0x and 40 hexadecimal digits")
        return cls(address, chain_id)


@dataclass(frozen=True, slots=True)
class BlacklistedToken:
    """A token that must not be traded: ``chain-address``, symbol and reason; None if unknown."""

    token: str
    symbol: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class BlacklistChange:
    """Result of a change of the blacklist.

    Attributes
    ----------
    action
        Text: ``blacklisted``, ``was blacklisted before``, ``allowed again``.
    token
        ``chain-address``; old files have bare addresses.
    symbol
        None for a token that is not in the state.
    positions
        Ids of the open and frozen positions with the token; they stay open.
    """

    action: str
    token: str
    symbol: str | None
    positions: tuple[int, ...] = ()


def list_blacklist(state: State) -> list[BlacklistedToken]:
    """Return the blacklisted tokens, sorted by address."""
    keys = sorted({*state.asset_blacklist, *(asset.get_identifier() for asset in state.blacklisted_assets)})
    return [BlacklistedToken(key, _get_symbol(state, key), state.blacklist_reason.get(key)) for key in keys]


def add_to_blacklist(
    state: State, token: TokenAddress, now: datetime.datetime, *, reason: str | None = None
) -> BlacklistChange:
    """Blacklist a token; the entry of a token that is already listed does not change.

    Parameters
    ----------
    now
        Time that is recorded for a token that is not in the state, naive UTC.
    reason
        Text that is stored with the token.

    Raises
    ------
    OperationRefused
        The chain of the token is unknown or ambiguous.
    """
    asset, chain_id = _choose(state, token)
    if chain_id is None:
        message = f"the token {token.address} is not in the state, so its chain is not known"
        raise OperationRefused(message, remedy=Remedy.name_chain)
    identifier = f"{chain_id}-{token.address}"
    was_listed = _list_keys(state, TokenAddress(token.address, chain_id))
    held = () if asset is None else _find_holders(state, asset)
    if not was_listed:
        if asset is not None:
            state.blacklist_asset(asset, reason)
        else:
            # Symbol and decimals of a token that was never traded are not known.
            state.asset_blacklist.add(identifier)
            state.blacklist_reason[identifier] = f"Blacklisted {now}:\n{reason or '-'}"
    action = "was blacklisted before" if was_listed else "blacklisted"
    return BlacklistChange(action, identifier, asset and asset.token_symbol, held)


def remove_from_blacklist(state: State, token: TokenAddress) -> BlacklistChange:
    """Allow a token again.

    Raises
    ------
    OperationRefused
        It is not blacklisted, or it is blacklisted on several chains.
    """
    keys = _list_keys(state, token)
    if not keys:
        raise OperationRefused(f"{token.address} is not blacklisted", remedy=Remedy.list_blacklist)
    if len(keys) > 1:
        raise OperationRefused(f"{token.address} is blacklisted as {', '.join(keys)}", remedy=Remedy.name_chain)
    key = keys[0]
    symbol = _get_symbol(state, key)
    state.asset_blacklist.discard(key)
    state.blacklisted_assets -= {asset for asset in state.blacklisted_assets if asset.get_identifier() == key}
    state.blacklist_reason.pop(key, None)
    return BlacklistChange("allowed again", key, symbol)


def _choose(state: State, token: TokenAddress) -> tuple[AssetIdentifier | None, int | None]:
    """Return the asset and the chain of a token; None for what the state does not have."""
    found = _find_assets(state, token)
    if len(found) > 1:
        chains = ", ".join(str(asset.chain_id) for asset in found)
        raise OperationRefused(f"{token.address} is a token on the chains {chains}", remedy=Remedy.name_chain)
    return (found[0], found[0].chain_id) if found else (None, token.chain_id)


def _find_assets(state: State, token: TokenAddress) -> list[AssetIdentifier]:
    """Return the assets of the state that match a token."""
    known = dict.fromkeys(state.blacklisted_assets)
    for reserve in state.portfolio.reserves.values():
        known[reserve.asset] = None
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            for asset in (position.pair.base, position.pair.quote):
                known[asset] = None
                if asset.underlying is not None:
                    known[asset.underlying] = None
    return sorted((asset for asset in known if _is_token(asset, token)), key=lambda asset: asset.chain_id)


def _is_token(asset: AssetIdentifier, token: TokenAddress) -> bool:
    return asset.address == token.address and token.chain_id in (None, asset.chain_id)


def _list_keys(state: State, token: TokenAddress) -> list[str]:
    """Return the keys of a token in the blacklist; in old files the keys have no chain."""
    keys = {key for key in state.asset_blacklist if key == token.address or _matches(key, token)}
    return sorted(keys | {asset.get_identifier() for asset in state.blacklisted_assets if _is_token(asset, token)})


def _matches(key: str, token: TokenAddress) -> bool:
    match = _IDENTIFIER.match(key)
    return match is not None and match["address"] == token.address and token.chain_id in (None, int(match["chain"]))


def _find_holders(state: State, asset: AssetIdentifier) -> tuple[int, ...]:
    positions = state.portfolio.get_open_and_frozen_positions()
    return tuple(item.position_id for item in positions if asset in (item.pair.base, item.pair.quote))


def _get_symbol(state: State, key: str) -> str | None:
    match = _IDENTIFIER.match(key)
    token = TokenAddress(match["address"], int(match["chain"])) if match else TokenAddress(key)
    found = _find_assets(state, token)
    return found[0].token_symbol if found else None
