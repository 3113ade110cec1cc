"""The interface between the trading cycle and a market.

The cycle plans trades; an `ExecutionModel` executes them and reports the outcomes. Simulations, centralised exchanges
and chains implement this class.
"""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["ExecutionError", "ExecutionHaltableIssue", "ExecutionModel", "ExecutionReport", "SettlementPrice"]


class ExecutionError(TradeExecutorError, RuntimeError):
    """Trades could not be executed, and their outcome could not be recorded in the normal way."""


class ExecutionHaltableIssue(ExecutionError):
    """The run must stop, and a person must check the state before it continues."""


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """Outcome of a batch of trades.

    Attributes
    ----------
    succeeded, failed
        Trades in the order of execution. Positions of failed trades are frozen, and their money is back in the
        reserves. A trade that expired instead of being executed is in neither.
    """

    succeeded: list[TradeExecution] = field(default_factory=list[TradeExecution])
    failed: list[TradeExecution] = field(default_factory=list[TradeExecution])


#: Returns the price at which a trade settles now, USD; None without a price.
SettlementPrice = Callable[[datetime.datetime, TradeExecution], float | None]


class ExecutionModel(ABC):
    """Interface for the execution of planned trades."""

    #: Whether `settle_requests` and `settle_transfers` may have something to book; otherwise they need not be called. A
    #: model that sets one to False sets it to True again with the next trade of its kind.
    may_settle_requests: bool = True
    may_settle_transfers: bool = True

    def initialize(self) -> None:
        """Connect to the market; called once before the first cycle. Does nothing by default."""
        return

    def preflight_check(self) -> None:
        """Raise an error when trading cannot work; called before the first cycle. Does nothing by default."""
        return

    def is_stop_loss_supported(self) -> bool:
        """Return True if positions may be closed between decisions."""
        return True

    def check_plan(self, state: State, trades: Iterable[TradeExecution]) -> None:
        """Raise an error when the trades of a decision cannot be meant; called before any of them is executed.

        Does nothing by default.

        Raises
        ------
        ExecutionError
            With the reason; nothing has changed.
        """
        del state, trades

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return a text on why a failed trade cannot be sent again; None when it can be. By default none can be."""
        del state
        return f"{type(self).__name__} cannot send trade #{trade.trade_id} again"

    def resolve_unconfirmed(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Find out and book the outcomes of trades that an earlier process has sent.

        A model that sends real orders has to implement this, because a process may die between the sending and the
        outcome. It is called before the first cycle with the loaded state, which the caller saves afterwards. By
        default there is nothing to resolve.

        Returns
        -------
        list
            The resolved trades, including failed ones.

        Raises
        ------
        ExecutionHaltableIssue
            The outcome of a trade is still open, or a person has to decide.
        """
        del ts, state
        return []

    def settle_requests(self, ts: datetime.datetime, state: State, get_price: SettlementPrice) -> list[TradeExecution]:
        """Book the requests to vaults that are due, and return their trades; does nothing by default.

        Parameters
        ----------
        ts
            Time of the settlement, naive UTC.
        state
            State that contains the requests.
        get_price
            Returns the price of a trade at a time, fees included; None while there is none.
        """
        del ts, state, get_price
        return []

    def settle_transfers(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Book the transfers over bridges that have ended until `ts`, and return their trades; does nothing by default.

        Each is booked at the time at which it has ended. It is called before everything that may use the money.
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
        """Execute planned trades in the given order, and book their outcomes in the state.

        Parameters
        ----------
        ts
            Time of the execution, naive UTC.
        state
            State that contains the trades; its reserves and positions change.
        trades
            Planned trades, sorted for execution.
        routing_model, routing_state
            Routing of the trades; not used by simulations.
        check_balances
            Whether to compare the account with the state before trading.
        triggered
            Whether the trades come from stop loss, take profit or limit triggers instead of a decision.
        rebroadcast
            Whether the trades are failed ones that are sent again instead of planned ones.

        Returns
        -------
        ExecutionReport
            The outcomes. A failed trade is a normal outcome, not an error.

        Raises
        ------
        ExecutionError
            The account and the state contradict each other.
        """
