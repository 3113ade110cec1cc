"""What a trade records: the fields of `TradeExecution` and the rules of its constructor."""

import datetime
import enum
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.codec.bounds import has_wrong_value, refuse_values
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

    #: Id, unique over all positions.
    trade_id: int
    #: Position to which the trade belongs.
    position_id: int
    #: Why the trade was made.
    trade_type: TradeType
    #: What is traded.
    pair: TradingPairIdentifier
    #: Time of the strategy cycle, not of the wall clock.
    opened_at: UTCDatetime
    #: Base token units to trade: positive for a buy, negative for a sale.
    planned_quantity: Decimal
    #: Reserve token units to spend or to receive: >= 0, except that credit and leverage return collateral with a
    #: negative amount.
    planned_reserve: Decimal
    #: Expected fill price with fees, > 0.
    planned_price: int | float
    #: Token that is spent or received.
    reserve_currency: AssetIdentifier
    #: Name of the route on an exchange; None where routing is automatic.
    route: str | None = None
    #: Markers for execution and display, such as `open` and `close`.
    flags: set[TradeFlag] | None = None
    #: Conditions of which one has to be met before the trade starts; empty for a trade at market.
    triggers: list[Trigger] | None = field(default_factory=new_list)
    #: The condition that started the trade; None if it had none.
    activated_trigger: Trigger | None = None
    #: Conditions whose time ended before they were met.
    expired_triggers: list[Trigger] | None = field(default_factory=new_list)
    #: Leverage: reserve added to (+) or released from (-) the loan after the trade.
    planned_collateral_allocation: Decimal | None = None
    #: Leverage: what `planned_collateral_allocation` became, reserve token units.
    executed_collateral_allocation: Decimal | None = None
    #: Leverage: reserve that a sale of the base brings into the loan (+) or its purchase takes from it (-).
    planned_collateral_consumption: Decimal | None = None
    #: Leverage: what `planned_collateral_consumption` became, reserve token units.
    executed_collateral_consumption: Decimal | None = None
    #: USD per unit of reserve; None means 1.0.
    reserve_currency_exchange_rate: USDollarPrice | None = None
    #: Mid price at the time of planning, USD per base token.
    planned_mid_price: USDollarPrice | None = None
    #: Tolerance that the execution was given, a fraction: 0.01 is 1 %; None if it was given none.
    planned_max_slippage: BPS | None = None
    #: Wall clock start of the execution; strategy time in backtests.
    started_at: UTCDatetime | None = None
    #: Cash that was taken out of the reserves for this trade and is not spent yet.
    reserve_currency_allocated: Decimal | None = None
    #: Capital taken from a bridge position instead of cash.
    bridge_currency_allocated: Decimal | None = None
    #: Time of the clock at which the transactions were sent; strategy time in backtests.
    broadcasted_at: UTCDatetime | None = None
    #: Set when the trade succeeded; also set on a repaired trade.
    executed_at: UTCDatetime | None = None
    #: Time of the failure; None unless it failed.
    failed_at: UTCDatetime | None = None
    #: Price of the fill with fees, USD per base token.
    executed_price: USDollarPrice | None = None
    #: Base token units that were traded: positive for a buy, negative for a sale.
    executed_quantity: Decimal | None = None
    #: Reserve token units that were spent or received.
    executed_reserve: Decimal | None = None
    #: Fraction by which the fill may be worse than planned: 0.01 is 1 %.
    slippage_tolerance: BPS | None = None
    #: Fraction by which the size of the trade may move the price.
    price_impact_tolerance: BPS | None = None
    #: Fee of the pool, a fraction of the amount: 0.003 is 0.30 %.
    fee_tier: BPS | None = None
    #: USD. Old files may hold one fee per hop.
    lp_fees_paid: USDollarAmount | list[USDollarAmount | None] | None = None
    #: Expected trading fees, USD. Old files may hold one fee per hop.
    lp_fees_estimated: USDollarAmount | list[USDollarAmount | None] | None = None
    #: USD per unit of the token in which the fees are paid.
    lp_fee_exchange_rate: USDollarPrice | None = None
    #: USD per unit of the gas token; 0 and 1 are placeholders.
    native_token_price: USDollarPrice | None = None
    #: Id of the earlier trade that this one repeats. This program does not set it: it retries the same trade.
    retry_of: int | None = None
    #: Transactions of the trade, in the order of sending; simulated ones in backtests.
    blockchain_transactions: list[BlockchainTransaction] = field(default_factory=new_list)
    #: Remarks, for people.
    notes: str | None = None
    #: Time at which a counter trade compensated this failed trade; None unless repaired.
    repaired_at: UTCDatetime | None = None
    #: The trade that this counter trade compensates.
    repaired_trade_id: int | None = None
    #: Estimate of the price on which the plan is based.
    price_structure: TradePricing | None = None
    #: Estimate of the price after the execution.
    post_execution_price_structure: TradePricing | None = None
    #: Native token units.
    cost_of_gas: Decimal | None = None
    #: Bridge: amount that was sent, token units.
    bridge_input_amount: Decimal | None = None
    #: Bridge: amount that arrived, token units.
    bridge_output_amount: Decimal | None = None
    #: Bridge: fee, units of `bridge_fee_asset`.
    bridge_fee_amount: Decimal | None = None
    #: Bridge: symbol of the token in which the fee is paid.
    bridge_fee_asset: str | None = None
    #: Bridge: fee, USD.
    bridge_fee_usd: USDollarAmount | None = None
    #: Fee for the activation of an account on Hypercore, USD.
    account_activation_fee_usd: USDollarAmount | None = None
    #: Value lost by closing a Hypercore vault position completely, USD.
    hypercore_close_value_loss_usd: USDollarAmount | None = None
    #: The same without the fee of the bridge, USD.
    hypercore_close_other_loss_usd: USDollarAmount | None = None
    #: Value left in the vault after closing, USD.
    hypercore_close_residual_value_usd: USDollarAmount | None = None
    #: Whether all costs of Hypercore were recorded.
    hypercore_cost_data_complete: bool = False
    #: Total equity of the portfolio at the time of planning, USD.
    portfolio_value_at_creation: USDollarAmount | None = None
    #: Wanted leverage, a multiple of the own money; None without leverage.
    leverage: LeverageMultiplier | None = None
    #: Leverage and credit: the loan after this trade as planned.
    planned_loan_update: Loan | None = None
    #: Leverage and credit: the loan after this trade as executed.
    executed_loan_update: Loan | None = None
    #: Whether the trade closes its position.
    closing: bool | None = None
    #: Collateral interest that was moved to the cash, reserve token units.
    claimed_interest: Decimal | None = None
    #: Debt interest that was repaid, base token units.
    paid_interest: Decimal | None = None
    #: Name of the exchange, for people.
    exchange_name: str | None = None
    #: Estimate of the size that the market can take; None if it was not asked for.
    trade_size_risk: SizeRisk | None = None
    #: The same for the whole position.
    position_size_risk: SizeRisk | None = None
    #: Time at which all conditions had expired, so that the trade will never start.
    expired_at: UTCDatetime | None = None
    #: Bridge burn confirmed, receipt on the other chain pending.
    cctp_in_transit_at: UTCDatetime | None = None
    #: Asynchronous vault request confirmed, claim pending.
    vault_settlement_pending_at: UTCDatetime | None = None
    #: Place in the execution order of its cycle, from 0.
    sort_index: int | None = None
    #: Free-form data, for example of repairs.
    other_data: JSONObject | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        if has_wrong_value[type(self)](self):  # what `check_values` does, without a call
            refuse_values(self, InvalidTrade)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidTrade` if a value contradicts another one or is impossible.

        Raises
        ------
        InvalidValue
            The loan of the plan is not a Loan.
        """
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
        tolerance = self.slippage_tolerance
        if tolerance and not tolerance < MAX_SLIPPAGE_TOLERANCE:  # nearly never: saves a call
            check_slippage_tolerance(self.trade_id, tolerance)
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
