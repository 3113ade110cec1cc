"""Who confirms the trades of a decision before they are executed; `Models.approval` of a runner takes such a model."""

from abc import ABC, abstractmethod

from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["ApprovalModel", "UncheckedApprovalModel"]


class ApprovalModel(ABC):
    """Confirmation of the trades of a decision."""

    @abstractmethod
    def confirm_trades(self, state: State, trades: list[TradeExecution]) -> list[TradeExecution]:
        """Return the planned trades that may be executed; the others expire."""

    def __call__(self, state: State, trades: list[TradeExecution]) -> list[TradeExecution]:
        """Return what `confirm_trades` does."""
        return self.confirm_trades(state, trades)


class UncheckedApprovalModel(ApprovalModel):
    """All trades are executed as decided."""

    def confirm_trades(self, state: State, trades: list[TradeExecution]) -> list[TradeExecution]:
        """Return all trades."""
        del state
        return trades
