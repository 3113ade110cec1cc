"""Fields of the state, and the transitions of a trade from plan to outcome with the money they move.

Each transition checks everything first and then changes the tree, so a refused one changes nothing.
"""

import contextlib
import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.deployment_info import DeploymentInfo
from tradeexecutor.state.errors import (
    InvalidTrade,
    PositionNotFound,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.pnl import create_share_price_state, update_share_price_state
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position_fields import is_pandas_object
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.serialisation import Serialisable
from tradeexecutor.state.statistics import Statistics
from tradeexecutor.state.sync import Sync
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade_pricing import TradePricing
from tradeexecutor.state.trade_status import ZERO, require_finite, require_naive
from tradeexecutor.state.types import (
    BPS,
    LeverageMultiplier,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
    new_set,
)
from tradeexecutor.state.uptime import Uptime
from tradeexecutor.state.visualisation import Visualisation

_PLANNED = TradeStatus.planned
_REPAIR = TradeType.repair

#: Kinds whose trades this version moves through execution.
EXECUTABLE_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.vault,
        TradingPairKind.freqtrade,
    }
)


@dataclass(slots=True)
class BacktestData(Serialisable):
    """What was simulated; only backtests have it."""

    start_at: UTCDatetime
    end_at: UTCDatetime
    decision_cycle_duration: CycleDuration
    #: First time the strategy had enough data to decide.
    ready_at: UTCDatetime | None = None
    description: str | None = None

    def mark_ready(self, timestamp: datetime.datetime) -> None:
        """Record when the strategy was ready; only the first call counts."""
        if self.ready_at is None:
            to_datetime = getattr(timestamp, "to_pydatetime", None)
            self.ready_at = to_datetime() if to_datetime else timestamp


@dataclass(slots=True, repr=False)
class StateFields(Serialisable):
    """Fields of the root object.  Users see `tradeexecutor.state.state.State`."""

    created_at: UTCDatetime = field(default_factory=utc_now)
    #: Baseline of share price returns; differs from 1.0 after early history was pruned.
    initial_share_price: USDollarPrice = 1.0
    #: When the state was last saved.
    last_updated_at: UTCDatetime | None = None
    #: Number of the next decision cycle, from 1.
    cycle: int = 1
    #: Logical time of the latest decision cycle.
    last_cycle_at: UTCDatetime | None = None
    last_open_positions_cycle_at: UTCDatetime | None = None
    name: str | None = None
    portfolio: Portfolio = field(default_factory=Portfolio)
    stats: Statistics = field(default_factory=Statistics)
    #: Asset identifiers; bare addresses in old files.
    asset_blacklist: set[str] = field(default_factory=new_set)
    blacklisted_assets: set[AssetIdentifier] = field(default_factory=new_set)
    #: Asset identifier -> text; the first line has the time.
    blacklist_reason: dict[str, str] = field(default_factory=new_dict)
    visualisation: Visualisation = field(default_factory=Visualisation)
    uptime: Uptime = field(default_factory=Uptime)
    sync: Sync = field(default_factory=Sync)
    deployment_info: DeploymentInfo | None = None
    backtest_data: BacktestData | None = None
    #: User variables by cycle.
    other_data: OtherData | None = field(default_factory=OtherData)


class StateTrading(StateFields):
    """Trade transitions.  See `TradeExecution` for the life cycle."""

    __slots__ = ()

    # --- Planning

    def create_trade(
        self,
        strategy_cycle_at: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        reserve: Decimal | None,
        assumed_price: USDollarPrice,
        trade_type: TradeType,
        reserve_currency: AssetIdentifier,
        reserve_currency_price: USDollarPrice,
        notes: str | None = None,
        pair_fee: BPS | None = None,
        lp_fees_estimated: USDollarAmount | None = None,
        planned_mid_price: USDollarPrice | None = None,
        price_structure: TradePricing | None = None,
        position: TradingPosition | None = None,
        slippage_tolerance: BPS | None = None,
        leverage: LeverageMultiplier | None = None,
        closing: bool | None = False,
        planned_collateral_consumption: Decimal | None = None,
        planned_collateral_allocation: Decimal | None = None,
        flags: set[TradeFlag] | None = None,
        pending: bool = False,
    ) -> tuple[TradingPosition, TradeExecution, bool]:
        """Plan a trade on the open position of the pair, or open a new position for it.  No money moves.

        Parameters
        ----------
        strategy_cycle_at
            Naive UTC time of the decision.
        quantity
            Base token units, + buy, - sell.
        reserve
            Reserve token units to spend on a buy, instead of `quantity`.
        assumed_price
            Expected fill price with fees, USD per base token.
        reserve_currency_price
            USD per reserve token.
        pair_fee
            Fee fraction of the pair, exactly a float.
        position
            Trade on this position instead of the open one of the pair.
        closing
            The trade is meant to close the position.
        flags
            Not changed.  With ``ignore_open`` a new position is opened in any case.

        Returns
        -------
        tuple
            Position, trade, and whether the position is new.

        Raises
        ------
        InvalidTrade
            The trade makes no sense, `TooSmallTrade` if it is dust.  The state is unchanged and no id is used up.
        WrongPositionStatus
            The given position is closed.
        """
        if not isinstance(strategy_cycle_at, datetime.datetime) or is_pandas_object(strategy_cycle_at):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(f"strategy_cycle_at must be a datetime, got {strategy_cycle_at!r}")
        if strategy_cycle_at.tzinfo is not None:
            raise InvalidTrade(f"strategy_cycle_at must be naive UTC, got {strategy_cycle_at!r}")
        if pair_fee and type(pair_fee) is not float:
            raise InvalidTrade(f"pair_fee must be a float, got {pair_fee!r}")
        return self.portfolio.create_trade(
            strategy_cycle_at,
            pair,
            quantity,
            reserve,
            assumed_price,
            trade_type,
            reserve_currency,
            reserve_currency_price,
            notes,
            pair_fee,
            lp_fees_estimated,
            planned_mid_price,
            price_structure,
            position,
            slippage_tolerance,
            leverage,
            closing,
            planned_collateral_consumption,
            planned_collateral_allocation,
            flags,
            pending,
        )

    # --- Starting

    def start_execution(
        self,
        ts: datetime.datetime,
        trade: TradeExecution,
        txid: str | None = None,
        nonce: int | None = None,
        underflow_check: bool = False,
        triggered: bool = False,
    ) -> None:
        """Allocate the capital of a planned trade and mark it started.

        A buy takes its planned reserve out of the cash, or out of the bridge position when its chain has one.

        Parameters
        ----------
        nonce
            Refused with `NonceAlreadyUsed` when a transaction has it already.
        underflow_check
            Refuse to start when there is not enough cash; otherwise the cash may become negative, for batches
            whose sells pay for their buys.
        triggered
            Must be set for trades with the flag ``triggered``.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, NotEnoughMoney,
        NonceAlreadyUsed, UnsupportedPairKind
            The state is unchanged.
        """
        require_naive(ts, "started_at")
        if trade.get_status() is not _PLANNED:
            trade.require_status(_PLANNED)
        if not triggered and trade.flags and TradeFlag.triggered in trade.flags:
            raise WrongTradeStatus(f"trade #{trade.trade_id} waits for a trigger", trade.trade_id, _PLANNED)
        kind = trade.pair.kind
        if kind not in EXECUTABLE_KINDS:
            raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
        portfolio = self.portfolio
        position = portfolio.find_position_for_trade(trade, pending=triggered)
        if position.closed_at is not None:
            raise WrongPositionStatus(
                f"position #{position.position_id} is closed, trade #{trade.trade_id} cannot start"
            )
        if nonce is not None:
            portfolio.check_for_nonce_reuse(nonce)
        if trade.planned_quantity > 0:
            if portfolio.get_bridge_position_for_chain(trade.pair.chain_id) is not None:
                portfolio.move_capital_from_bridge_to_spot_trade(trade, underflow_check)
            else:
                portfolio.move_capital_from_reserves_to_spot_trade(trade, underflow_check)
        trade.started_at = ts
        # Ad-hoc attributes, for callers that track their transaction this way.
        ad_hoc: Any = trade
        if txid is not None:
            ad_hoc.txid = txid
        if nonce is not None:
            ad_hoc.nonce = nonce

    def start_execution_all(
        self,
        ts: datetime.datetime,
        trades: list[TradeExecution],
        max_slippage: BPS | None = None,
        underflow_check: bool = False,
        rebroadcast: bool = False,
        triggered: bool = False,
    ) -> None:
        """Start trades in the given order, all or none; `max_slippage` is recorded on each.

        Raises the errors of `start_execution`, after giving the capital of the trades before the refused one back.
        """
        portfolio = self.portfolio
        cash = [(reserve, reserve.quantity) for reserve in portfolio.reserves.values()]
        bridges = [(position, position.bridge_capital_allocated) for position in portfolio.open_positions.values()]
        plans = [(trade, trade.planned_quantity, trade.planned_reserve) for trade in trades]
        started = 0
        try:
            for trade in trades:
                self.start_execution(ts, trade, underflow_check=underflow_check, triggered=triggered)
                started += 1
        except BaseException:
            for reserve, quantity in cash:
                reserve.quantity = quantity
            for position, allocated in bridges:
                position.bridge_capital_allocated = allocated
            for trade, planned_quantity, planned_reserve in plans[:started]:
                trade.reserve_currency_allocated = trade.bridge_currency_allocated = trade.started_at = None
                trade.planned_quantity, trade.planned_reserve = planned_quantity, planned_reserve
            raise
        if max_slippage is not None:
            for trade in trades:
                trade.planned_max_slippage = max_slippage

    def mark_broadcasted(self, broadcasted_at: datetime.datetime, trade: TradeExecution) -> None:
        """Record that the transactions of a started trade were sent."""
        trade.mark_broadcasted(broadcasted_at)

    # --- Outcome

    def mark_trade_success(
        self,
        executed_at: datetime.datetime,
        trade: TradeExecution,
        executed_price: USDollarPrice,
        executed_amount: Decimal,
        executed_reserve: Decimal,
        lp_fees: USDollarAmount | None,
        native_token_price: USDollarPrice | None,
        cost_of_gas: Decimal | None = None,
        executed_collateral_consumption: Decimal | None = None,
        executed_collateral_allocation: Decimal | None = None,
        force: bool = False,
    ) -> None:
        """Record the outcome of a broadcasted trade, return capital, and close the position if nothing is left.

        What a sell brought in goes to the cash (or the bridge position it came from).  A buy that reports in
        `executed_reserve` what it spent gives the rest of its allocation back, and takes what it spent beyond it; 0
        means not reported.  LP fees and gas are recorded, they are already part of price and quantity.

        Parameters
        ----------
        executed_price
            USD per base token, exactly a float.
        executed_amount
            Base token units, + bought, - sold.
        executed_reserve
            Reserve token units, >= 0.
        lp_fees, native_token_price
            USD, and USD per gas token.
        cost_of_gas
            Native token units.
        force
            Accept a trade that was not broadcasted, for repairs.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, UnsupportedPairKind
            The state is unchanged.
        """
        kind = trade.pair.kind
        if kind not in EXECUTABLE_KINDS:
            raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
        portfolio = self.portfolio
        position = portfolio.find_position_for_trade(trade, pending=True)
        trade.check_success(executed_at, executed_price, executed_amount, force)
        if position.closed_at is not None and trade.planned_quantity > 0:
            raise WrongPositionStatus(
                f"position #{position.position_id} is closed, what buy #{trade.trade_id} bought would be in no equity"
            )
        if not isinstance(executed_reserve, Decimal) or not executed_reserve.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(
                f"executed reserve of trade #{trade.trade_id} must be a finite Decimal, got {executed_reserve!r}"
            )
        if trade.trade_type is not _REPAIR:
            self._check_executed_amounts(trade, executed_amount, executed_reserve)
        require_finite(trade.trade_id, lp_fees, native_token_price, cost_of_gas)
        returned, account = self._find_returned_capital(trade, executed_reserve)
        # From here on nothing fails.
        trade.set_outcome(
            executed_at,
            executed_price,
            executed_amount,
            executed_reserve,
            lp_fees,
            native_token_price,
            cost_of_gas,
            executed_collateral_consumption,
            executed_collateral_allocation,
        )
        if executed_amount:
            shares = position.share_price_state
            position.share_price_state = (
                create_share_price_state(trade) if shares is None else update_share_price_state(shares, trade)
            )
        if returned:
            self._return_capital(trade, returned, account, executed_at)
        if position.position_id in portfolio.pending_positions:
            del portfolio.pending_positions[position.position_id]
            portfolio.open_positions[position.position_id] = position
            position.pending_since_at = None
        if kind.is_vault():
            self.maybe_set_vault_lockup_expiry(position, trade)
        # Capital of another trade in flight would be invisible in a closed position.
        if position.can_be_closed() and not position.has_trades_in_flight():
            portfolio.move_to_closed(position, executed_at)

    @staticmethod
    def _check_executed_amounts(trade: TradeExecution, amount: Decimal, reserve: Decimal) -> None:
        if trade.planned_quantity > 0:
            if amount <= 0:
                raise InvalidTrade(f"buy #{trade.trade_id} must have a positive executed amount, got {amount}")
            if reserve < 0:
                raise InvalidTrade(f"buy #{trade.trade_id} must not have a negative executed reserve, got {reserve}")
        elif amount >= 0 or reserve <= 0:
            raise InvalidTrade(
                f"sell #{trade.trade_id} must have a negative executed amount and a positive executed reserve, "
                f"got {amount} and {reserve}"
            )

    def _find_returned_capital(
        self, trade: TradeExecution, executed_reserve: Decimal
    ) -> tuple[Decimal, ReservePosition | TradingPosition | None]:
        """Return what a success gives back, reserve token units, and the cash or bridge position that gets it.

        That is the proceeds of a sell, or the part of a buy's allocation that it did not spend (negative when it
        spent more).  Nothing changes here.
        """
        bridge = self.portfolio.get_bridge_position_for_chain(trade.pair.base.chain_id)
        if trade.planned_quantity > 0:
            allocated = trade.reserve_currency_allocated
            to_bridge = allocated is None
            if to_bridge:
                allocated = trade.bridge_currency_allocated
            returned = allocated - executed_reserve if executed_reserve and allocated is not None else ZERO
        else:
            to_bridge = bridge is not None
            returned = executed_reserve
        if not returned:
            return ZERO, None
        if not to_bridge:
            return returned, self._require_reserve(trade)
        if bridge is None:
            raise PositionNotFound(
                f"no open bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}"
            )
        return returned, bridge

    def _require_reserve(self, trade: TradeExecution) -> ReservePosition:
        try:
            return self.portfolio.get_reserve_position(trade.reserve_currency)
        except KeyError:
            raise ReserveMissing(
                f"no reserve {trade.reserve_currency} for the capital of trade #{trade.trade_id}"
            ) from None

    def _return_capital(
        self,
        trade: TradeExecution,
        amount: Decimal,
        account: ReservePosition | TradingPosition | None,
        executed_at: datetime.datetime,
    ) -> None:
        if isinstance(account, ReservePosition):
            quote, reserve_currency = trade.pair.quote, trade.reserve_currency
            bridge = None
            if quote is not reserve_currency and quote != reserve_currency and trade.is_sell():
                # Sold on another chain after its bridge position was closed: the money is there, not in the cash.
                chain_id = trade.pair.chain_id
                bridge = self.portfolio.reopen_closed_bridge_position_for_chain(chain_id, executed_at)
            if bridge is None:
                account.quantity += amount
                return
            account = bridge
        if account is not None:
            account.adjust_bridge_capital_allocated(-amount)

    def mark_trade_failed(self, failed_at: datetime.datetime, trade: TradeExecution) -> None:
        """Record the failure of a started or broadcasted trade and give its allocation back.

        The allocation fields keep their value, as evidence.  Capital that is stuck elsewhere stays debited: trades
        marked with ``retain_reserve_allocation_on_failure`` or ``hypercore_deposit_capital_at_risk``.

        Raises
        ------
        WrongTradeStatus, ReserveMissing, PositionNotFound
            The state is unchanged.
        """
        trade.require_status(TradeStatus.broadcasted, TradeStatus.started)
        other_data = trade.other_data or {}
        stuck = (
            other_data.get("retain_reserve_allocation_on_failure")
            or other_data.get("hypercore_deposit_capital_at_risk") is not None
        )
        portfolio = self.portfolio
        portfolio.find_position_for_trade(trade, pending=True)  # refuses a trade of another state
        from_reserves = trade.reserve_currency_allocated
        from_bridge = trade.bridge_currency_allocated
        bridge = None
        if not stuck and from_reserves:
            self._require_reserve(trade)
        elif not stuck and from_bridge:
            bridge = portfolio.get_bridge_position_for_chain(trade.pair.chain_id)
            if bridge is None:
                raise PositionNotFound(
                    f"no open bridge position to chain {trade.pair.chain_id} to refund trade #{trade.trade_id}"
                )
        trade.mark_failed(failed_at)
        if bridge is not None and from_bridge:
            bridge.adjust_bridge_capital_allocated(-from_bridge)
        elif not stuck and from_reserves:
            portfolio.adjust_reserves(trade.reserve_currency, from_reserves, "failed trade")

    def maybe_set_vault_lockup_expiry(self, position: TradingPosition, trade: TradeExecution) -> None:
        """After a vault deposit, estimate when its shares can be redeemed.

        The estimate never replaces a date that was read from the vault, and never moves backwards.
        """
        if not (trade.is_vault() and trade.is_buy()):
            return
        try:
            days = float((trade.pair.other_data or {}).get("vault_lockup_days") or 0)
        except (TypeError, ValueError):
            return
        if not days > 0:
            return
        try:
            expires_at = (trade.executed_at or trade.opened_at) + datetime.timedelta(days=days)
        except OverflowError:
            expires_at = datetime.datetime.max
        if position.other_data is None:
            position.other_data = {}
        data = position.other_data
        if "vault_lockup_expires_at" in data:
            if data.get("vault_lockup_estimated") is not True:
                return
            with contextlib.suppress(TypeError, ValueError):  # an unreadable old estimate is replaced
                expires_at = max(expires_at, datetime.datetime.fromisoformat(data["vault_lockup_expires_at"]))
        data["vault_lockup_expires_at"] = expires_at.isoformat()
        data["vault_lockup_estimated"] = True
