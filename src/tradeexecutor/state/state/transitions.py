"""The transitions of a trade from plan to broadcast and to failure, and the capital they move.

The transition to success is in :mod:`~tradeexecutor.state.state.outcome`.

Each transition checks everything first and then changes the tree, so a refused transition changes nothing. Capital
moves like this, in reserve token units:

=================  =============================  ====================================================
trade              start                          success
=================  =============================  ====================================================
spot, vault buy    planned reserve out of cash,   the unspent part is returned
                   or of the bridge position
spot, vault sell                                  proceeds go to cash, or to the bridge position
exchange account   like spot                      like spot
bridge out         planned reserve out of cash    the part not sent is returned
bridge back                                       the arrived amount goes to cash
credit supply      planned reserve out of cash    the part not lent is returned
credit recall                                     the recalled amount goes to cash
short, leveraged   planned reserve out of cash    the unused part is returned, what the loan releases goes
long                                              to cash, what is added to it is taken from cash
=================  =============================  ====================================================

A failure returns what the start took.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from typing import Any

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import (
    InvalidTrade,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.position.holdings import check_started_sell
from tradeexecutor.state.state.capital import find_failed_capital, give_capital_back, take_capital
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.capital_at_risk import keeps_allocation_on_failure
from tradeexecutor.state.trade.planned_amounts import EXECUTABLE_KINDS, LEVERAGE_KINDS
from tradeexecutor.state.types import BPS

_DATETIME = datetime.datetime
_PLANNED = TradeStatus.planned
_REPAIR = TradeType.repair
_TRIGGERED = TradeFlag.triggered


@contract_signature
def start_execution(
    state: StateFields,
    ts: datetime.datetime,
    trade: TradeExecution,
    txid: str | None = None,
    nonce: int | None = None,
    underflow_check: bool = True,
    triggered: bool = False,
) -> None:
    """Allocate the capital of a planned trade and mark it started.

    A buy, and any trade of a short or leveraged long, takes its planned reserve out of the cash. If a bridge position
    has capital on the chain of the bought token, the capital comes from that position.

    Parameters
    ----------
    nonce
        Nonce of the transaction; refused with `NonceAlreadyUsed` if another transaction has it.
    underflow_check
        Refuse to start if there is not enough cash. Without the check the cash may become negative, for batches in
        which sells pay for buys.
    triggered
        Must be set for trades with the flag ``triggered``.

    Raises
    ------
    WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, NotEnoughMoney,
    NotEnoughTokens, NonceAlreadyUsed, UnsupportedPairKind
        The state is unchanged.
    """
    if type(ts) is not _DATETIME or ts.tzinfo is not None:  # nearly always: saves a call
        require_naive_utc(ts, "started_at", InvalidTrade)
    portfolio = state.portfolio
    portfolio.owner.claim()
    if trade.get_status() is not _PLANNED:
        trade.check_status(_PLANNED)
    if not triggered and trade.flags and _TRIGGERED in trade.flags:
        raise WrongTradeStatus(f"trade #{trade.trade_id} waits for a trigger", trade.trade_id, _PLANNED)
    kind = trade.pair.kind
    if kind not in EXECUTABLE_KINDS:
        raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
    position = portfolio.find_position_for_trade(trade, triggered)
    if position.closed_at is not None:
        raise WrongPositionStatus(f"position #{position.position_id} is closed, trade #{trade.trade_id} cannot start")
    is_buy = trade._planned_quantity > ZERO_DECIMAL
    if not is_buy and trade._planned_quantity and trade.trade_type is not _REPAIR:
        check_started_sell(position, trade)
    if nonce is not None:
        portfolio.check_for_nonce_reuse(nonce)
    if is_buy or kind in LEVERAGE_KINDS:
        take_capital(portfolio, trade, underflow_check=underflow_check)
    trade._started_at = ts
    if trade._link is not None:  # tells the tables of trades, like an assignment to `started_at`
        trade.detach()
    if txid is not None or nonce is not None:
        _note_transaction(trade, txid, nonce)


def _note_transaction(trade: Any, txid: str | None, nonce: int | None) -> None:
    """Set ad-hoc attributes, for callers that track their transaction like this."""
    if txid is not None:
        trade.txid = txid
    if nonce is not None:
        trade.nonce = nonce


@contract_signature
def start_execution_all(
    state: StateFields,
    ts: datetime.datetime,
    trades: list[TradeExecution],
    max_slippage: BPS | None = None,
    underflow_check: bool = True,
    rebroadcast: bool = False,
    triggered: bool = False,
) -> None:
    """Start all trades in the given order, or none; `max_slippage` is recorded on each.

    `rebroadcast` has no effect; setting it causes a warning.

    Raises the errors of `start_execution`, after returning the capital of the trades before the refused one.
    """
    state.portfolio.owner.claim()
    if rebroadcast:
        warn_ignored("start_execution_all", "rebroadcast", "reopen failed trades with reopen_failed_trade first")
    portfolio = state.portfolio
    cash = [(reserve, reserve.quantity) for reserve in portfolio.reserves.values()]
    bridges = [(position, position.bridge_capital_allocated) for position in portfolio.open_positions.values()]
    plans = [(trade, trade.planned_quantity, trade.planned_reserve) for trade in trades]
    started = 0
    try:
        for trade in trades:
            start_execution(state, ts, trade, underflow_check=underflow_check, triggered=triggered)
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


def mark_broadcasted(state: StateFields, broadcasted_at: datetime.datetime, trade: TradeExecution) -> None:
    """Record that the transactions of a started trade were sent."""
    state.portfolio.owner.claim()
    trade.mark_broadcasted(broadcasted_at)


def mark_trade_failed(state: StateFields, failed_at: datetime.datetime, trade: TradeExecution) -> None:
    """Record the failure of a started or broadcasted trade and return its allocation.

    The allocation fields keep their values, as evidence. Capital that is stuck elsewhere stays debited, see
    :mod:`~tradeexecutor.state.trade.capital_at_risk`.

    Raises
    ------
    WrongTradeStatus, ReserveMissing, PositionNotFound
        The state is unchanged.
    """
    state.portfolio.owner.claim()
    trade.check_status(TradeStatus.broadcasted, TradeStatus.started)
    state.portfolio.find_position_for_trade(trade, pending=True)  # raises for a trade of another state
    stuck = keeps_allocation_on_failure(trade)
    returned, account = (ZERO_DECIMAL, None) if stuck else find_failed_capital(state.portfolio, trade)
    trade.mark_failed(failed_at)
    if account is not None:
        give_capital_back(state.portfolio, returned, account, failed_at)
