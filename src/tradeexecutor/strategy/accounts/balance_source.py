"""Sources of actual balances for account checks: a chain, a simulated wallet, a file.

Any object with `fetch_onchain_balances` is a source: every
:py:class:`~tradeexecutor.strategy.sync_model.SyncModel` that can read its chain, and the two sources of this module.

Files of balances
-----------------
A CSV file with a heading, or a JSON file with a list of objects. A record is the balance of one token at one address:

==============  =========  =================================================================================
name            needed     meaning
==============  =========  =================================================================================
``time``        see below  when the balance was read: ISO 8601 or epoch seconds, UTC unless it says otherwise
``block``       no         block number
``chain_id``    yes        e.g. 1 for Ethereum
``address``     no         holder of the tokens; balances of several addresses are added up
``token``       yes        contract of the token
``symbol``      no         ticker for display
``decimals``    no         decimals of the token
``amount``      yes        token units, not raw ones: 12.5 USDC is ``12.5``; JSON may have it as text or as a number
==============  =========  =================================================================================

::

    time,block,chain_id,address,token,symbol,amount
    2024-05-01T12:00:00,45000000,137,0x32D6...,0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174,USDC,1250.5

One file may have balances of several times. Either all records have a time, or none has; then the current time is used.
An address with a record of a token at one of the times needs one at all of them, ``0`` for no balance. A token without
a record was not read, which is not a balance of zero.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from tradeexecutor.ledger.divergence import Observation
from tradeexecutor.ledger.exact import exact_arithmetic, write_amount
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, RecordFileError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.strategy.accounts.record_file import read_records, write_records
from tradeexecutor.strategy.sync_model import OnChainBalance

__all__ = [
    "BalanceSource",
    "RecordedBalance",
    "RecordedBalances",
    "WalletBalances",
    "read_balance_file",
    "write_balance_file",
]

_REQUIRED = ("chain_id", "token", "amount")
_OPTIONAL = ("time", "block", "address", "symbol", "decimals")
_NAMES = ("time", "block", "chain_id", "address", "token", "symbol", "amount")


class BalanceSource(Protocol):
    """An object that returns balances."""

    def get_token_storage_address(self) -> str | None:
        """Return the address that holds the assets; None when it is unknown, or there are several."""
        ...

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Return balances of assets; assets whose balance is not known are left out.

        Parameters
        ----------
        filter_zero
            Whether to leave out balances of zero.
        block_identifier
            Block to read balances at; None for the latest.
        """
        ...


class Wallet(Protocol):
    """The attributes of a simulated wallet that `WalletBalances` uses."""

    balances: dict[str, Decimal]


class WalletBalances:
    """Balances of a simulated wallet.

    Parameters
    ----------
    wallet
        :py:class:`~tradeexecutor.backtest.simulated_wallet.SimulatedWallet`. It does not distinguish chains.
    timestamp
        Simulated time, naive UTC.
    """

    def __init__(self, wallet: Wallet, timestamp: datetime.datetime):
        self.wallet = wallet
        self.timestamp = timestamp

    def get_token_storage_address(self) -> str | None:
        """Return None, because a simulation has no address."""
        return None

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> list[OnChainBalance]:
        """Return the balances of the wallet; zero for tokens without an entry.

        Raises
        ------
        InvalidValue
            A block was asked for, which a simulated wallet does not have.
        """
        if block_identifier is not None:
            raise InvalidValue(f"a simulated wallet has no block {block_identifier}")
        balances = ((asset, self.wallet.balances.get(asset.address, Decimal(0))) for asset in assets)
        return [
            OnChainBalance(None, self.timestamp, asset, amount)
            for asset, amount in balances
            if amount or not filter_zero
        ]


@dataclass(frozen=True, slots=True)
class RecordedBalance:
    """Balance of a token at an address.

    Attributes
    ----------
    time
        Time of the balance, naive UTC.
    asset
        The token; symbol and decimals are those of the file.
    amount
        Token units, >= 0.
    block_number, holder
        None if they were not recorded.
    source
        Name of the record in errors, e.g. ``record 3``.
    """

    time: datetime.datetime
    asset: AssetIdentifier
    amount: Decimal
    block_number: int | None = None
    holder: str | None = None
    source: str = ""


class RecordedBalances:
    """Balances that were read at one or several times.

    Parameters
    ----------
    balances
        Balances in any order.
    name
        Name of the file in errors.

    Raises
    ------
    RecordFileError
        Two records have the same token, address and time, an address is missing at a time, or an amount is negative.
    """

    def __init__(self, balances: Iterable[RecordedBalance], name: str = "balances"):
        self.balances = sorted(balances, key=lambda item: (item.time, item.block_number or 0))
        self.name = name
        self._observations = _add_up(self.balances, name)
        self._assets = {item.asset: item.asset for item in reversed(self.balances)}

    @property
    def times(self) -> list[datetime.datetime]:
        """Times at which balances were read, sorted."""
        return sorted({item.time for item in self.balances})

    @property
    def holders(self) -> list[str]:
        """Addresses with records."""
        return sorted({item.holder for item in self.balances if item.holder})

    def get_token_storage_address(self) -> str | None:
        """Return the address that holds the assets; None when there are several, or none is recorded."""
        holders = self.holders
        return holders[0] if len(holders) == 1 else None

    def get_assets(self) -> list[AssetIdentifier]:
        """Return the tokens that have records."""
        return list(self._assets)

    def get_observations(self, asset: AssetIdentifier) -> list[Observation]:
        """Return the balances of an asset, summed over all addresses, in order of time; empty when it was not read."""
        return list(self._observations.get(asset, ()))

    def until(self, time: datetime.datetime) -> "RecordedBalances":
        """Return the records up to a time; raises `RecordFileError` if there are none."""
        kept = [item for item in self.balances if item.time <= time]
        if not kept:
            raise RecordFileError(self.name, f"no balance was read until {time}, the first is of {self.times[0]}")
        return RecordedBalances(kept, self.name)

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> list[OnChainBalance]:
        """Return the latest balance of each asset; assets that were not read are left out."""
        found: list[OnChainBalance] = []
        for asset in assets:
            observations = self._observations.get(asset, [])
            if block_identifier is not None:
                observations = [item for item in observations if (item.block_number or 0) <= block_identifier]
            if observations and (observations[-1].amount or not filter_zero):
                last = observations[-1]
                found.append(OnChainBalance(last.block_number, last.time, asset, last.amount))
        return found


def _add_up(balances: Iterable[RecordedBalance], name: str) -> dict[AssetIdentifier, list[Observation]]:
    """Return the balances summed over all holders, by asset and in order of time."""
    groups: dict[AssetIdentifier, dict[datetime.datetime, dict[str | None, RecordedBalance]]] = {}
    for item in balances:
        holders = groups.setdefault(item.asset, {}).setdefault(item.time, {})
        if item.holder in holders:
            raise RecordFileError(
                name,
                f"{item.source} and {holders[item.holder].source} are both the {item.asset.token_symbol} of "
                f"{item.holder or 'no address'} at {item.time}",
            )
        if item.amount < 0:
            raise RecordFileError(name, f"{item.source}: nobody holds {item.amount} {item.asset.token_symbol}")
        holders[item.holder] = item
    observations: dict[AssetIdentifier, list[Observation]] = {}
    for asset, by_time in groups.items():
        everybody = {holder for holders in by_time.values() for holder in holders}
        for time, holders in by_time.items():
            missing = everybody - set(holders)
            if missing:
                raise RecordFileError(
                    name,
                    f"what {min(map(str, missing))} held of {asset.token_symbol} at {time} is missing; "
                    "write 0 if that was nothing",
                )
            with exact_arithmetic():
                amount = sum((item.amount for item in holders.values()), Decimal(0))
            first = next(iter(holders.values()))
            observations.setdefault(asset, []).append(Observation(time, amount, first.block_number, first.source))
    return observations


# --- Files


def read_balance_file(
    path: Path, now: datetime.datetime, known: Iterable[AssetIdentifier] = (), holder: str | None = None
) -> RecordedBalances:
    """Return the balances of a file in the format of the module docstring.

    Parameters
    ----------
    now
        Time of records without a time, naive UTC.
    known
        Assets whose symbol and decimals replace those of the file.
    holder
        Only balances of this address; None for all.

    Raises
    ------
    RecordFileError
        The file has the wrong format; the message names the record.
    OSError
        The file cannot be read.
    """
    assets = {(asset.chain_id, asset.address): asset for asset in known}
    balances: list[RecordedBalance] = []
    without_time: list[int] = []
    for record in read_records(path, _REQUIRED, _OPTIONAL):
        time = record.find_time("time")
        if time is None:
            without_time.append(record.row)
        address = record.get_text("token").lower()
        chain_id = record.get_number("chain_id")
        asset = assets.get((chain_id, address))
        if asset is None:
            decimals = record.find_number("decimals")
            symbol = record.find_text("symbol") or f"{address[:8]}…"
            try:
                asset = AssetIdentifier(chain_id, address, symbol, 18 if decimals is None else decimals)
            except InvalidValue as error:
                record.refuse(f"token: {error}")
            assets[chain_id, address] = asset
        amount = record.get_amount("amount")
        if amount < 0:
            record.refuse(f"amount must not be negative, got {amount}")
        owner = (record.find_text("address") or "").lower() or None
        block = record.find_number("block")
        balances.append(RecordedBalance(time or now, asset, amount, block, owner, f"record {record.row}"))
    if without_time and len(without_time) < len(balances):
        raise RecordFileError(path, "time is missing; either all records have one, or none", without_time[0])
    if holder is not None:
        chosen = [item for item in balances if item.holder == holder.lower()]
        if not chosen:
            holders = ", ".join(sorted({str(item.holder) for item in balances})[:5])
            raise RecordFileError(path, f"no record is about {holder}; there are {holders}")
        balances = chosen
    return RecordedBalances(balances, str(path))


def write_balance_file(
    path: Path,
    time: datetime.datetime,
    balances: Mapping[AssetIdentifier, Decimal],
    holder: str | None = None,
    block_number: int | None = None,
) -> None:
    """Write a file with balances of one time, as a template.

    Raises
    ------
    RecordFileError
        The name ends with neither ``.csv`` nor ``.json``.
    OSError
        The file cannot be written.
    """
    rows = [
        (
            time.isoformat(), block_number, asset.chain_id, holder, asset.address, asset.token_symbol,
            write_amount(amount),
        )
        for asset, amount in balances.items()
    ]  # fmt: skip
    write_records(path, _NAMES, rows)
