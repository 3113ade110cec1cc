"""A local chain with tokens, pools and vaults for a strategy to trade::

with DevChain() as chain:
usdc, weth = chain.deploy_token("USDC", 6), chain.deploy_token("WETH", 18)
exchange = chain.deploy_uniswap_v2()
pair = chain.create_v2_pool(exchange, weth, usdc, Decimal(1_000), price=Decimal(2_000))
wallet = chain.create_wallet({usdc: Decimal(10_000)})
"""

import datetime
import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, cast

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from tradeexecutor.ethereum.abi import (
    ERC20_APPROVE,
    ERC20_BALANCE_OF,
    UNISWAP_V2_GET_RESERVES,
    UNISWAP_V2_SWAP,
    Function,
    parse_fragment,
)
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID, Anvil
from tradeexecutor.ethereum.devchain.packages import install_packages
from tradeexecutor.ethereum.errors import ChainError
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.reverts import decode_revert
from tradeexecutor.ethereum.venues.interface import make_vault_pair
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind

__all__ = ["FOREVER", "DevChain", "UniswapV2"]

_OWN_CONTRACTS = Path(__file__).parent / "contracts"

#: A deadline that never passes, and an approval that is never used up.
FOREVER = 2**255

_GAS = 30_000_000
_WEI = 10**18

_MINT = parse_fragment("mint(address, uint256)")
_TRANSFER = parse_fragment("transfer(address, uint256) returns (bool)")
_V2_GET_PAIR = parse_fragment("getPair(address, address) returns (address)")
_V2_ADD_LIQUIDITY = parse_fragment(
    "addLiquidity(address, address, uint256, uint256, uint256, uint256, address, uint256)"
)


@dataclass(frozen=True, slots=True)
class UniswapV2:
    """A deployed exchange.

    Attributes
    ----------
    factory, router
        Addresses of its contracts.
    fee
        Fee fraction of its pools.
    """

    factory: str
    router: str
    fee: float = 0.003


class DevChain:
    """A chain on this machine, and an account on it that owns all tokens at the beginning.

    Parameters
    ----------
    anvil
        A running chain; with None a chain is started, and ended in `close`.
    start_at
        Time of the first block when a chain is started, naive UTC.

    Attributes
    ----------
    anvil
        The process.
    connection
        Connection to the chain, for which the head is final.
    owner
        Address of the account that deploys, mints and moves prices.
    """

    def __init__(self, anvil: Anvil | None = None, start_at: datetime.datetime | None = None):
        self.anvil = anvil or Anvil(start_at)
        self._owns_anvil = anvil is None
        self.connection: ChainConnection = self.anvil.connect()
        self.owner = self.anvil.accounts[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the chain if this object has started it."""
        if self._owns_anvil:
            self.anvil.close()

    @property
    def now(self) -> datetime.datetime:
        """Time of the newest block, naive UTC."""
        return self.connection.get_head().timestamp

    # --- Transactions of the owner

    def send(self, contract: str, function: Function, *args: Any, sender: str | None = None, value: int = 0) -> Receipt:
        """Call a contract in a transaction of the owner, or of another account for which anvil signs.

        Raises
        ------
        ChainError
            The transaction was reverted.
        """
        return self._transact(
            {"to": contract, "data": function.encode(args)}, f"{function.name} of {contract}", sender, value
        )

    def _transact(self, transaction: Mapping[str, Any], what: str, sender: str | None, value: int = 0) -> Receipt:
        request = {"from": sender or self.owner, "gas": hex(_GAS), "value": hex(value), **transaction}
        receipt = self.anvil.wait_for_receipt(self.anvil.rpc("eth_sendTransaction", request))
        if not receipt.succeeded:
            raise ChainError(f"{what} was reverted: {self._find_reason(request, receipt)}")
        return receipt

    def _find_reason(self, request: Mapping[str, Any], receipt: Receipt) -> str | None:
        try:
            self.anvil.rpc("eth_call", dict(request), hex(receipt.block_number - 1))
        except ChainError as error:
            return decode_revert(getattr(error, "data", None)) or str(error)
        return None

    # --- Contracts

    def deploy(self, artifact: str | Path, *args: Any, libraries: Mapping[str, str] | None = None) -> str:
        """Deploy a contract and return its address.

        Parameters
        ----------
        artifact
            Name of a contract of this package, such as ``DevToken``, or a JSON file with ``abi`` and ``bytecode``:
            absolute, or within the installed npm packages.
        args
            Arguments of the constructor.
        libraries
            Addresses of libraries by name, for contracts that are linked to them.

        Raises
        ------
        ChainError
            The transaction failed.
        """
        found = _read_artifact(artifact)
        code = _link(found, libraries or {})
        types = [
            str(argument["type"])
            for item in found["abi"]
            if item["type"] == "constructor"
            for argument in item["inputs"]
        ]
        data = code + encode(types, args).hex()
        name = Path(artifact).stem
        tx_hash = self.anvil.rpc("eth_sendTransaction", {"from": self.owner, "gas": hex(_GAS), "data": data})
        if not self.anvil.wait_for_receipt(tx_hash).succeeded:
            raise ChainError(f"{name} could not be deployed")
        return to_checksum_address(self.anvil.rpc("eth_getTransactionReceipt", tx_hash)["contractAddress"])

    # --- Tokens

    def deploy_token(self, symbol: str, decimals: int) -> AssetIdentifier:
        """Deploy a token that the owner can mint."""
        address = self.deploy("DevToken", symbol, symbol, decimals)
        return AssetIdentifier(CHAIN_ID, address.lower(), symbol, decimals)

    def mint(self, asset: AssetIdentifier, receiver: str, amount: Decimal) -> Receipt:
        """Create tokens for an address, token units; this is a deposit if the receiver is a strategy."""
        return self.send(asset.address, _MINT, receiver, asset.convert_to_raw_amount(amount))

    def transfer(self, asset: AssetIdentifier, receiver: str, amount: Decimal, sender: str | None = None) -> Receipt:
        """Send tokens (token units) of the owner, or of another account for which anvil signs."""
        return self.send(asset.address, _TRANSFER, receiver, asset.convert_to_raw_amount(amount), sender=sender)

    def get_balance(self, asset: AssetIdentifier, holder: str) -> Decimal:
        """Return the present balance of an address, token units."""
        return asset.convert_to_decimal(self.connection.call(asset.address, ERC20_BALANCE_OF, holder))

    def create_wallet(self, tokens: Mapping[AssetIdentifier, Decimal] | None = None, gas: int = 1_000) -> HotWallet:
        """Return a wallet with a new key, native tokens for gas, and the given tokens (token units)."""
        wallet = HotWallet.from_key(secrets.token_bytes(32))
        self.anvil.set_native_balance(wallet.address, gas * _WEI)
        for asset, amount in (tokens or {}).items():
            self.mint(asset, wallet.address, amount)
        return wallet

    def impersonate(self, address: str) -> None:
        """Make anvil sign for an address, as if its owner moved money by hand."""
        self.anvil.rpc("anvil_impersonateAccount", address)

    def deploy_vault(
        self, asset: AssetIdentifier, symbol: str, internal_id: int = 2, *, is_async: bool = False
    ) -> TradingPairIdentifier:
        """Deploy a vault of the standard ERC-4626, or with `is_async` of ERC-7540.

        Tokens that are minted for the vault are its profit. An asynchronous vault settles the requests of a wallet when
        its function ``settle`` is called.
        """
        name = "DevAsyncVault" if is_async else "DevVault"
        address = self.deploy(name, asset.address, symbol, symbol).lower()
        share = AssetIdentifier(CHAIN_ID, address, symbol, asset.decimals)
        return make_vault_pair(share, asset, internal_id, is_async=is_async)

    def deploy_managed_vault(self, asset: AssetIdentifier, symbol: str, manager: str) -> str:
        """Deploy a vault whose money is in the wallet of its manager, and return its address.

        The wallet has to approve the vault for redemptions. The manager reports the value of the money with the
        function ``report``; requests wait for ``settle``.
        """
        return self.deploy("DevManagedVault", asset.address, symbol, symbol, manager)

    # --- Uniswap v2

    def deploy_uniswap_v2(self) -> UniswapV2:
        """Deploy the exchange."""
        wrapped = self.deploy("@uniswap/v2-periphery/build/WETH9.json")
        factory = self.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", self.owner)
        router = self.deploy("@uniswap/v2-periphery/build/UniswapV2Router02.json", factory, wrapped)
        return UniswapV2(factory, router)

    def create_v2_pool(
        self,
        exchange: UniswapV2,
        base: AssetIdentifier,
        quote: AssetIdentifier,
        liquidity: Decimal,
        *,
        price: Decimal,
        internal_id: int = 1,
    ) -> TradingPairIdentifier:
        """Create a pool with liquidity of the owner.

        Parameters
        ----------
        liquidity
            Base tokens in the pool, token units; quote tokens of the same value are added.
        price
            Quote tokens per base token.
        """
        amounts = {base: liquidity, quote: liquidity * price}
        for asset, amount in amounts.items():
            self.mint(asset, self.owner, amount)
            self.send(asset.address, ERC20_APPROVE, exchange.router, FOREVER)
        raw = [asset.convert_to_raw_amount(amount) for asset, amount in amounts.items()]
        self.send(exchange.router, _V2_ADD_LIQUIDITY, base.address, quote.address, *raw, 0, 0, self.owner, FOREVER)
        pool = cast(str, self.connection.call(exchange.factory, _V2_GET_PAIR, base.address, quote.address))
        return TradingPairIdentifier(
            base,
            quote,
            pool.lower(),
            exchange.factory.lower(),
            internal_id=internal_id,
            fee=exchange.fee,
            exchange_name="uniswap-v2",
            kind=TradingPairKind.spot_market_hold,
        )

    def set_v2_price(self, exchange: UniswapV2, pair: TradingPairIdentifier, price: Decimal) -> None:
        """Trade as the owner until a pool has a price in quote tokens per base token (within 0.1 %)."""
        first, second, _ = self.connection.call(pair.pool_address, UNISWAP_V2_GET_RESERVES)
        base, quote = (second, first) if pair.has_reverse_token_order() else (first, second)
        raw_price = price.scaleb(pair.quote.decimals - pair.base.decimals)
        wanted_quote = math.isqrt(int(base * quote * raw_price))
        if wanted_quote > quote:
            self._swap_v2(exchange, pair.quote, pair.base, wanted_quote - quote)
        else:
            wanted_base = math.isqrt(int(base * quote / raw_price))
            if wanted_base > base:
                self._swap_v2(exchange, pair.base, pair.quote, wanted_base - base)

    def _swap_v2(self, exchange: UniswapV2, given: AssetIdentifier, taken: AssetIdentifier, raw: int) -> None:
        self.send(given.address, _MINT, self.owner, raw)
        self.send(given.address, ERC20_APPROVE, exchange.router, FOREVER)
        path = [given.address, taken.address]
        self.send(exchange.router, UNISWAP_V2_SWAP, raw, 0, path, self.owner, FOREVER)

    # --- Isolation of tests

    def restoring(self) -> "_Restored":
        """Return a context manager that restores the present state of the chain at its end."""
        return _Restored(self.anvil.snapshot, self.anvil.revert)


@dataclass(slots=True)
class _Restored:
    snapshot: Callable[[], str]
    revert: Callable[[str], None]
    taken: str = ""

    def __enter__(self) -> None:
        self.taken = self.snapshot()

    def __exit__(self, *_: object) -> None:
        self.revert(self.taken)


def _read_artifact(artifact: str | Path) -> dict[str, Any]:
    path = Path(artifact)
    if not path.suffix:
        path = _OWN_CONTRACTS / f"{artifact}.json"
    elif not path.is_absolute():
        path = install_packages() / path
    return json.loads(path.read_text(encoding="utf-8"))


def _link(found: Mapping[str, Any], libraries: Mapping[str, str]) -> str:
    """Return byte code in which the addresses of libraries are filled in."""
    code = str(found["bytecode"]).removeprefix("0x")
    references: Mapping[str, Mapping[str, Sequence[Mapping[str, int]]]] = found.get("linkReferences") or {}
    for names in references.values():
        for name, places in names.items():
            for place in places:
                start = 2 * place["start"]
                address = libraries[name].removeprefix("0x").lower()
                code = code[:start] + address + code[start + len(address) :]
    return "0x" + code
