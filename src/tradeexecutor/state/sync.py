"""Data about the chain: the deployment of the strategy, and the blocks up to which events were read."""

from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import LEFT_OUT_WHEN_EMPTY, OpenAttributes, Serialisable
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.interest_distribution import InterestDistributionOperation
from tradeexecutor.state.types import BlockNumber, JSONHexAddress, JSONHexBytes, USDollarAmount, UTCDatetime, new_list


@dataclass(slots=True)
class Deployment(OpenAttributes):
    """Chain and address of the vault or wallet; all fields are None before initialisation and in backtests."""

    #: Chain of the vault or wallet; None before the first sync.
    chain_id: ChainId | None = None
    #: Address of the vault or wallet with checksum.
    address: JSONHexAddress | None = None
    #: Block of the deployment of a vault, or of the initialisation of a wallet.
    block_number: BlockNumber | None = None
    #: Hash of the transaction that deployed the vault; None for a wallet.
    tx_hash: JSONHexBytes | None = None
    #: Time of the block of the deployment.
    block_mined_at: UTCDatetime | None = None
    #: Name of the share token; None for a wallet.
    vault_token_name: str | None = None
    #: Symbol of the share token; None for a wallet.
    vault_token_symbol: str | None = None
    #: Time of the clock at which the state was connected with the vault or wallet.
    initialised_at: UTCDatetime | None = None


@dataclass(slots=True)
class BalanceEventRef(OpenAttributes):
    """Index entry of a `BalanceUpdate`; the event itself is stored in the position or reserve that it changes."""

    #: Id of the `BalanceUpdate`.
    balance_event_id: int
    #: Cycle in which the event was booked; None for interest and most corrections.
    strategy_cycle_included_at: UTCDatetime | None
    #: Why the balance changed.
    cause: BalanceUpdateCause
    #: Whether the balance is one of the reserves or of a position.
    position_type: BalanceUpdatePositionType
    #: Position whose balance changed; None for the reserve.
    position_id: int | None
    #: Value of the event, USD; None in old files.
    usd_value: USDollarAmount | None

    @staticmethod
    def from_balance_update_event(evt: BalanceUpdate) -> "BalanceEventRef":
        """Return the index entry of an event."""
        return BalanceEventRef(
            balance_event_id=evt.balance_update_id,
            strategy_cycle_included_at=evt.strategy_cycle_included_at,
            cause=evt.cause,
            position_type=evt.position_type,
            position_id=evt.position_id,
            usd_value=evt.usd_value,
        )


@dataclass(slots=True)
class ScannedBlock(Serialisable):
    """A block up to which events were read; its hash shows later whether it is still part of the chain."""

    #: Number of the block.
    number: BlockNumber
    #: ``0x`` hexadecimal.
    hash: JSONHexBytes


@dataclass(slots=True)
class VaultRequest(Serialisable):
    """A request of an investor to deposit into a vault or to redeem from it, which the vault has not settled yet."""

    #: Number that the vault has given to the request; several investors may share one.
    request_id: str
    #: Investor who controls the request.
    controller: JSONHexAddress
    #: Whether it asks for money; otherwise it brings money.
    is_redemption: bool


@dataclass(slots=True)
class ManagedVault(Serialisable):
    """A vault (ERC-4626, ERC-7540) whose money the strategy manages in its wallet."""

    #: Contract of the vault, which is also the token of its shares.
    address: JSONHexAddress
    #: Decimals of a share.
    decimals: int
    #: Requests that wait for a settlement, in the order of their events.
    requests: list[VaultRequest] = field(default_factory=new_list)


@dataclass(slots=True)
class Treasury(OpenAttributes):
    """Sync of deposits and redemptions."""

    #: Time of the clock at the latest sync.
    last_updated_at: UTCDatetime | None = None
    #: Cycle of the latest sync.
    last_cycle_at: UTCDatetime | None = None
    #: Last block whose deposits and redemptions were read; None in backtests.
    last_block_scanned: BlockNumber | None = None
    #: Index entries in the order of booking.
    balance_update_refs: list[BalanceEventRef] = field(default_factory=new_list)
    #: Requested redemptions of investors, USD.
    pending_redemptions: USDollarAmount | None = None
    #: Requested deposits of investors, USD; not part of the net asset value.
    pending_deposits: USDollarAmount | None = None
    #: Last block whose settlements of a Lagoon vault were read; None for other vaults.
    last_lagoon_settlement_block_scanned: BlockNumber | None = None
    #: Number of issued vault shares.
    share_count: Decimal | None = None
    #: The last blocks up to which events were read, oldest first; the newest is `last_block_scanned`. Empty when no
    #: chain is read, and then left out of the file.
    scanned_blocks: list[ScannedBlock] = field(default_factory=new_list, metadata=LEFT_OUT_WHEN_EMPTY)
    #: The vault whose share holders own the money, at most one. Empty when the wallet has one owner, and then left out
    #: of the file.
    managed_vaults: list[ManagedVault] = field(default_factory=new_list, metadata=LEFT_OUT_WHEN_EMPTY)

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(slots=True)
class Accounting(OpenAttributes):
    """Index of corrections and vault flows."""

    #: Cycle, or time of the clock, of the latest correction; None before the first.
    last_updated_at: UTCDatetime | None = None
    #: Highest block at which a correction was made; None before the first.
    last_block_scanned: BlockNumber | None = None
    #: Index entries in the order in which the events were created.
    balance_update_refs: list[BalanceEventRef] = field(default_factory=new_list)


@dataclass(slots=True)
class InterestSync(Serialisable):
    """Sync of the interest of rebasing tokens."""

    #: Time up to which interest was distributed; None before the first trade of such a token.
    last_sync_at: UTCDatetime | None = None
    #: Block up to which interest was distributed; None in backtests.
    last_sync_block: BlockNumber | None = None
    #: Diagnostics of the latest distribution.
    last_distribution: InterestDistributionOperation | None = None


@dataclass(slots=True)
class Sync(OpenAttributes):
    """All data about the chain."""

    #: Chain and address of the vault or wallet.
    deployment: Deployment = field(default_factory=Deployment)
    #: Sync of deposits and redemptions.
    treasury: Treasury = field(default_factory=Treasury)
    #: Index of corrections and vault flows.
    accounting: Accounting = field(default_factory=Accounting)
    #: Sync of the interest of rebasing tokens.
    interest: InterestSync = field(default_factory=InterestSync)

    def is_initialised(self) -> bool:
        """Return True if the deployment is known."""
        return self.deployment.block_number is not None
