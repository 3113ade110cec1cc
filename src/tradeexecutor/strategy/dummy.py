"""Execution for runs that must not trade."""

import datetime
from typing import Any

from tradeexecutor.execution.interface import ExecutionError, ExecutionModel, ExecutionReport
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["DummyExecutionModel"]


class DummyExecutionModel(ExecutionModel):
    """Refuses every trade: for tests and for programs that only look at a state.

    Parameters
    ----------
    web3
        Accepted for existing code; there is no connection.
    """

    def __init__(self, web3: object = None):
        del web3

    def is_stop_loss_supported(self) -> bool:
        """Return False: positions cannot be closed between decisions either."""
        return False

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
        """Return an empty report if there is nothing to execute.

        Raises
        ------
        ExecutionError
            There is; nothing has changed.
        """
        del ts, state, routing_model, routing_state, check_balances, triggered, rebroadcast
        if trades:
            raise ExecutionError(f"nothing is traded here, but {trades[0]} should be")
        return ExecutionReport()
