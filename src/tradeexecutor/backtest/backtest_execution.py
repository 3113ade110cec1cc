"""Execution of a backtest: simulated fills against a simulated wallet."""

from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.backtest.loan_settlement import settle_loan
from tradeexecutor.backtest.simulated_wallet import OutOfSimulatedBalance, SimulatedWallet
from tradeexecutor.execution.bridge_transfers import get_payment_token, get_transfer_tokens
from tradeexecutor.execution.failures import FailureModel
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.execution.shortage import ROUNDING_UNITS, CashShortage
from tradeexecutor.execution.simulated import SimulatedExecution, calculate_total_assets
from tradeexecutor.execution.slippage import SlippageModel
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution
from tradeexecutor.state.trade.planned_amounts import LOAN_KINDS

__all__ = ["BacktestExecution", "BacktestExecutionFailed"]


class BacktestExecutionFailed(ExecutionError):
    """Wallet and state do not agree: the size of a trade is wrong, or the bookkeeping has a defect."""


class BacktestExecution(SimulatedExecution):
    """Simulated execution that moves the tokens of a `SimulatedWallet`.

    Parameters
    ----------
    wallet
        Wallet of the backtest.
    slippage
        Model of how much worse than planned trades fill; None for no slippage.
    failures
        Called with each trade; returns True if the trade fails. None for no failures.
    cash_shortage
        What happens to a buy that costs more than the cash.
    """

    def __init__(
        self,
        wallet: SimulatedWallet,
        slippage: SlippageModel | None = None,
        failures: FailureModel | None = None,
        *,
        cash_shortage: CashShortage = CashShortage.reduce,
    ):
        super().__init__(slippage, failures, cash_shortage=cash_shortage)
        self.wallet = wallet

    def allocate_nonce(self) -> tuple[int, str]:
        """Return the next nonce and the address of the wallet."""
        return self.wallet.fetch_nonce_and_tx_hash()

    def settle(self, trade: TradeExecution, fill: Fill) -> None:
        """Move base and reserve tokens, either both or none.

        Raises
        ------
        BacktestExecutionFailed
            The wallet does not hold the tokens that the trade pays with.
        """
        wallet = self.wallet
        if trade.pair.kind in LOAN_KINDS:
            settle_loan(wallet, trade, fill)
            return
        base, reserve = trade.pair.base, get_payment_token(trade)
        reason = f"trade #{trade.trade_id}"
        try:
            # The payment moves first, so that a shortage does not change the wallet.
            if fill.quantity > ZERO_DECIMAL:
                wallet.update_balance(reserve, -self._get_payment(reserve, fill.reserve), reason)
                wallet.update_balance(base, fill.quantity, reason)
            else:
                wallet.update_balance(base, fill.quantity, reason)
                wallet.update_balance(reserve, fill.reserve, reason)
        except OutOfSimulatedBalance as error:
            raise BacktestExecutionFailed(f"{trade} cannot be paid: {error}") from error

    def send_request(self, trade: TradeExecution) -> None:
        """Take the money of a deposit or the shares of a redemption out of the wallet.

        Raises
        ------
        BacktestExecutionFailed
            The wallet does not hold them.
        """
        reserve, reason = get_payment_token(trade), f"request #{trade.trade_id}"
        try:
            if trade.is_buy():
                self.wallet.update_balance(reserve, -self._get_payment(reserve, trade.planned_reserve), reason)
            else:
                self.wallet.update_balance(trade.pair.base, trade.planned_quantity, reason)
        except OutOfSimulatedBalance as error:
            raise BacktestExecutionFailed(f"{trade} cannot be paid: {error}") from error

    def settle_request(self, trade: TradeExecution, fill: Fill) -> None:
        """Put the shares of a deposit or the money of a redemption into the wallet."""
        reserve, reason = get_payment_token(trade), f"settlement #{trade.trade_id}"
        if trade.is_buy():
            rest = trade.get_vault_settlement_request_reserve() - fill.reserve
            self.wallet.update_balance(trade.pair.base, fill.quantity, reason)
            self.wallet.update_balance(reserve, rest, reason)
        else:
            self.wallet.update_balance(reserve, fill.reserve, reason)

    def send_transfer(self, trade: TradeExecution) -> None:
        """Take what is sent over a bridge out of the wallet.

        Raises
        ------
        BacktestExecutionFailed
            The wallet does not hold it.
        """
        amount = abs(trade.planned_quantity)
        try:
            self.wallet.update_balance(get_transfer_tokens(trade)[0], -amount, f"transfer #{trade.trade_id}")
        except OutOfSimulatedBalance as error:
            raise BacktestExecutionFailed(f"{trade} cannot be sent: {error}") from error

    def settle_transfer(self, trade: TradeExecution, fill: Fill | None) -> None:
        """Put what arrives into the wallet, or what was sent if the transfer was given up."""
        sent, brought = get_transfer_tokens(trade)
        reason = f"arrival #{trade.trade_id}"
        if fill is None:
            self.wallet.update_balance(sent, abs(trade.planned_quantity), reason)
        else:
            self.wallet.update_balance(brought, abs(fill.quantity) if trade.is_buy() else fill.reserve, reason)

    def _get_payment(self, token: AssetIdentifier, cost: Decimal) -> Decimal:
        """Return what is paid for a buy: its cost, or all that the wallet holds when only rounding is missing."""
        held = self.wallet.get_balance(token)
        return held if held < cost and cost - held <= token.convert_to_decimal(ROUNDING_UNITS) else cost

    def check_balances(self, state: State) -> None:
        """Compare every token of the wallet with the positions, and the reserve currency with the reserves.

        Raises
        ------
        BacktestExecutionFailed
            They differ by 0.1 % or more.
        """
        expected = calculate_total_assets(state.portfolio)
        for reserve in state.portfolio.reserves.values():
            expected[reserve.asset] = expected.get(reserve.asset, ZERO_DECIMAL) + reserve.quantity
        mismatches = self.wallet.find_mismatches(expected)
        if mismatches:
            details = "; ".join(f"{entry.token}: state {entry.expected}, wallet {entry.actual}" for entry in mismatches)
            raise BacktestExecutionFailed(f"the wallet does not match the state: {details}")
