"""Expected assets of a strategy, their amounts, and the positions that hold them."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State

__all__ = [
    "AssetToPositionsMapping",
    "Holder",
    "PairUniverse",
    "build_expected_asset_map",
    "get_asset_amounts",
    "get_onchain_assets",
    "get_relevant_assets",
    "map_onchain_asset_to_position",
]

#: A position or reserve that holds an asset.
Holder = TradingPosition | ReservePosition


class PairUniverse(Protocol):
    """Pairs that may be traded; `TradingStrategyUniverse` is one."""

    def iterate_pairs(self) -> Iterable[TradingPairIdentifier]:
        """Return the pairs."""
        ...


@dataclass(slots=True)
class AssetToPositionsMapping:
    """Expected amount of an asset, and its holders.

    Attributes
    ----------
    asset
        The token.
    positions
        Positions and reserves that hold it, or held it last: a closed position means an expected balance of zero.
        Empty for an asset that was never traded.
    quantity
        Sum of all holders, token units.
    """

    asset: AssetIdentifier
    positions: set[Holder] = field(default_factory=set[Holder])
    quantity: Decimal = Decimal(0)

    def is_one_to_one_asset_to_position(self) -> bool:
        """Return True if exactly one position or reserve holds the asset."""
        return len(self.positions) == 1

    def is_for_reserve(self) -> bool:
        """Return True if the asset is a reserve currency, whatever else holds it."""
        return any(isinstance(position, ReservePosition) for position in self.positions)

    def get_only_position(self) -> Holder:
        """Return the only holder of the asset; raises `InvalidValue` unless there is exactly one."""
        if len(self.positions) != 1:
            raise InvalidValue(f"{self.asset} is held by {len(self.positions)} positions, not by one")
        return next(iter(self.positions))

    def get_first_position(self) -> Holder:
        """Return the reserve of the asset, otherwise its position with the lowest id.

        Raises
        ------
        InvalidValue
            The asset has no holder.
        """
        if not self.positions:
            raise InvalidValue(f"nothing holds {self.asset}")
        return sort_holders(self.positions)[0]


def sort_holders(holders: Iterable[Holder]) -> list[Holder]:
    """Return reserves first, then positions by id."""
    return sorted(holders, key=lambda item: 0 if isinstance(item, ReservePosition) else item.position_id)


def get_asset_amounts(p: Holder) -> list[tuple[AssetIdentifier, Decimal]]:
    """Return the tokens of a position or reserve in the wallet, with amounts in token units."""
    return list(p.get_held_assets())


def get_onchain_assets(pair: TradingPairIdentifier) -> list[AssetIdentifier]:
    """Return the tokens of a position in a pair.

    These are collateral and debt token of a leveraged pair, and the base token of others; none for exchange accounts
    and Hypercore vaults, which have no token balance.
    """
    if pair.kind.is_exchange_account() or pair.is_hyperliquid_vault():
        return []
    return [pair.quote, pair.base] if pair.kind.is_leverage() else [pair.base]


def map_onchain_asset_to_position(asset: AssetIdentifier, state: State) -> Holder | None:
    """Return the reserve of an asset, otherwise the open or frozen position with it as base, or as quote; or None."""
    portfolio = state.portfolio
    for reserve in portfolio.reserves.values():
        if reserve.asset == asset:
            return reserve
    positions = list(portfolio.get_open_and_frozen_positions())
    for position in positions:
        if position.pair.base == asset:
            return position
    return next((position for position in positions if position.pair.quote == asset), None)


def get_relevant_assets(
    pair_universe: PairUniverse | None, reserve_assets: Collection[AssetIdentifier], state: State
) -> set[AssetIdentifier]:
    """Return every asset that the wallet may hold: reserves, assets of all positions, and those that may be traded."""
    expected = build_expected_asset_map(state.portfolio, pair_universe, universe_enumaration_threshold=None)
    return {*reserve_assets, *expected}


@contract_signature
def build_expected_asset_map(
    portfolio: Portfolio,
    pair_universe: PairUniverse | None = None,
    universe_enumaration_threshold: int | None = 20,
    ignore_reserve: bool = False,
) -> dict[AssetIdentifier, AssetToPositionsMapping]:
    """Return the expected balances of the wallet by asset.

    They are ordered: reserves, open and frozen positions, assets of closed positions with an expected balance of zero,
    and assets that may be traded.

    Parameters
    ----------
    pair_universe
        Pairs that may be traded; None for those that were traded.
    universe_enumaration_threshold
        Number of pairs from which the universe is left out, because each asset is a balance to read; None for no limit.
    ignore_reserve
        Whether to leave the reserves out.
    """
    expected: dict[AssetIdentifier, AssetToPositionsMapping] = {}

    def add(holder: Holder, asset: AssetIdentifier, quantity: Decimal) -> None:
        mapping = expected.setdefault(asset, AssetToPositionsMapping(asset))
        mapping.quantity += quantity
        mapping.positions.add(holder)

    if not ignore_reserve:
        for reserve in portfolio.reserves.values():
            add(reserve, reserve.asset, reserve.quantity)
    for position in portfolio.get_open_and_frozen_positions():
        for asset, quantity in get_asset_amounts(position):
            add(position, asset, quantity)
    for position in _list_closed_newest_first(portfolio):
        for asset in get_onchain_assets(position.pair):
            if asset not in expected:
                expected[asset] = AssetToPositionsMapping(asset, {position})
    if pair_universe is not None:
        pairs = list(pair_universe.iterate_pairs())
        if universe_enumaration_threshold is None or len(pairs) < universe_enumaration_threshold:
            for asset in _list_universe_assets(pairs):
                expected.setdefault(asset, AssetToPositionsMapping(asset))
    return expected


def _list_closed_newest_first(portfolio: Portfolio) -> list[TradingPosition]:
    positions = (position for position in portfolio.closed_positions.values() if position.closed_at is not None)
    return sorted(positions, key=lambda p: (p.closed_at or p.opened_at, p.position_id), reverse=True)


def _list_universe_assets(pairs: Iterable[TradingPairIdentifier]) -> Iterator[AssetIdentifier]:
    for pair in pairs:
        yield from get_onchain_assets(pair)
        if not pair.kind.is_leverage():
            yield pair.quote
