"""Assets that must not be traded."""

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state.fields import StateFields


def is_good_pair(state: StateFields, pair: TradingPairIdentifier) -> bool:
    """Return True if the pair is tradeable and neither of its tokens is blacklisted.

    Raises
    ------
    InvalidValue
        The argument is not a pair.
    """
    if not isinstance(pair, TradingPairIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"expected a TradingPairIdentifier, got {pair!r}")
    return pair.is_tradeable() and not _is_blacklisted(state, pair.base) and not _is_blacklisted(state, pair.quote)


def _is_blacklisted(state: StateFields, asset: AssetIdentifier) -> bool:
    if not state.blacklisted_assets and not state.asset_blacklist:
        return False  # nearly always: saves making the identifier
    return (
        asset in state.blacklisted_assets
        or asset.get_identifier() in state.asset_blacklist
        or asset.address in state.asset_blacklist  # old files
    )


def blacklist_asset(state: StateFields, asset: AssetIdentifier, reason: str | None = None) -> None:
    """Stop trading an asset, and record the reason with the time.

    Raises
    ------
    InvalidValue
        The argument is not an asset.
    """
    state.portfolio.owner.claim()
    if not isinstance(asset, AssetIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"expected an AssetIdentifier, got {asset!r}")
    identifier = asset.get_identifier()
    state.asset_blacklist.add(identifier)
    state.blacklisted_assets.add(asset)
    state.blacklist_reason[identifier] = f"Blacklisted {utc_now()}:\n{reason or '-'}"


def unblacklist_asset(state: StateFields, asset: AssetIdentifier) -> None:
    """Allow trading an asset again; raises `InvalidValue` if it is not blacklisted."""
    state.portfolio.owner.claim()
    if not _is_blacklisted(state, asset):
        raise InvalidValue(f"{asset} is not blacklisted")
    identifier = asset.get_identifier()
    state.asset_blacklist -= {identifier, asset.address}
    state.blacklisted_assets.discard(asset)
    state.blacklist_reason.pop(identifier, None)
