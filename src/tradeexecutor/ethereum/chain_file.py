"""The settings file of a chain: pairs, venues, and the paths of candles.

::

    {
        "chain_id": 8453,
        "confirmations": 5,
        "reserve": {"symbol": "USDC", "address": "0x8335...", "decimals": 6},
        "venues": [
            {"kind": "uniswap_v2", "factory": "0x8909...", "router": "0x4752..."},
            {"kind": "uniswap_v3", "factory": "0x3312...", "router": "0x2626...", "quoter": "0x3d4e..."},
        ],
        "pairs": [
            {
                "symbol": "WETH",
                "address": "0x4200...",
                "decimals": 18,
                "pool": "0x88A4...",
                "factory": "0x8909...",
                "fee": 0.003,
                "candles": "weth-usdc-1h.csv",
            }
        ],
    }

With a lending pool the reserve currency can be lent, and tokens can be shorted whose pair has a debt token::

    {
        "lending": {
            "kind": "aave_v3",
            "pool": "0xA238...",
            "liquidation_threshold": 0.78,
            "collateral": {"symbol": "aBasUSDC", "address": "0x4e65...", "decimals": 6},
        },
        "pairs": [
            {
                "symbol": "WETH",
                ...
                "debt": {"symbol": "variableDebtBasWETH", "address": "0x24e6...", "decimals": 18},
            }
        ],
    }

Candles are read again for each decision, so another program has to keep the candle file up to date. Paths are relative
to the folder of the settings file. A vault has ``"kind": "vault"`` and needs neither pool, factory nor fee; one of the
standard ERC-7540, whose deposits and redemptions are requested and claimed, has ``"kind": "async_vault"``.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from eth_utils.address import is_address

from tradeexecutor.backtest.candles import load_candles
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.lending import AaveLending
from tradeexecutor.ethereum.venues.aave_v3 import AaveV3CreditVenue
from tradeexecutor.ethereum.venues.aave_v3_short import AaveV3ShortVenue
from tradeexecutor.ethereum.venues.erc4626 import ERC4626Venue
from tradeexecutor.ethereum.venues.erc7540 import ERC7540Venue
from tradeexecutor.ethereum.venues.interface import Venue, make_vault_pair
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.ethereum.venues.uniswap_v3 import UniswapV3Venue
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier, AssetType, TradingPairIdentifier
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["ChainFile", "ChainFileNotValid", "read_chain_file"]

_VENUES = {"uniswap_v2": ("factory", "router"), "uniswap_v3": ("factory", "router", "quoter")}


class ChainFileNotValid(TradeExecutorError, ValueError):
    """The file is not valid; the message contains the place."""

    def __init__(self, path: Path, message: str):
        super().__init__(f"{path}: {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class ChainFile:
    """Content of the file.

    Attributes
    ----------
    path
        The file.
    chain_id, confirmations
        Id of the chain, and the number of blocks that make a block final.
    reserve
        Currency of deposits.
    pairs
        Traded pairs, each with the path of its candles.
    venues
        Kind and contract addresses of the exchanges.
    lending
        Where money is lent and tokens are borrowed; None when the file has no lending pool.
    """

    path: Path
    chain_id: int
    confirmations: int
    reserve: AssetIdentifier
    pairs: dict[TradingPairIdentifier, Path]
    venues: list[dict[str, str]]
    lending: AaveLending | None = None

    def list_traded_pairs(self) -> list[TradingPairIdentifier]:
        """Return the pairs, those of the shorts, and the one that lends the reserve currency."""
        if self.lending is None:
            return list(self.pairs)
        shorts = [self.lending.make_short_pair(pair) for pair in self.pairs if pair.base in self.lending.debts]
        return [*self.pairs, *shorts, self.lending.make_credit_pair(self.reserve)]

    def make_venues(self, connection: ChainConnection) -> list[Venue]:
        """Return the venues of the file and those of vaults, which need no other contract."""
        made: list[Venue] = []
        for venue in self.venues:
            if venue["kind"] == "uniswap_v2":
                made.append(UniswapV2Venue(connection, venue["router"], venue["factory"]))
            else:
                made.append(UniswapV3Venue(connection, venue["router"], venue["factory"], venue["quoter"]))
        if self.lending is not None:
            pool = self.lending.pool
            made += [AaveV3ShortVenue(connection, pool, list(made)), AaveV3CreditVenue(connection, pool)]
        return [*made, ERC7540Venue(connection), ERC4626Venue(connection)]

    def load_universe(self) -> TradingStrategyUniverse:
        """Return the universe with the present content of the candle files.

        Raises
        ------
        InvalidCandles, OSError
            The candles cannot be read.
        """
        candles = {
            pair: load_candles({pair.get_ticker(): path})[pair.get_ticker()] for pair, path in self.pairs.items()
        }
        return TradingStrategyUniverse(candles, self.reserve, self.lending)


def read_chain_file(path: Path) -> ChainFile:
    """Return the content of a settings file, whose format is described at the top of this module.

    Raises
    ------
    ChainFileNotValid
        The file does not have this format.
    OSError
        The file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ChainFileNotValid(path, f"it is no JSON: {error}") from error
    root = _Entry(path, "", content)
    chain_id = root.get("chain_id", int)
    reserve = _read_asset(root.enter("reserve"), chain_id)
    pairs: dict[TradingPairIdentifier, Path] = {}
    for number, entry in enumerate(root.iterate("pairs"), 1):
        pair = _read_pair(entry, reserve, number)
        if pair in pairs:
            raise entry.refuse("the pair is there twice")
        pairs[pair] = path.parent / entry.get("candles", str)
    if not pairs:
        raise ChainFileNotValid(path, "pairs is empty")
    venues = [_read_venue(entry) for entry in root.iterate("venues")]
    confirmations = root.get("confirmations", int, 3)
    if confirmations < 1:
        raise ChainFileNotValid(path, f"confirmations must be at least 1, not {confirmations}")
    lending = _read_lending(root.enter("lending"), root, reserve, list(pairs)) if root.has("lending") else None
    return ChainFile(path, chain_id, confirmations, reserve, pairs, venues, lending)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A part of the file, and its place for messages."""

    path: Path
    where: str
    content: Any

    def has(self, name: str) -> bool:
        content: object = self.content
        return isinstance(content, Mapping) and name in cast(Mapping[str, Any], content)

    def refuse(self, message: str) -> ChainFileNotValid:
        return ChainFileNotValid(self.path, f"{self.where or 'the file'}: {message}")

    def get(self, name: str, kind: type[Any], default: Any = None) -> Any:
        content: object = self.content
        if not isinstance(content, Mapping):
            raise self.refuse("an object is expected")
        value = cast(Mapping[str, Any], content).get(name, default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.refuse(f"{name} must be of type {kind.__name__}, got {value!r}")
        return value

    def get_address(self, name: str) -> str:
        value = self.get(name, str)
        if not is_address(value):
            raise self.refuse(f"{name}: {value!r} is no address, or its checksum is wrong")
        return value

    def enter(self, name: str) -> "_Entry":
        return _Entry(self.path, name, self.get(name, dict))

    def iterate(self, name: str) -> "list[_Entry]":
        return [_Entry(self.path, f"{name}[{index}]", item) for index, item in enumerate(self.get(name, list, []))]


def _read_asset(entry: _Entry, chain_id: int) -> AssetIdentifier:
    return AssetIdentifier(
        chain_id, entry.get_address("address").lower(), entry.get("symbol", str), entry.get("decimals", int)
    )


def _read_pair(entry: _Entry, reserve: AssetIdentifier, number: int) -> TradingPairIdentifier:
    base = _read_asset(entry, reserve.chain_id)
    kind = entry.get("kind", str, "spot")
    if kind in ("vault", "async_vault"):
        return make_vault_pair(base, reserve, number, is_async=kind == "async_vault")
    if kind != "spot":
        raise entry.refuse(f"kind must be spot, vault or async_vault, got {kind!r}")
    fee = entry.get("fee", float)
    if not 0 <= fee < 1:
        raise entry.refuse(f"fee must be a fraction from 0 to 1, got {fee}")
    return TradingPairIdentifier(
        base,
        reserve,
        entry.get_address("pool").lower(),
        entry.get_address("factory").lower(),
        internal_id=number,
        fee=fee,
    )


def _read_venue(entry: _Entry) -> dict[str, str]:
    kind = entry.get("kind", str)
    if kind not in _VENUES:
        raise entry.refuse(f"kind must be one of {', '.join(_VENUES)}, got {kind!r}")
    return {"kind": kind, **{name: entry.get_address(name) for name in _VENUES[kind]}}


def _read_lending(
    entry: _Entry, root: _Entry, reserve: AssetIdentifier, pairs: Sequence[TradingPairIdentifier]
) -> AaveLending:
    if entry.get("kind", str) != "aave_v3":
        raise entry.refuse(f"kind must be aave_v3, got {entry.get('kind', str)!r}")
    threshold = entry.get("liquidation_threshold", float)
    if not 0 < threshold < 1:
        raise entry.refuse(f"liquidation_threshold must be between 0 and 1, got {threshold}")
    debts: dict[AssetIdentifier, AssetIdentifier] = {}
    for pair, item in zip(pairs, root.iterate("pairs"), strict=True):
        if not item.has("debt"):
            continue
        if not pair.is_spot():
            raise item.refuse("only spot pairs can be shorted, this one has a debt token")
        token = _read_asset(item.enter("debt"), reserve.chain_id)
        debts[pair.base] = dataclasses.replace(token, underlying=pair.base, type=AssetType.borrowed)
    collateral = dataclasses.replace(
        _read_asset(entry.enter("collateral"), reserve.chain_id),
        underlying=reserve,
        type=AssetType.collateral,
        liquidation_threshold=threshold,
    )
    return AaveLending(
        liquidation_threshold=threshold, pool=entry.get_address("pool").lower(), collateral=collateral, debts=debts
    )
