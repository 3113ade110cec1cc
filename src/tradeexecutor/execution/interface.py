"""The interface between the trading cycle and a market.

The cycle plans trades; an `ExecutionModel` carries them out and reports what happened.  Simulation, centralised
exchanges and chains all stand behind this one class.
"""

import datetime
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["ExecutionError", "ExecutionHaltableIssue", "ExecutionModel", "ExecutionReport"]


class ExecutionError(TradeExecutorError, RuntimeError):
    """Trades could not be carried out, and their outcome could not be recorded in the normal way."""


class ExecutionHaltableIssue(ExecutionError):
    """The run must stop and a person must look at the state before it goes on."""


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """What became of a batch of trades.

    Attributes
    ----------
    succeeded, failed
        Trades in the order of execution.  The positions of failed trades are frozen, their money is back in the
        reserves.
    """

    succeeded: list[TradeExecution] = field(default_factory=list[TradeExecution])
    failed: list[TradeExecution] = field(default_factory=list[TradeExecution])


class ExecutionModel(ABC):
    """Carries out planned trades."""

    def initialize(self) -> None:
        """Connect; called once before the first cycle.  Nothing to do by default."""
        return

    def preflight_check(self) -> None:
        """Raise an error when trading cannot work; called before the first cycle.  Nothing by default."""
        return

    def is_stop_loss_supported(self) -> bool:
        """Tell whether positions may be closed between decisions."""
        return True

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be sent again, for people; None if it can.  By default nothing can."""
        del state
        return f"{type(self).__name__} cannot send trade #{trade.trade_id} again"

    def resolve_unconfirmed(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Find out what became of the trades that an earlier process had under way, and book it.

        A model that sends something real has to know how: between sending and hearing of the outcome a process may
        die.  Called before the first cycle, with a state as it was loaded; the caller saves it afterwards.  By default
        there is nothing to resolve.

        Returns
        -------
        list
            The trades that were resolved, failed ones included.

        Raises
        ------
        ExecutionHaltableIssue
            The outcome of a trade is still open, or is one for a person.
        """
        del ts, state
        return []

    @abstractmethod
    @contract_signature
    def execute_trades(
        self,
        ts: datetime.datetime,
        state: State,
        trades: list[TradeExecution],
        routing_model: Any = None,
        routing_state: Any = None,
        check_balances: bool = False,
        triggered: bool = False,
        rebroadcast: bool = False,
    ) -> ExecutionReport:
        """Take planned trades to success or failure, in the given order, and book the outcome in the state.

        Parameters
        ----------
        ts
            Time of the execution, naive UTC.
        state
            Where the trades are; reserves and positions change.
        trades
            Planned trades, sorted for execution.
        routing_model, routing_state
            Where to trade; not used by simulations.
        check_balances
            Compare the account with the state beforehand.
        triggered
            The trades come from stop loss, take profit or limit triggers, not from a decision.
        rebroadcast
            The trades are not planned, they have failed, and are sent again.

        Returns
        -------
        ExecutionReport
            A failed trade is a normal outcome and listed there, it is not an error.

        Raises
        ------
        ExecutionError
            The account and the state contradict each other.
        """
