"""Repair of vault positions on Hypercore: dust after a redemption, and duplicate positions.

A redemption keeps a safety margin, so a small amount stays in the vault. Old programs opened a second position for a
vault that already had one. Both make the recorded value of the portfolio too high. The positions are closed with an
empty trade, and no money moves.
"""

import datetime
from dataclasses import dataclass

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import HypercoreDuplicateCloseError, InvalidTrade
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.counter_trade import close_position_with_empty_trade
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.capital_at_risk import has_capital_at_risk

__all__ = [
    "HypercoreDuplicateCloseCandidate",
    "close_hypercore_duplicate_clone",
    "close_hypercore_dust_positions",
    "find_hypercore_duplicate_close_candidates",
    "find_hypercore_dust_positions",
]

#: Keys in `TradingPosition.other_data` of a closed duplicate.
SURVIVOR_KEY = "closed_duplicate_survivor_position_id"
REASON_KEY = "hypercore_duplicate_close_reason"

LATER_PHANTOM = "later phantom duplicate clone"
STALE_REPAIRED = "stale repaired-close duplicate after later reopen"

#: Largest difference between the values of a position and its duplicate, USD.
_VALUE_TOLERANCE_USD = 0.000001


# --- Dust


def find_hypercore_dust_positions(portfolio: Portfolio) -> list[TradingPosition]:
    """Return the open and then the frozen Hyperliquid vault positions that hold at most dust.

    Positions with capital at risk elsewhere, with a trade that is planned or in flight, and positions that were never
    opened are left out.
    """
    return [
        position
        for position in portfolio.get_open_and_frozen_positions()
        if position.pair.is_hyperliquid_vault()
        and position.can_be_closed()
        and position.is_properly_opened()
        and not position.has_trades_in_flight()
        and not position.has_planned_trades()
        and not has_capital_at_risk(position)
    ]


def close_hypercore_dust_positions(portfolio: Portfolio, now: datetime.datetime | None = None) -> list[TradeExecution]:
    """Close the Hyperliquid vault positions that hold at most dust, and return the empty trades that close them.

    The remainder, at most 2 units in each position, is then no longer part of the equity. A frozen position is marked
    as unfrozen.
    """
    now = utc_now() if now is None else now
    require_naive_utc(now, "closed_at", InvalidTrade)
    trades: list[TradeExecution] = []
    for position in find_hypercore_dust_positions(portfolio):
        if position.is_frozen():
            position.unfrozen_at = now
        notes = (
            "Auto-closed Hypercore dust position after the safety-margin redemption left a final residual balance "
            f"({now.isoformat()})"
        )
        trades.append(close_position_with_empty_trade(portfolio, position, now, notes))
        position.add_notes_message(notes)
    return trades


# --- Duplicates


@dataclass(frozen=True, slots=True)
class HypercoreDuplicateCloseCandidate:
    """Two recorded positions in one vault, one of which does not exist.

    Attributes
    ----------
    vault_address, vault_name
        The vault; the address is in lower case, the name is None when the file does not contain it.
    survivor_position, clone_position
        The real position and its duplicate.
    close_reason
        How the duplicate was created.
    """

    vault_address: str
    vault_name: str | None
    survivor_position: TradingPosition
    clone_position: TradingPosition
    close_reason: str


def find_hypercore_duplicate_close_candidates(
    portfolio: Portfolio,
) -> tuple[list[HypercoreDuplicateCloseCandidate], list[str]]:
    """Find vaults with a position and a duplicate of it.

    Returns
    -------
    tuple
        Candidates of which the duplicate is known for certain, and for every other vault with several positions a text
        that contains the reason why it is not certain.
    """
    groups: dict[str, list[TradingPosition]] = {}
    for position in portfolio.get_open_and_frozen_positions():
        if position.pair.is_hyperliquid_vault():
            groups.setdefault(_get_vault_address(position), []).append(position)
    candidates: list[HypercoreDuplicateCloseCandidate] = []
    rejected: list[str] = []
    for address, members in groups.items():
        if len(members) == 1:
            continue
        members.sort(key=lambda position: position.position_id)
        found = _classify(address, members)
        if isinstance(found, str):
            numbers = ", ".join(f"#{position.position_id}" for position in members)
            rejected.append(f"vault {address}, positions {numbers}: {found}")
        else:
            candidates.append(found)
    return candidates, rejected


def _get_vault_address(position: TradingPosition) -> str:
    return (position.pair.pool_address or position.pair.base.address).lower()


def _classify(address: str, members: list[TradingPosition]) -> HypercoreDuplicateCloseCandidate | str:
    """Return the candidate, or the reason why there is none."""
    if len(members) != 2:
        return f"there are {len(members)} positions, not two"
    older, newer = members
    problems = [*_find_problems(older), *_find_problems(newer), *_find_differences(older, newer)]
    if problems:
        return "; ".join(problems)
    phantom, stale = _find_phantom_obstacles(older, newer), _find_stale_obstacles(older, newer)
    if not phantom:
        survivor, clone, reason = older, newer, LATER_PHANTOM
    elif not stale:
        survivor, clone, reason = newer, older, STALE_REPAIRED
    else:
        return f"no {LATER_PHANTOM}: {', '.join(phantom)}; no {STALE_REPAIRED}: {', '.join(stale)}"
    name = older.pair.get_vault_name()
    return HypercoreDuplicateCloseCandidate(address, name, survivor, clone, reason)


def _find_problems(position: TradingPosition) -> list[str]:
    number = position.position_id
    facts = {
        "is frozen": position.is_frozen(),
        "has planned trades": position.has_planned_trades(),
        "has trades in flight": position.has_trades_in_flight(),
        "is about to close": position.is_about_to_close(),
        "has a loan": position.loan is not None,
        "has capital outside": has_capital_at_risk(position),
        "was never properly opened": not position.is_properly_opened(),
    }
    return [f"#{number} {fact}" for fact, holds in facts.items() if holds]


def _find_differences(older: TradingPosition, newer: TradingPosition) -> list[str]:
    facts = {
        "pool": older.pair.pool_address == newer.pair.pool_address,
        "base token": older.pair.base == newer.pair.base,
        "quote token": older.pair.quote == newer.pair.quote,
        "reserve currency": older.reserve_currency == newer.reserve_currency,
        "quantity": older.get_quantity() == newer.get_quantity(),
        "planned quantity": older.get_quantity(planned=True) == newer.get_quantity(planned=True),
        "token price": older.last_token_price == newer.last_token_price,
        "reserve price": older.last_reserve_price == newer.last_reserve_price,
        "value": abs(older.get_value() - newer.get_value()) <= _VALUE_TOLERANCE_USD,
    }
    return [f"they differ in their {fact}" for fact, holds in facts.items() if not holds]


def _list_real_buys(position: TradingPosition) -> list[TradeExecution]:
    return [trade for trade in position.trades.values() if trade.is_buy() and _is_real_success(trade)]


def _is_real_success(trade: TradeExecution) -> bool:
    return trade.is_success() and not trade.is_repaired() and not trade.is_repair_trade()


def _has_repaired_sell(position: TradingPosition) -> bool:
    return _get_last_repaired_sell(position) is not None


def _get_last_repaired_sell(position: TradingPosition) -> datetime.datetime | None:
    """Return the time of the last repair of a sell, naive UTC; None without one."""
    times = [
        trade.repaired_at for trade in position.trades.values() if trade.is_sell() and trade.repaired_at is not None
    ]
    return max(times, default=None)


def _count_updates(position: TradingPosition) -> tuple[int, int]:
    """Return the number of balance updates, and the number of vault flows among them."""
    flows = sum(event.cause is BalanceUpdateCause.vault_flow for event in position.balance_updates.values())
    return len(position.balance_updates), flows


def _list_failed(facts: dict[str, bool]) -> list[str]:
    return [fact for fact, holds in facts.items() if not holds]


def _find_phantom_obstacles(older: TradingPosition, newer: TradingPosition) -> list[str]:
    """Return why the newer position cannot be one that a buy opened although there was already a position."""
    buys = _list_real_buys(newer)
    updates, flows = _count_updates(newer)
    return _list_failed(
        {
            "the newer one has other trades than one successful buy": len(newer.trades) == len(buys) == 1,
            "its buy does not ignore open positions": all(TradeFlag.ignore_open in (t.flags or ()) for t in buys),
            "it has other balance updates than one vault flow": updates <= 1 and updates == flows,
            "a sell was repaired": not (_has_repaired_sell(older) or _has_repaired_sell(newer)),
        }
    )


def _find_stale_obstacles(older: TradingPosition, newer: TradingPosition) -> list[str]:
    """Return why the older position cannot be one whose sell was repaired as failed, and that was reopened."""
    repaired_at = _get_last_repaired_sell(older)
    buys = _list_real_buys(newer)
    _, flows = _count_updates(newer)
    return _list_failed(
        {
            "the older one has no repaired sell": repaired_at is not None,
            "the newer one has one": not _has_repaired_sell(newer),
            "the newer one has not exactly one successful buy": len(buys) == 1,
            "it was opened before the repair": repaired_at is None or all(t.opened_at > repaired_at for t in buys),
            "it has not exactly one vault flow": flows == 1,
        }
    )


def close_hypercore_duplicate_clone(
    portfolio: Portfolio, candidate: HypercoreDuplicateCloseCandidate, now: datetime.datetime | None = None
) -> TradeExecution:
    """Close a duplicate with an empty trade, and return that trade; the other position is not changed.

    Raises
    ------
    HypercoreDuplicateCloseError
        `find_hypercore_duplicate_close_candidates` does not, or no longer, return the candidate; nothing has changed.
    """
    now = utc_now() if now is None else now
    require_naive_utc(now, "closed_at", InvalidTrade)
    survivor, clone = candidate.survivor_position, candidate.clone_position
    found, _ = find_hypercore_duplicate_close_candidates(portfolio)
    if not any(_is_same(item, candidate) for item in found):
        raise HypercoreDuplicateCloseError(
            f"position #{clone.position_id} is not a duplicate of #{survivor.position_id} that can be closed",
            clone.position_id,
        )
    reason = candidate.close_reason
    notes = f"Closing position #{clone.position_id}, a {reason} of #{survivor.position_id}"
    flags = {TradeFlag.close, TradeFlag.hypercore_duplicate_close}
    trade = close_position_with_empty_trade(portfolio, clone, now, notes, flags)
    clone.add_notes_message(f"Closed at {now} as a {reason} of position #{survivor.position_id}")
    survivor.add_notes_message(f"Its {reason}, position #{clone.position_id}, was closed at {now}")
    clone.other_data = {
        **(clone.other_data or {}),
        SURVIVOR_KEY: survivor.position_id,
        REASON_KEY: reason,
    }
    return trade


def _is_same(left: HypercoreDuplicateCloseCandidate, right: HypercoreDuplicateCloseCandidate) -> bool:
    return (
        left.survivor_position is right.survivor_position
        and left.clone_position is right.clone_position
        and left.close_reason == right.close_reason
    )
