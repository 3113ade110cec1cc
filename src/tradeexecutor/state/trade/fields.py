"""What a trade records: the fields of `TradeExecution` and the rules of its constructor."""

import datetime
import enum
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.watched_record import WatchedRecord, watch_fields
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.size_risk import SizeRisk
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trigger import Trigger
from tradeexecutor.state.types import (
    BPS,
    JSONObject,
    LeverageMultiplier,
    StateEnum,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
    new_list,
)


class TradeType(StateEnum):
    """Why a trade was made."""

    rebalance = "rebalance"
    stop_loss = "stop_loss"
    take_profit = "take_profit"
    market_limit = "market_limit"
    repair = "repair"
    accounting_correction = "accounting_correction"
    flexible_trigger = "flexible_trigger"


class TradeFlag(StateEnum):
    """Markers for execution and display."""

    open = "open"
    close = "close"
    increase = "increase"
    reduce = "reduce"
    close_protocol_last = "close_protocol_last"
    test_trade = "test_trade"
    simulated = "simulated"
    triggered = "triggered"
    missing_position_repair = "missing_position_repair"
    partial_take_profit = "partial_take_profit"
    hypercore_duplicate_close = "hypercore_duplicate_close"
    ignore_open = "ignore_open"


_REPAIR = TradeType.repair  # reading a member from its enum class is slow in Python 3.11


class TradeStatus(enum.Enum):
    """Stage in the life cycle of a trade; derived from the timestamps, never stored."""

    planned = "planned"
    started = "started"
    broadcasted = "broadcasted"
    success = "success"
    failed = "failed"
    repaired = "repaired"
    repair_entry = "repair_entry"
    expired = "expired"
    cctp_in_transit = "cctp_in_transit"
    vault_settlement_pending = "vault_settlement_pending"

    __hash__ = object.__hash__


#: The slippage tolerance of a trade, a fraction, must be below this.
MAX_SLIPPAGE_TOLERANCE = 0.33

#: Quantities from this (token units) up to `QUANTITY_EPSILON` count as zero.
_LOWEST_ZERO = -QUANTITY_EPSILON

#: Kinds whose trades may have zero quantity: collateral moves, valuation changes.
_ZERO_QUANTITY_KINDS = frozenset(
    {
        TradingPairKind.credit_supply,
        TradingPairKind.lending_protocol_long,
        TradingPairKind.lending_protocol_short,
        TradingPairKind.exchange_account,
        TradingPairKind.vault,
    }
)


def check_slippage_tolerance(trade_id: int, tolerance: BPS) -> None:
    """Raise `InvalidTrade` unless the tolerance, a fraction, is below `MAX_SLIPPAGE_TOLERANCE`."""
    if not tolerance < MAX_SLIPPAGE_TOLERANCE:  # NaN too
        raise InvalidTrade(
            f"slippage tolerance of trade #{trade_id} must be below {MAX_SLIPPAGE_TOLERANCE}, got {tolerance}"
        )


class TradeSlots(WatchedRecord):
    """The slots of the watched fields of a trade, which are documented in `TradeFields`.

    The totals of a position and the trade index of a portfolio depend on these fields.
    """

    __slots__ = ()

    _planned_quantity: Decimal
    _planned_price: int | float
    _started_at: UTCDatetime | None
    _broadcasted_at: UTCDatetime | None
    _executed_at: UTCDatetime | None
    _failed_at: UTCDatetime | None
    _executed_price: USDollarPrice | None
    _executed_quantity: Decimal | None
    _blockchain_transactions: list[BlockchainTransaction]
    _repaired_at: UTCDatetime | None
    _repaired_trade_id: int | None
    _expired_at: UTCDatetime | None
    _cctp_in_transit_at: UTCDatetime | None
    _vault_settlement_pending_at: UTCDatetime | None


@watch_fields
@dataclass(slots=True, eq=False, repr=False)
class TradeFields(TradeSlots):
    """Fields of a trade. Users see `tradeexecutor.state.trade.TradeExecution`.

    Quantities are token units with the sign of the trade (+ buy, - sell), reserves are token units of the reserve
    currency, prices USD per base token. `planned_*` fields are the plan, `executed_*` fields the outcome.

    Raises
    ------
    InvalidTrade
        The constructor rules of a trade are not met, see `__post_init__`.
    """

    trade_id: int
    position_id: int
    trade_type: TradeType
    pair: TradingPairIdentifier
    #: Time of the strategy cycle, not of the wall clock.
    opened_at: UTCDatetime
    planned_quantity: Decimal
    #: >= 0, except that credit and leverage return collateral with a negative amount.
    planned_reserve: Decimal
    #: Expected fill price with fees, > 0.
    planned_price: int | float
    reserve_currency: AssetIdentifier
    route: str | None = None
    flags: set[TradeFlag] | None = None
    triggers: list[Trigger] | None = field(default_factory=new_list)
    activated_trigger: Trigger | None = None
    expired_triggers: list[Trigger] | None = field(default_factory=new_list)
    #: Leverage: reserve added to (+) or released from (-) the collateral after the trade.
    planned_collateral_allocation: Decimal | None = None
    executed_collateral_allocation: Decimal | None = None
    #: Leverage: collateral gained by selling the borrowed token (+) or spent on buying it back (-).
    planned_collateral_consumption: Decimal | None = None
    executed_collateral_consumption: Decimal | None = None
    #: USD per unit of reserve; None means 1.0.
    reserve_currency_exchange_rate: USDollarPrice | None = None
    planned_mid_price: USDollarPrice | None = None
    planned_max_slippage: BPS | None = None
    #: Wall clock start of the execution; strategy time in backtests.
    started_at: UTCDatetime | None = None
    #: Cash that was taken out of the reserves for this trade and is not spent yet.
    reserve_currency_allocated: Decimal | None = None
    #: Capital taken from a bridge position instead of cash.
    bridge_currency_allocated: Decimal | None = None
    broadcasted_at: UTCDatetime | None = None
    #: Set when the trade succeeded; also set on a repaired trade.
    executed_at: UTCDatetime | None = None
    failed_at: UTCDatetime | None = None
    executed_price: USDollarPrice | None = None
    executed_quantity: Decimal | None = None
    executed_reserve: Decimal | None = None
    #: Fractions, 0.01 is 1 %.
    slippage_tolerance: BPS | None = None
    price_impact_tolerance: BPS | None = None
    fee_tier: BPS | None = None
    #: USD. Old files may hold one fee per hop.
    lp_fees_paid: USDollarAmount | list[USDollarAmount | None] | None = None
    lp_fees_estimated: USDollarAmount | list[USDollarAmount | None] | None = None
    lp_fee_exchange_rate: USDollarPrice | None = None
    #: USD per unit of the gas token; 0 and 1 are placeholders.
    native_token_price: USDollarPrice | None = None
    retry_of: int | None = None
    blockchain_transactions: list[BlockchainTransaction] = field(default_factory=new_list)
    notes: str | None = None
    repaired_at: UTCDatetime | None = None
    #: The trade that this counter trade compensates.
    repaired_trade_id: int | None = None
    price_structure: TradePricing | None = None
    post_execution_price_structure: TradePricing | None = None
    #: Native token units.
    cost_of_gas: Decimal | None = None
    bridge_input_amount: Decimal | None = None
    bridge_output_amount: Decimal | None = None
    bridge_fee_amount: Decimal | None = None
    bridge_fee_asset: str | None = None
    bridge_fee_usd: USDollarAmount | None = None
    account_activation_fee_usd: USDollarAmount | None = None
    hypercore_close_value_loss_usd: USDollarAmount | None = None
    hypercore_close_other_loss_usd: USDollarAmount | None = None
    hypercore_close_residual_value_usd: USDollarAmount | None = None
    hypercore_cost_data_complete: bool = False
    portfolio_value_at_creation: USDollarAmount | None = None
    leverage: LeverageMultiplier | None = None
    #: The loan after this trade: as planned, and as executed.
    planned_loan_update: Loan | None = None
    executed_loan_update: Loan | None = None
    closing: bool | None = None
    #: Collateral interest that was moved to the cash, reserve token units.
    claimed_interest: Decimal | None = None
    #: Debt interest that was repaid, base token units.
    paid_interest: Decimal | None = None
    exchange_name: str | None = None
    trade_size_risk: SizeRisk | None = None
    position_size_risk: SizeRisk | None = None
    expired_at: UTCDatetime | None = None
    #: Bridge burn confirmed, receipt on the other chain pending.
    cctp_in_transit_at: UTCDatetime | None = None
    #: Asynchronous vault request confirmed, claim pending.
    vault_settlement_pending_at: UTCDatetime | None = None
    #: Place in the execution order of its cycle, from 0.
    sort_index: int | None = None
    other_data: JSONObject | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        check_values(self, InvalidTrade)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidTrade` if a value contradicts another one or is impossible."""
        if self.trade_id <= 0:
            raise InvalidTrade(f"trade id must be positive, got {self.trade_id}")
        opened_at = self.opened_at
        if type(opened_at) is not datetime.datetime or opened_at.tzinfo is not None:
            require_naive_utc(opened_at, f"trade #{self.trade_id} opened_at", InvalidTrade)
        quantity = self._planned_quantity
        kind = self.pair.kind
        if (
            _LOWEST_ZERO <= quantity <= QUANTITY_EPSILON
            and self.trade_type is not _REPAIR
            and kind not in _ZERO_QUANTITY_KINDS
        ):
            raise InvalidTrade(f"trade #{self.trade_id} has no quantity: {quantity} {self.pair.base.token_symbol}")
        price = self._planned_price
        if (type(price) is not float and type(price) is not int) or not price > 0:
            raise InvalidTrade(f"trade #{self.trade_id} planned price must be a positive float, got {price!r}")
        if self.planned_reserve < ZERO_DECIMAL and not kind.is_credit_based():
            raise InvalidTrade(f"trade #{self.trade_id} planned reserve is negative: {self.planned_reserve}")
        if self.slippage_tolerance:
            check_slippage_tolerance(self.trade_id, self.slippage_tolerance)
        loan = self.planned_loan_update
        if loan is not None and not isinstance(loan, Loan):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"planned_loan_update must be a Loan, got {loan!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TradeFields):
            return NotImplemented
        return self.trade_id == other.trade_id

    def __hash__(self) -> int:
        return hash(self.trade_id)

    @property
    def strategy_cycle_at(self) -> datetime.datetime:
        """Return the time of the strategy cycle that decided the trade; the same as `opened_at`."""
        return self.opened_at
