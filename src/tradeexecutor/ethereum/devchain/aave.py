"""An Aave v3 market on a local chain, deployed from the byte code in its npm package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tradeexecutor.ethereum.abi import AAVE_BORROW, AAVE_SUPPLY, ERC20_APPROVE, parse_fragment
from tradeexecutor.ethereum.devchain.chain import FOREVER, DevChain
from tradeexecutor.state.identifier import AssetIdentifier, AssetType

__all__ = ["AaveMarket", "AaveReserve", "deploy_aave", "provide_liquidity"]

_CONTRACTS = "@aave/core-v3/artifacts/contracts/"
_NOBODY = "0x" + "00" * 20
_RAY = 10**27

#: Libraries in the order of deployment: some are linked to earlier ones.
_LIBRARIES = (
    "SupplyLogic",
    "BorrowLogic",
    "LiquidationLogic",
    "EModeLogic",
    "BridgeLogic",
    "FlashLoanLogic",
    "PoolLogic",
    "ConfiguratorLogic",
)

#: Parameters of the interest rate: optimal usage 80 %, base rate 0, slope 4 % up to it and 75 % above it; the other
#: values are for stable debt.
_RATES = tuple(share * _RAY // 100 for share in (80, 0, 4, 75, 2, 75, 2, 5, 20))

#: Mode of a debt with a variable rate.
_VARIABLE = 2


@dataclass(frozen=True, slots=True)
class AaveReserve:
    """A token of the market.

    Attributes
    ----------
    asset
        Token that is lent.
    price
        USD per token.
    """

    asset: AssetIdentifier
    price: int


@dataclass(frozen=True, slots=True)
class AaveMarket:
    """A deployed market.

    Attributes
    ----------
    pool
        Contract to which tokens are supplied.
    a_tokens, v_tokens
        Tokens of suppliers and debt tokens of borrowers, by symbol of the underlying token.
    """

    pool: str
    a_tokens: dict[str, AssetIdentifier]
    v_tokens: dict[str, AssetIdentifier]


def deploy_aave(chain: DevChain, reserves: Sequence[AaveReserve]) -> AaveMarket:
    """Deploy a market in which each token can be supplied, borrowed and used as collateral."""

    def deploy(path: str, *args: Any) -> str:
        name = path.rpartition("/")[2]
        return chain.deploy(f"{_CONTRACTS}{path}.sol/{name}.json", *args, libraries=libraries)

    def send(contract: str, fragment: str, *args: Any) -> None:
        chain.send(contract, parse_fragment(fragment), *args)

    def ask(contract: str, fragment: str, *args: Any) -> Any:
        return chain.connection.call(contract, parse_fragment(fragment), *args)

    libraries: dict[str, str] = {}
    addresses = deploy("protocol/configuration/PoolAddressesProvider", "local market", chain.owner)
    for name in _LIBRARIES:
        libraries[name] = deploy(f"protocol/libraries/logic/{name}")
    pool_code = deploy("protocol/pool/Pool", addresses)
    configurator_code = deploy("protocol/pool/PoolConfigurator")
    send(addresses, "setACLAdmin(address)", chain.owner)
    rights = deploy("protocol/configuration/ACLManager", addresses)
    send(addresses, "setACLManager(address)", rights)
    for right in ("addPoolAdmin", "addAssetListingAdmin", "addRiskAdmin"):
        send(rights, f"{right}(address)", chain.owner)
    tokens = [reserve.asset.address for reserve in reserves]
    feeds = [chain.deploy("DevPriceFeed", reserve.price * 10**8) for reserve in reserves]
    oracle = deploy("misc/AaveOracle", addresses, tokens, feeds, _NOBODY, _NOBODY, 10**8)
    send(addresses, "setPriceOracle(address)", oracle)
    send(addresses, "setPoolImpl(address)", pool_code)
    send(addresses, "setPoolConfiguratorImpl(address)", configurator_code)
    pool = ask(addresses, "getPool() returns (address)")
    configurator = ask(addresses, "getPoolConfigurator() returns (address)")
    data = deploy("misc/AaveProtocolDataProvider", addresses)
    send(addresses, "setPoolDataProvider(address)", data)
    kinds = ("AToken", "StableDebtToken", "VariableDebtToken")
    codes = [deploy(f"protocol/tokenization/{kind}", pool) for kind in kinds]
    rates = deploy("protocol/pool/DefaultReserveInterestRateStrategy", addresses, *_RATES)
    inputs = [_describe(reserve.asset, codes, rates, chain.owner) for reserve in reserves]
    struct = "address,address,address,uint8,address,address,address,address," + ",".join(["string"] * 6) + ",bytes"
    send(configurator, f"initReserves({{{struct}}}[])", inputs)
    for token in tokens:
        send(configurator, "configureReserveAsCollateral(address, uint256, uint256, uint256)", token, 8000, 8500, 10500)
        send(configurator, "setReserveBorrowing(address, bool)", token, True)
        send(configurator, "setReserveFactor(address, uint256)", token, 1000)
    a_tokens: dict[str, AssetIdentifier] = {}
    v_tokens: dict[str, AssetIdentifier] = {}
    for reserve in reserves:
        asset = reserve.asset
        found = ask(data, "getReserveTokensAddresses(address) returns (address, address, address)", asset.address)
        a_tokens[asset.token_symbol] = _make_token(asset, "a", found[0], AssetType.collateral)
        v_tokens[asset.token_symbol] = _make_token(asset, "v", found[2], AssetType.borrowed)
    return AaveMarket(pool, a_tokens, v_tokens)


def _describe(asset: AssetIdentifier, codes: Sequence[str], rates: str, owner: str) -> tuple[Any, ...]:
    symbol = asset.token_symbol
    names = [name for letter in "avs" for name in (f"Aave {letter} {symbol}", f"{letter}{symbol}")]
    a_token, stable, variable = codes
    return a_token, stable, variable, asset.decimals, rates, asset.address, owner, _NOBODY, *names, b"\x10"


def _make_token(asset: AssetIdentifier, letter: str, address: str, kind: AssetType) -> AssetIdentifier:
    return AssetIdentifier(
        asset.chain_id,
        address.lower(),
        f"{letter}{asset.token_symbol}",
        asset.decimals,
        underlying=asset,
        type=kind,
        liquidation_threshold=0.85 if kind is AssetType.collateral else None,
    )


def provide_liquidity(
    chain: DevChain, market: AaveMarket, asset: AssetIdentifier, supplied: int, borrowed: int
) -> None:
    """Supply a token as the owner and borrow a part of it (token units), so that suppliers earn interest."""
    raw = 10**asset.decimals
    chain.send(asset.address, parse_fragment("mint(address, uint256)"), chain.owner, supplied * raw)
    chain.send(asset.address, ERC20_APPROVE, market.pool, FOREVER)
    chain.send(market.pool, AAVE_SUPPLY, asset.address, supplied * raw, chain.owner, 0)
    if borrowed:
        chain.send(market.pool, AAVE_BORROW, asset.address, borrowed * raw, _VARIABLE, 0, chain.owner)
