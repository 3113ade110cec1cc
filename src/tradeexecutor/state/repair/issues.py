"""Issues that a person has to check before a strategy continues: open outcomes, frozen positions, stuck capital.

If a program dies, its state shows what it was doing:

=======================  ==============================================================  ===========================
issue                    cause                                                           remedy
=======================  ==============================================================  ===========================
planned                  died before the execution                                       `repair`: marks it as not done
started, not sent        died with allocated capital, before the transaction             `repair`: capital is returned
started, with            died around the broadcast                                       look the transactions up,
transactions                                                                             `repair --failed / --filled`
broadcasted              died before the confirmation                                    as above
failed                   the transaction was reverted                                    `repair` or `retry`
capital outside          failed, and the capital is stuck elsewhere                      bring it back
in transit               on a bridge for a long time                                     look it up
settlement pending       a vault has not answered for a long time                        look it up
frozen                   a failure was repaired, and the position was not unfrozen       `repair`
empty                    an open position holds nothing                                  `repair`
dust                     a redemption left a residue in a Hypercore vault                `repair`
impossible               more was sold or spent than was available                       compare with the chain
=======================  ==============================================================  ===========================
"""

import datetime
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.identifier.chain import describe_chain
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.attempts import find_real_transaction
from tradeexecutor.state.repair.counter_trade import find_freeze_obstacle
from tradeexecutor.state.repair.hypercore import (
    find_hypercore_duplicate_close_candidates,
    find_hypercore_dust_positions,
)
from tradeexecutor.state.repair.unsent import find_zero_quantity_positions, is_unsent
from tradeexecutor.state.state import State
from tradeexecutor.state.state.impossible_balances import find_impossible_balances
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.amounts import TRANSFER_DUE_KEY
from tradeexecutor.state.trade.capital_at_risk import find_capital_at_risk, has_capital_at_risk, is_capital_at_risk

__all__ = ["Issue", "IssueKind", "describe_unclean", "find_issues"]

#: Longest time of a transfer over a bridge, and of a request to a vault, before it is listed as an issue.
MAX_BRIDGE_TIME = datetime.timedelta(hours=1)
MAX_VAULT_TIME = datetime.timedelta(days=7)

#: Placeholder of the state file in commands.
FILE = "STATE_FILE"

#: Advice for a trade that repairs do not change because of another trade of its position.
_OUTSIDE_FIRST = "bring the capital of its position back first; repairs leave it alone until then"


#: Advice for a waiting entry that failed when its price came.
_NEVER_OPENED = "its position never opened and holds nothing, so nothing has to be repaired"


class IssueKind(enum.StrEnum):
    """Kind of an issue."""

    not_sent = "not sent"
    unknown_outcome = "unknown outcome"
    failed = "failed"
    capital_outside = "capital outside"
    in_transit = "in transit"
    settlement_pending = "settlement pending"
    frozen = "frozen"
    empty = "empty"
    dust = "dust"
    duplicate = "duplicate"
    impossible = "impossible"


#: Kinds that forbid trading, because the holdings of the strategy are not known.
_BLOCKING = frozenset({IssueKind.unknown_outcome})


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue that a person has to check.

    Attributes
    ----------
    kind
        Kind of the issue.
    position_id, trade_id
        Position and trade concerned; the trade is None for an issue of the position, both are None for an issue of the
        cash.
    ticker
        Ticker of the pair, or symbol of the cash.
    since
        Begin of the issue, naive UTC; None when the file does not contain it.
    allocated, symbol
        Capital that is allocated or stuck outside (units of the reserve currency), and its ticker; None when there is
        none.
    reason
        Description of the problem.
    command
        Command that fixes it, with `STATE_FILE` for the path; empty when there is none.
    advice
        Other advice; empty when there is none.
    """

    kind: IssueKind
    position_id: int | None
    trade_id: int | None
    ticker: str
    since: datetime.datetime | None
    allocated: Decimal | None
    symbol: str
    reason: str
    command: str
    advice: str = ""

    @property
    def is_blocking(self) -> bool:
        """True if the strategy must not trade before the issue is resolved."""
        return self.kind in _BLOCKING

    def __str__(self) -> str:
        what = f"{self.ticker} cash" if self.position_id is None else f"position #{self.position_id} {self.ticker}"
        if self.trade_id is not None:
            what = f"trade #{self.trade_id} of {what}"
        text = f"{what}: {self.reason}"
        hints = [text for text in (self.advice, self.command) if text]
        return "; ".join((text, *hints))


def find_issues(
    state: State,
    now: datetime.datetime | None = None,
    max_bridge_time: datetime.timedelta = MAX_BRIDGE_TIME,
    max_vault_time: datetime.timedelta = MAX_VAULT_TIME,
) -> list[Issue]:
    """Return all issues of a state, which is not changed.

    Parameters
    ----------
    now
        Present time, naive UTC.
    max_bridge_time, max_vault_time
        Longest time of a transfer, and of a request to a vault, before it is listed.

    Returns
    -------
    list
        Issues that block trading come first; otherwise they are sorted by position and trade.
    """
    now = utc_now() if now is None else now
    portfolio = state.portfolio
    found: list[Issue] = []
    for position in portfolio.get_all_positions(pending=True):
        for trade in position.trades.values():
            if trade.executed_at is not None and trade.failed_at is None:
                continue  # nearly all trades
            is_waiting = position.position_id in portfolio.pending_positions
            item = _judge_trade(position, trade, now, max_bridge_time, max_vault_time, is_waiting=is_waiting)
            if item is not None:
                found.append(item)
    mentioned = {item.position_id for item in found if item.position_id is not None}
    found += _list_frozen(state, mentioned)
    empty = {position.position_id: position for position in find_zero_quantity_positions(portfolio)}
    found += map(_make_empty, empty.values())
    found += [
        _make_dust(position)
        for position in find_hypercore_dust_positions(portfolio)
        if position.position_id not in empty
    ]
    found += _list_duplicates(state)
    found += _list_impossible(state)
    found.sort(key=lambda item: (not item.is_blocking, item.position_id or 0, item.trade_id or 0))
    return found


def describe_unclean(state: State) -> list[str]:
    """Return a text for every trade whose outcome is not known; the strategy must not start while there are any."""
    return [str(item) for item in find_issues(state) if item.is_blocking]


# --- Trades


def _judge_trade(
    position: TradingPosition,
    trade: TradeExecution,
    now: datetime.datetime,
    max_bridge_time: datetime.timedelta,
    max_vault_time: datetime.timedelta,
    *,
    is_waiting: bool,
) -> Issue | None:
    status = trade.get_status()
    if is_capital_at_risk(trade) and not trade.is_repaired():
        return _make_outside(position, trade)
    if status is TradeStatus.planned:
        waits = trade.trade_id in position.pending_trades
        return None if waits else _make_not_sent(position, trade, "was planned and never sent", trade.opened_at)
    if is_unsent(position, trade):
        reason = f"was started and never sent{_describe_allocation(trade)}"
        return _make_not_sent(position, trade, reason, trade.started_at)
    if status in (TradeStatus.started, TradeStatus.broadcasted):
        return _make_unknown(position, trade, status)
    if status is TradeStatus.failed and position.closed_at is None and not _is_failed_transfer(position):
        return _make_failed(position, trade, is_waiting=is_waiting)
    if status is TradeStatus.cctp_in_transit and _is_overdue(_get_transfer_start(trade), now, max_bridge_time):
        return _make_waiting(position, trade, IssueKind.in_transit, "has been on its way over the bridge")
    if status is TradeStatus.vault_settlement_pending and _is_overdue(
        trade.vault_settlement_pending_at, now, max_vault_time
    ):
        return _make_waiting(position, trade, IssueKind.settlement_pending, "waits for the vault to settle")
    return None


def _is_failed_transfer(position: TradingPosition) -> bool:
    """Return True if a failed trade of a position was a transfer whose money is back: it can be sent again."""
    return position.pair.is_cctp_bridge() and not position.is_frozen()


def _get_transfer_start(trade: TradeExecution) -> datetime.datetime | None:
    """Return from when on a transfer is late, naive UTC; a simulated one is not before it is due."""
    due = (trade.other_data or {}).get(TRANSFER_DUE_KEY)
    return trade.cctp_in_transit_at if due is None else datetime.datetime.fromisoformat(due)


def _is_overdue(since: datetime.datetime | None, now: datetime.datetime, limit: datetime.timedelta) -> bool:
    return since is not None and now - since > limit


def _make(
    kind: IssueKind,
    position: TradingPosition,
    trade: TradeExecution | None,
    *,
    since: datetime.datetime | None,
    reason: str,
    command: str = "",
    advice: str = "",
) -> Issue:
    allocated = _get_allocation(trade) if trade is not None and kind is not IssueKind.failed else None
    return Issue(
        kind=kind,
        position_id=position.position_id,
        trade_id=None if trade is None else trade.trade_id,
        ticker=position.pair.get_ticker(),
        since=since,
        allocated=allocated,
        symbol=position.reserve_currency.token_symbol,
        reason=reason,
        command=command,
        advice=advice,
    )


def _get_allocation(trade: TradeExecution) -> Decimal | None:
    return trade.reserve_currency_allocated or trade.bridge_currency_allocated or None


def _describe_allocation(trade: TradeExecution) -> str:
    amount = _get_allocation(trade)
    return f", {amount} {trade.reserve_currency.token_symbol} are set aside for it" if amount else ""


def _make_not_sent(
    position: TradingPosition, trade: TradeExecution, reason: str, since: datetime.datetime | None
) -> Issue:
    command = advice = ""
    if has_capital_at_risk(position):
        advice = _OUTSIDE_FIRST
    elif is_unsent(position, trade):
        command = f"tradeexecutor repair {FILE} --only unsent"
    else:
        hashes = ", ".join(tx.tx_hash for tx in trade.blockchain_transactions if tx.tx_hash)
        advice = f"it was never started and has transactions, look them up{f' ({hashes})' if hashes else ''}"
    return _make(IssueKind.not_sent, position, trade, since=since, reason=reason, command=command, advice=advice)


def _make_unknown(position: TradingPosition, trade: TradeExecution, status: TradeStatus) -> Issue:
    hashes = ", ".join(tx.tx_hash for tx in trade.blockchain_transactions if tx.tx_hash) or "without a hash"
    sent = "was sent" if status is TradeStatus.broadcasted else "may have been sent"
    number = trade.trade_id
    return _make(
        IssueKind.unknown_outcome,
        position,
        trade,
        since=trade.broadcasted_at or trade.started_at,
        reason=f"{sent} and its outcome was never recorded{_describe_allocation(trade)}",
        command=(
            f"tradeexecutor repair {FILE} --failed {number}, or --filled {number}:QUANTITY:{_get_reserve_name(trade)}"
        ),
        advice=f"look its transactions up on {describe_chain(trade.pair.chain_id)} ({hashes})",
    )


def _get_reserve_name(trade: TradeExecution) -> str:
    return "SPENT" if trade.is_buy() else "RECEIVED"


def _make_failed(position: TradingPosition, trade: TradeExecution, *, is_waiting: bool) -> Issue:
    why = trade.get_revert_reason()
    place = " and its position is frozen" if position.is_frozen() else ""
    is_simulated = trade.blockchain_transactions and find_real_transaction(trade) is None
    retry = f"`tradeexecutor retry {FILE} --data CANDLES` tries simulated trades again"
    command = f"tradeexecutor repair {FILE} --only failed"
    advice = retry if is_simulated else ""
    if has_capital_at_risk(position):
        command, advice = "", _OUTSIDE_FIRST
    elif is_waiting:
        command, advice = "", _NEVER_OPENED  # repairs change open and frozen positions only
    return _make(
        IssueKind.failed,
        position,
        trade,
        since=trade.failed_at,
        reason=f"failed{place}: {why}" if why else f"failed{place}",
        command=command,
        advice=advice,
    )


def _make_outside(position: TradingPosition, trade: TradeExecution) -> Issue:
    recorded = find_capital_at_risk(trade)
    where = f" ({recorded})" if recorded else ""
    return _make(
        IssueKind.capital_outside,
        position,
        trade,
        since=trade.failed_at or trade.started_at or trade.opened_at,
        reason=f"says that its capital is stuck outside{where}",
        advice="bring it back by hand; repairs leave the position alone as long as the trade says so",
    )


def _make_waiting(position: TradingPosition, trade: TradeExecution, kind: IssueKind, what: str) -> Issue:
    since = trade.cctp_in_transit_at or trade.vault_settlement_pending_at
    hashes = ", ".join(tx.tx_hash for tx in trade.blockchain_transactions if tx.tx_hash)
    return _make(
        kind,
        position,
        trade,
        since=since,
        reason=f"{what} since {since:%Y-%m-%d %H:%M}{_describe_allocation(trade)}",
        advice=f"look it up{f' ({hashes})' if hashes else ''}",
    )


# --- Positions


def _list_frozen(state: State, mentioned: set[int]) -> Iterator[Issue]:
    for position in state.portfolio.frozen_positions.values():
        if position.position_id in mentioned:
            continue
        obstacle = find_freeze_obstacle(position)
        if obstacle is None:
            reason, advice = "is frozen, its failures are made good", ""
            command = f"tradeexecutor repair {FILE} --only failed"
        else:
            reason, command = f"is frozen, and {obstacle}", ""
            advice = f"tradeexecutor show-trades {FILE} --position {position.position_id} shows what happened"
        yield _make(
            IssueKind.frozen, position, None, since=position.frozen_at, reason=reason, command=command, advice=advice
        )


def _make_empty(position: TradingPosition) -> Issue:
    command = f"tradeexecutor repair {FILE} --only empty"
    since = _get_last_execution(position)
    return _make(IssueKind.empty, position, None, since=since, reason="is open and holds nothing", command=command)


def _make_dust(position: TradingPosition) -> Issue:
    command = f"tradeexecutor repair {FILE} --only dust"
    reason = f"is a vault of which only {position.get_quantity()} are left"
    since = _get_last_execution(position)
    return _make(IssueKind.dust, position, None, since=since, reason=reason, command=command)


def _get_last_execution(position: TradingPosition) -> datetime.datetime | None:
    return max((trade.executed_at for trade in position.get_executed_trades() if trade.executed_at), default=None)


def _list_duplicates(state: State) -> Iterator[Issue]:
    candidates, _ = find_hypercore_duplicate_close_candidates(state.portfolio)
    for candidate in candidates:
        clone = candidate.clone_position
        yield _make(
            IssueKind.duplicate,
            clone,
            None,
            since=clone.opened_at,
            reason=f"is a {candidate.close_reason} of position #{candidate.survivor_position.position_id}, "
            "whose value counts twice",
            command=f"tradeexecutor repair {FILE} --only duplicates",
        )


# --- Balances


def _list_impossible(state: State) -> Iterator[Issue]:
    advice = f"compare {FILE} with the chain (tradeexecutor check-accounts), and book what it finds (correct-accounts)"
    tables = state.portfolio.get_position_tables()
    for item in find_impossible_balances(state):
        position = next((table[item.position_id] for table in tables if item.position_id in table), None)
        yield Issue(
            kind=IssueKind.impossible,
            position_id=item.position_id,
            trade_id=None,
            ticker=item.symbol if position is None else position.pair.get_ticker(),
            since=None if position is None else _get_last_execution(position),
            allocated=None,
            symbol=item.symbol,
            reason=str(item),
            command="",
            advice=advice,
        )
