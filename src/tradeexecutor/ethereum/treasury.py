"""Deposits and redemptions: transfers of the reserve currency that were not made by transactions of this program.

Transfers are read from final blocks, beginning where the last reading ended. The end is recorded as block number *and*
hash: if the block with this number has another hash now, the chain was reorganised more deeply than expected. The
reading then goes back to the last recorded block that still exists, and the booked transfers are compared with the
chain, transaction by transaction. A difference is booked as a separate entry. Nothing is erased, and nothing is booked
twice, even if a transaction has another place in its new block.
"""

import datetime
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradeexecutor.ethereum.abi import TRANSFER_TOPIC
from tradeexecutor.ethereum.balances import ChainBalances
from tradeexecutor.ethereum.connection import Block, ChainConnection, Log
from tradeexecutor.ethereum.errors import ChainError
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.lending import fetch_supply_rate
from tradeexecutor.ethereum.logs import BLOCK_RANGE, fetch_logs, make_address_topic
from tradeexecutor.ethereum.share_vault import VaultReading, find_vault, read_vault
from tradeexecutor.ethereum.trade_history import OwnHashes
from tradeexecutor.ethereum.venues.interface import parse_transfer
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.reserve_updates import ReserveUpdateEvent, apply_reserve_update_events
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import AssetIdentifier, AssetWithTrackedValue
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import ScannedBlock
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, accept_unknown_enum_values
from tradeexecutor.strategy.accounts.treasury_event import TreasuryEvent, TreasuryEventKind
from tradeexecutor.strategy.accounts.treasury_sync import apply_treasury_events
from tradeexecutor.strategy.interest import accrue_interest, prepare_interest_distribution, set_interest_rates
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.sync_model import OnChainBalance, SyncModel, UnconfirmedTreasurySync

__all__ = ["EthereumSync", "NotInitialised", "WatchedAddress"]

logger = logging.getLogger(__name__)

#: Number of read blocks that are recorded. A reorganisation is followed back to one of them.
_REMEMBERED = 24

#: Length of a transaction hash with ``0x``. The reference of an entry that a reorganisation made necessary is longer:
#: the hash, and the number of the entry behind it, both hexadecimal, because clients accept nothing else.
_HASH_LENGTH = 66


class NotInitialised(ChainError):
    """The state does not contain a wallet yet, or contains another one; `tradeexecutor init` sets the wallet."""


@dataclass(frozen=True, slots=True)
class WatchedAddress:
    """A wallet whose key is somewhere else: its transfers can be read, and nothing can be sent.

    Attributes
    ----------
    address
        Address of the wallet.
    """

    address: str


class EthereumSync(SyncModel):
    """Keeps the books of a hot wallet in line with its chain.

    Parameters
    ----------
    connection
        Connection to the chain; its `confirmations` define which blocks are final.
    wallet
        Wallet whose transfers are booked; only its address is used.
    block_range
        Number of blocks in one request for logs; halved when a node refuses.
    """

    def __init__(
        self, connection: ChainConnection, wallet: HotWallet | WatchedAddress, *, block_range: int = BLOCK_RANGE
    ):
        self.connection = connection
        self.wallet = wallet
        self.balances = ChainBalances(connection, wallet.address)
        self._block_range = block_range
        self._own_hashes = OwnHashes()

    # --- A new state

    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Prepare a new state: record the wallet and the first block to watch, and book the present balances.

        Parameters
        ----------
        **kwargs
            `reserve_assets`: the currencies whose present balances are booked as deposits.

        Raises
        ------
        NotInitialised
            The state was already prepared for a wallet.
        """
        deployment = state.sync.deployment
        if deployment.block_number is not None:
            raise NotInitialised(f"the state already belongs to {deployment.address}")
        reserve_assets: Collection[AssetIdentifier] = kwargs.get("reserve_assets", ())
        safe = self._require_safe_block()
        held = self.balances.fetch_onchain_balances(reserve_assets, block_identifier=safe.number)
        apply_reserve_update_events(
            state,
            [
                ReserveUpdateEvent(
                    balance.asset, safe.timestamp, safe.timestamp, Decimal(0), balance.amount, safe.number
                )
                for balance in held
            ],
        )
        with accept_unknown_enum_values():
            deployment.chain_id = ChainId(self.connection.chain_id)
        deployment.address = self.wallet.address
        deployment.block_number = safe.number
        deployment.block_mined_at = safe.timestamp
        deployment.initialised_at = self.connection.clock()
        self._move_cursor(state, safe)

    def is_ready_for_live_trading(self, state: State) -> bool:
        """Return whether the state was prepared for this wallet on this chain."""
        deployment = state.sync.deployment
        return (
            deployment.block_number is not None
            and (deployment.address or "").lower() == self.wallet.address.lower()
            and deployment.chain_id == self.connection.chain_id
        )

    # --- Deposits and redemptions

    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book deposits and redemptions in final blocks since the last call.

        Parameters
        ----------
        end_block
            Last block to read; it must be final.

        Raises
        ------
        NotInitialised
            See `sync_initial`.
        UnconfirmedTreasurySync
            The node is behind, or the chain is being reorganised; nothing has changed.
        TreasuryEventRefused
            A reorganisation removed a deposit that was already spent; a person has to decide.
        """
        del post_valuation
        safe = self._require_safe_block()
        if end_block is not None and end_block < safe.number:
            block = self.connection.find_block(end_block)
            assert block is not None, "before a final block"
            safe = block
        start = self._find_start(state, safe)
        if start.block >= safe.number:
            return []
        reserves = self._list_reserves(state, supported_reserves or ())
        logs = self._fetch_transfers([asset.address for asset in reserves], start.block + 1, safe.number)
        events, moved = self._compare(state, reserves, logs, start, safe)
        reading = self._read_vault(state, reserves, start, safe)
        if reading is not None:
            events = [reading.complete(event) for event in events]
        booked = apply_treasury_events(state, events, strategy_cycle_ts, reserves).booked
        if start.is_reorganised:
            logger.warning("The chain was reorganised below the last reading, %d entries put it right", len(booked))
        for update, number in moved:
            update.block_number = number
        self._move_cursor(state, safe)
        treasury = state.sync.treasury
        if reading is not None:
            reading.record(treasury)
        treasury.last_updated_at, treasury.last_cycle_at = self.connection.clock(), strategy_cycle_ts
        return booked

    def _require_safe_block(self) -> Block:
        safe = self.connection.find_safe_block()
        if safe is None:
            raise UnconfirmedTreasurySync(
                f"chain {self.connection.chain_id} has not {self.connection.confirmations} blocks yet"
            )
        return safe

    def _find_start(self, state: State, safe: Block) -> "_Start":
        """Return the block after which reading begins."""
        treasury, deployment = state.sync.treasury, state.sync.deployment
        if deployment.block_number is None:
            raise NotInitialised("the state does not know its wallet yet; run `tradeexecutor init`")
        scanned = treasury.scanned_blocks
        if not scanned:
            cursor = treasury.last_block_scanned or deployment.block_number
            return _Start(cursor, cursor)
        cursor = scanned[-1].number
        if safe.number < cursor:
            present = self.connection.find_block(cursor)
            if present is None or present.hash != scanned[-1].hash:
                raise UnconfirmedTreasurySync(
                    f"block {cursor:,} was final and is not there any more; the chain is being reorganised, or the "
                    "node is behind"
                )
            return _Start(cursor, cursor)
        for known in reversed(scanned):
            block = self.connection.find_block(known.number)
            if block is not None and block.hash == known.hash:
                return _Start(known.number, cursor)
        return _Start(deployment.block_number, cursor)

    @staticmethod
    def _move_cursor(state: State, block: Block) -> None:
        treasury = state.sync.treasury
        treasury.last_block_scanned = block.number
        kept = [known for known in treasury.scanned_blocks if known.number < block.number]
        treasury.scanned_blocks = [*kept[-_REMEMBERED + 1 :], ScannedBlock(block.number, block.hash)]

    def _fetch_transfers(self, tokens: list[str], first: int, last: int) -> list[Log]:
        """Return the transfers to and from the wallet in order; a transfer to itself is contained twice."""
        wallet = make_address_topic(self.wallet.address)
        conditions = ([TRANSFER_TOPIC, None, wallet], [TRANSFER_TOPIC, wallet])
        return fetch_logs(self.connection, tokens, conditions, first, last, block_range=self._block_range)

    def _read_vault(
        self, state: State, reserves: list[AssetIdentifier], start: "_Start", safe: Block
    ) -> VaultReading | None:
        """Return what happened in the vault that the strategy manages; None when there is none."""
        vault = find_vault(state.sync.treasury)
        if vault is None:
            return None
        return read_vault(
            self.connection,
            vault,
            reserves[0],
            start.block + 1,
            safe,
            oldest_request=state.sync.deployment.block_number if start.is_reorganised else None,
            block_range=self._block_range,
        )

    def _list_reserves(self, state: State, supported: Iterable[AssetIdentifier]) -> list[AssetIdentifier]:
        known = [reserve.asset for reserve in state.portfolio.reserves.values()]
        ours = [asset for asset in (*known, *supported) if asset.chain_id == self.connection.chain_id]
        return list(dict.fromkeys(ours))

    # --- Comparison of booked transfers with the chain

    def _compare(
        self, state: State, reserves: list[AssetIdentifier], logs: list[Log], start: "_Start", safe: Block
    ) -> "tuple[list[TreasuryEvent], list[tuple[BalanceUpdate, int]]]":
        """Return the events to book, after which the booked amount of every transaction is the one on chain.

        The second list contains existing entries with the block that contains their transaction now.
        """
        assets = {asset.address: asset for asset in reserves}
        on_chain = self._group(logs, self._own_hashes.find(state, {log.tx_hash for log in logs}) if logs else set())
        booked = _find_booked(state, self.connection.chain_id)
        events: list[TreasuryEvent] = []
        moved: list[tuple[BalanceUpdate, int]] = []
        for key, transfers in on_chain.items():
            entry = booked.get(key)
            if entry is None:
                events += [self._make_event(assets[key[1]], transfer) for transfer in transfers]
                continue
            difference = sum(transfer.raw for transfer in transfers) - entry.get_raw(assets[key[1]])
            events += self._make_adjustment(assets[key[1]], key, entry, difference, transfers[-1].log)
            moved.append((entry.updates[-1], transfers[-1].log.block_number))
        if start.is_reorganised:
            for key, entry in booked.items():
                is_gone = key not in on_chain and start.block < entry.last_block <= start.cursor
                if is_gone and key[1] in assets:
                    asset = assets[key[1]]
                    events += self._make_adjustment(asset, key, entry, -entry.get_raw(asset), None, safe)
        return events, moved

    def _group(self, logs: list[Log], own: set[str]) -> "dict[_Key, list[_Transfer]]":
        """Return the transfers of transactions that are not ours, by transaction and token."""
        found: dict[_Key, list[_Transfer]] = {}
        address = self.wallet.address.lower()
        seen: set[tuple[str, int]] = set()
        for log in logs:
            transfer = parse_transfer(log)
            if transfer is None or log.tx_hash in own or (log.tx_hash, log.log_index) in seen:
                continue
            seen.add((log.tx_hash, log.log_index))
            sender, receiver, raw = transfer
            if not raw or sender == receiver:
                continue
            is_deposit = receiver == address
            party = sender if is_deposit else receiver
            key = (log.tx_hash, log.address)
            found.setdefault(key, []).append(_Transfer(log, raw if is_deposit else -raw, party))
        return found

    def _make_event(self, asset: AssetIdentifier, transfer: "_Transfer") -> TreasuryEvent:
        log = transfer.log
        return TreasuryEvent(
            TreasuryEventKind.deposit if transfer.raw > 0 else TreasuryEventKind.redemption,
            asset.chain_id,
            asset.address,
            asset.convert_to_decimal(abs(transfer.raw)),
            self._get_time(log.block_number),
            log.tx_hash,
            log.log_index,
            log.block_number,
            transfer.party,
        )

    def _make_adjustment(
        self,
        asset: AssetIdentifier,
        key: "_Key",
        entry: "_Booked",
        raw: int,
        log: Log | None,
        safe: Block | None = None,
    ) -> list[TreasuryEvent]:
        """Return the event that makes the booked amount of a transaction equal to that on chain; empty if it is."""
        if not raw:
            return []
        if log is None:
            assert safe is not None
            # The new blocks may be older than the one that is gone, and an entry is not undone before its time.
            number, time = safe.number, max(safe.timestamp, *(update.block_mined_at for update in entry.updates))
            notes = "Undone: a reorganisation of the chain took the transaction away"
        else:
            number, time = log.block_number, self._get_time(log.block_number)
            notes = "Booked again: after a reorganisation the transaction is part of the chain"
        logger.warning("%s of %s by %s. %s", raw, asset, key[0], notes)
        return [
            TreasuryEvent(
                TreasuryEventKind.deposit if raw > 0 else TreasuryEventKind.redemption,
                asset.chain_id,
                asset.address,
                asset.convert_to_decimal(abs(raw)),
                time,
                # The event has no log, and its reference must differ from those of existing entries.
                f"{key[0]}{len(entry.updates):04x}",
                0,
                number,
                entry.updates[0].owner_address,
                notes=notes,
            )
        ]

    def _get_time(self, number: int) -> datetime.datetime:
        block = self.connection.find_block(number)
        if block is None:
            raise UnconfirmedTreasurySync(f"block {number:,} is not there any more, the chain is being reorganised")
        return block.timestamp

    # --- Interest

    def sync_interests(
        self, timestamp: datetime.datetime, state: State, universe: object, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Book the interest of tokens of a lending pool, computed from their balances on chain, and record its rates.

        Raises
        ------
        InterestRefused
            A balance is implausible: it is less than the lent amount, or has grown too fast.
        """
        del universe
        block = self.connection.get_head()
        start = state.sync.interest.last_sync_at or block.timestamp
        operation = prepare_interest_distribution(start, max(start, block.timestamp), state.portfolio, pricing_model)
        if not operation.entries:
            return []
        if state.sync.interest.last_sync_at is None:
            operation.start = min(trade.executed_at for trade in _list_loan_trades(state) if trade.executed_at)
        held = self.balances.fetch_onchain_balances(operation.assets, filter_zero=False, block_identifier=block.number)
        balances = {balance.asset: balance.amount for balance in held}
        rates = self._fetch_supply_rates(state)
        events = accrue_interest(
            state,
            balances,
            operation,
            operation.end,
            block.number,
            created_at=self.connection.clock(),
            least=Decimal(0),
        )
        set_interest_rates(rates)
        return events

    def _fetch_supply_rates(self, state: State) -> list[tuple[AssetWithTrackedValue, Percent]]:
        """Return the collateral of each credit position with its present rate."""
        rates: list[tuple[AssetWithTrackedValue, Percent]] = []
        for position in state.portfolio.get_current_credit_positions():
            if position.loan is not None:
                tracker = position.loan.collateral
                rates.append((tracker, fetch_supply_rate(self.connection, tracker.asset)))
        return rates

    # --- The rest of the interface

    def get_token_storage_address(self) -> str:
        """Return the address of the wallet."""
        return self.wallet.address

    def get_key_address(self) -> str:
        """Return the address of the wallet."""
        return self.wallet.address

    def get_hot_wallet(self) -> HotWallet | None:
        """Return the wallet; None when its key is somewhere else."""
        return self.wallet if isinstance(self.wallet, HotWallet) else None

    def create_transaction_builder(self) -> None:
        """Return None, because the execution model signs transactions."""
        return

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Return balances of the wallet, see `ChainBalances`."""
        return self.balances.fetch_onchain_balances(assets, filter_zero, block_identifier)


#: Transaction and token, lower case.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Start:
    """Reading begins after `block`; `cursor` is the last block of the previous reading."""

    block: int
    cursor: int

    @property
    def is_reorganised(self) -> bool:
        return self.block != self.cursor


@dataclass(frozen=True, slots=True)
class _Transfer:
    """A transfer: its log, its raw amount (+ in, - out), and the other party."""

    log: Log
    raw: int
    party: str


@dataclass(slots=True)
class _Booked:
    """The entries of a transaction, in order."""

    updates: list[BalanceUpdate] = field(default_factory=list[BalanceUpdate])

    @property
    def last_block(self) -> int:
        return max(update.block_number or 0 for update in self.updates)

    def get_raw(self, asset: AssetIdentifier) -> int:
        return sum(asset.convert_to_raw_amount(update.quantity) for update in self.updates)


def _find_booked(state: State, chain_id: int) -> dict[_Key, _Booked]:
    """Return the booked deposits and redemptions of cash, by transaction and token."""
    found: dict[_Key, _Booked] = {}
    for reserve in state.portfolio.reserves.values():
        for update in reserve.balance_updates.values():
            if update.tx_hash is None or update.chain_id != chain_id:
                continue
            tx_hash = update.tx_hash.lower()[:_HASH_LENGTH]
            found.setdefault((tx_hash, reserve.asset.address), _Booked()).updates.append(update)
    return found


def _list_loan_trades(state: State) -> list[TradeExecution]:
    return [
        trade
        for position in state.portfolio.get_open_and_frozen_positions()
        if position.loan is not None
        for trade in position.trades.values()
    ]
