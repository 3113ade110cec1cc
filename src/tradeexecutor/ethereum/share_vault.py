"""The vault whose share holders own the money of a strategy (ERC-4626, ERC-7540).

The money is in the wallet of the strategy, so deposits and redemptions of share holders are transfers of the wallet,
which `treasury` reads. This module adds what the vault has recorded: who the share holder is, how many shares exist
afterwards, and which requests wait for a settlement.

The number of shares after a transfer is computed backwards from the number at the last block that is read, by the
shares that were issued and burned since. No node with an archive is needed for that.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from decimal import Decimal

from eth_utils.address import to_checksum_address

from tradeexecutor.ethereum.abi import (
    ERC20_DECIMALS,
    ERC20_NAME,
    ERC20_SYMBOL,
    ERC20_TOTAL_SUPPLY,
    ERC4626_ASSET,
    ERC4626_CONVERT_TO_ASSETS,
    ERC4626_DEPOSIT_TOPIC,
    ERC4626_WITHDRAW_TOPIC,
    ERC7540_DEPOSIT_TOPIC,
    ERC7540_PENDING_DEPOSIT,
    ERC7540_PENDING_REDEMPTION,
    ERC7540_REDEMPTION_TOPIC,
    TRANSFER_TOPIC,
)
from tradeexecutor.ethereum.connection import Block, ChainConnection, Log
from tradeexecutor.ethereum.errors import RpcError, WrongChain
from tradeexecutor.ethereum.logs import BLOCK_RANGE, fetch_logs, make_address_topic
from tradeexecutor.ethereum.venues.interface import parse_transfer
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import ManagedVault, Treasury, VaultRequest
from tradeexecutor.strategy.accounts.treasury_event import TreasuryEvent

__all__ = ["VaultReading", "attach_vault", "find_vault", "read_vault"]

_NOBODY = "0x" + "00" * 20

#: Length of a transaction hash with ``0x``.
_HASH_LENGTH = 66


def find_vault(treasury: Treasury) -> ManagedVault | None:
    """Return the vault whose money the strategy manages; None when there is none."""
    return treasury.managed_vaults[0] if treasury.managed_vaults else None


def attach_vault(state: State, connection: ChainConnection, address: str, reserve: AssetIdentifier) -> ManagedVault:
    """Record that the share holders of a vault own the money, and the present number of shares.

    Parameters
    ----------
    reserve
        Currency of the strategy, which the vault has to accept.

    Raises
    ------
    WrongChain
        There is no such vault on the chain, or it accepts another token.
    ChainUnavailable
        No node answered.
    """
    try:
        accepted = str(connection.call(address, ERC4626_ASSET)).lower()
        decimals = int(connection.call(address, ERC20_DECIMALS))
        name, symbol = connection.call(address, ERC20_NAME), connection.call(address, ERC20_SYMBOL)
    except RpcError as error:
        raise WrongChain(f"{address} is no vault on chain {connection.chain_id}: {error}") from error
    if accepted != reserve.address:
        raise WrongChain(f"the vault {address} accepts the token {accepted}, the strategy has {reserve}")
    vault = ManagedVault(to_checksum_address(address), decimals)
    treasury, deployment = state.sync.treasury, state.sync.deployment
    treasury.share_count = _read_share_count(connection, vault, "latest")
    treasury.managed_vaults = [vault]
    deployment.vault_token_name, deployment.vault_token_symbol = str(name), str(symbol)
    return vault


def _read_share_count(connection: ChainConnection, vault: ManagedVault, block: int | str) -> Decimal:
    return _to_shares(vault, int(connection.call(vault.address, ERC20_TOTAL_SUPPLY, block=block)))


def _to_shares(vault: ManagedVault, raw: int) -> Decimal:
    return Decimal(raw).scaleb(-vault.decimals)


# --- What has happened


@dataclasses.dataclass(frozen=True, slots=True)
class _Issue:
    """Shares that were issued (+) or burned (-), and the place of the log."""

    block_number: int
    log_index: int
    tx_hash: str
    shares: Decimal


@dataclasses.dataclass(slots=True)
class VaultReading:
    """What the logs of a vault say about a range of blocks; made by `read_vault`.

    Attributes
    ----------
    share_count
        Number of shares after the last block.
    issues
        Issues and burns of shares.
    holders
        Share holder of each transaction with a single one, lower case, by hash of the transaction.
    requests
        Requests that wait for a settlement after the last block.
    pending_deposits, pending_redemptions
        Money that they bring and ask for, token units of the reserve.
    """

    share_count: Decimal
    issues: list[_Issue]
    holders: dict[str, str]
    requests: list[VaultRequest]
    pending_deposits: Decimal
    pending_redemptions: Decimal

    def complete(self, event: TreasuryEvent) -> TreasuryEvent:
        """Return an event of the wallet with the number of shares afterwards, and its share holder."""
        if len(event.tx_hash) > _HASH_LENGTH:
            # It puts right an entry after a reorganisation, so it has no place among the logs.
            return dataclasses.replace(event, share_count=self.share_count)
        # All shares of a transaction belong to its transfer, whether their logs come before or after.
        place = event.block_number or 0, event.log_index
        later = [
            issue.shares
            for issue in self.issues
            if (issue.block_number, issue.log_index) > place and issue.tx_hash != event.tx_hash
        ]
        holder = self.holders.get(event.tx_hash, event.owner_address)
        return dataclasses.replace(event, share_count=self.share_count - sum(later), owner_address=holder)

    def record(self, treasury: Treasury) -> None:
        """Record the number of shares and the requests that wait."""
        vault = find_vault(treasury)
        assert vault is not None, "its logs were read"
        treasury.share_count = self.share_count
        vault.requests = self.requests
        treasury.pending_deposits = float(self.pending_deposits)
        treasury.pending_redemptions = float(self.pending_redemptions)


def read_vault(
    connection: ChainConnection,
    vault: ManagedVault,
    reserve: AssetIdentifier,
    first: int,
    last: Block,
    *,
    oldest_request: int | None = None,
    block_range: int = BLOCK_RANGE,
) -> VaultReading:
    """Read what happened in a vault from block `first` to `last`; nothing is recorded.

    Parameters
    ----------
    oldest_request
        Block from which requests are read; None for `first`. After a reorganisation, one of any age may wait again.

    Raises
    ------
    RpcError, ChainUnavailable
        The logs or the number of shares cannot be read.
    """

    def fetch(since: int, *topics: str | Sequence[str] | None) -> list[Log]:
        return fetch_logs(connection, [vault.address], [topics], since, last.number, block_range=block_range)

    nobody = make_address_topic(_NOBODY)
    issues: list[_Issue] = []
    for log in [*fetch(first, TRANSFER_TOPIC, nobody), *fetch(first, TRANSFER_TOPIC, None, nobody)]:
        transfer = parse_transfer(log)
        if transfer is not None and transfer[0] != transfer[1]:
            shares = _to_shares(vault, transfer[2])
            issues.append(
                _Issue(log.block_number, log.log_index, log.tx_hash, shares if transfer[0] == _NOBODY else -shares)
            )
    requests = _read_requests(
        fetch(first if oldest_request is None else oldest_request, [ERC7540_DEPOSIT_TOPIC, ERC7540_REDEMPTION_TOPIC])
    )
    waiting: list[VaultRequest] = []
    raw_deposits = raw_shares = 0
    for request in dict.fromkeys((r.is_redemption, r.request_id, r.controller) for r in [*vault.requests, *requests]):
        is_redemption, request_id, controller = request
        pending = ERC7540_PENDING_REDEMPTION if is_redemption else ERC7540_PENDING_DEPOSIT
        raw = int(connection.call(vault.address, pending, int(request_id), controller, block=last.number))
        if raw:
            waiting.append(VaultRequest(request_id, controller, is_redemption))
        raw_shares += raw if is_redemption else 0
        raw_deposits += 0 if is_redemption else raw
    raw_redemptions = 0
    if raw_shares:
        raw_redemptions = int(connection.call(vault.address, ERC4626_CONVERT_TO_ASSETS, raw_shares, block=last.number))
    return VaultReading(
        _read_share_count(connection, vault, last.number),
        issues,
        _find_holders(fetch(first, [ERC4626_DEPOSIT_TOPIC, ERC4626_WITHDRAW_TOPIC])),
        waiting,
        reserve.convert_to_decimal(raw_deposits),
        reserve.convert_to_decimal(raw_redemptions),
    )


def _read_requests(logs: Iterable[Log]) -> list[VaultRequest]:
    return [
        VaultRequest(
            str(int(log.topics[3], 16)),
            to_checksum_address("0x" + log.topics[1][-40:]),
            log.topics[0] == ERC7540_REDEMPTION_TOPIC,
        )
        for log in logs
        if len(log.topics) == 4
    ]


def _find_holders(logs: Iterable[Log]) -> dict[str, str]:
    """Return the owner of the shares in each transaction that issues or burns shares of one owner only."""
    owners: dict[str, set[str]] = {}
    for log in logs:
        # Deposit(sender, owner, assets, shares), Withdraw(sender, receiver, owner, assets, shares)
        place = 2 if log.topics[0] == ERC4626_DEPOSIT_TOPIC else 3
        if len(log.topics) > place:
            owners.setdefault(log.tx_hash, set()).add("0x" + log.topics[place][-40:])
    return {tx_hash: next(iter(found)) for tx_hash, found in owners.items() if len(found) == 1}
