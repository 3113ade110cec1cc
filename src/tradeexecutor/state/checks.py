"""Checks of a state without other data: ids, outcomes of trades, and impossible balances."""

from dataclasses import dataclass

from tradeexecutor.state.errors import IntegrityError, UncleanState
from tradeexecutor.state.portfolio.ids import list_counter_remarks
from tradeexecutor.state.state import State
from tradeexecutor.state.state.impossible_balances import find_impossible_balances

__all__ = ["Check", "check_state"]


@dataclass(frozen=True, slots=True)
class Check:
    """Outcome of one check of a state or its file; `detail` describes the finding, good or bad."""

    name: str
    passed: bool
    detail: str


def check_state(state: State) -> list[Check]:
    """Return the outcomes of the checks; the state is not changed."""
    return [_check_ids(state), _check_outcomes(state), _check_balances(state)]


def _check_balances(state: State) -> Check:
    found = find_impossible_balances(state)
    return Check("balances", not found, "; ".join(map(str, found)) or "no cash, holding or debt is below zero")


def _check_ids(state: State) -> Check:
    try:
        state.perform_integrity_check()
    except IntegrityError as error:
        return Check("consistent ids", False, str(error))
    remarks = "; ".join(list_counter_remarks(state.portfolio))
    return Check("consistent ids", True, remarks or "positions, trades and statistics refer to each other correctly")


def _check_outcomes(state: State) -> Check:
    try:
        state.check_if_clean()
    except UncleanState as error:
        return Check("clean", False, str(error))
    return Check("clean", True, "no trade was left between broadcast and confirmation")
