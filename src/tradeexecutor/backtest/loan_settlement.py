"""Tokens that a trade on a loan moves in the simulated wallet.

A wallet holds aTokens for the collateral of shorts and leveraged longs and for supplies of credit, and a positive
balance of vTokens for what it owes.
"""

from decimal import Decimal

from tradeexecutor.backtest.simulated_wallet import OutOfSimulatedBalance, SimulatedWallet
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.trade import Fill, TradeExecution

__all__ = ["settle_loan"]

_ZERO = Decimal(0)


def settle_loan(wallet: SimulatedWallet, trade: TradeExecution, fill: Fill) -> None:
    """Move all tokens of a trade, or none.

    Raises
    ------
    ExecutionError
        The wallet does not hold what the trade pays.
    """
    pair, moved = trade.pair, dict[AssetIdentifier, Decimal]()
    if pair.kind.is_credit_supply():
        moved[trade.reserve_currency] = -fill.quantity
        moved[pair.base] = fill.quantity
    else:
        consumption, allocation = fill.collateral_consumption or _ZERO, fill.collateral_allocation or _ZERO
        moved[trade.reserve_currency] = -fill.reserve - allocation
        sign = -1 if pair.kind.is_shorting() else 1
        moved[pair.quote] = -sign * (consumption + fill.reserve + allocation)
        moved[pair.base] = sign * fill.quantity
    done: list[tuple[AssetIdentifier, Decimal]] = []
    try:
        for token, delta in moved.items():
            before = wallet.get_balance(token)
            wallet.update_balance(token, delta, f"trade #{trade.trade_id}")
            done.append((token, before))
    except OutOfSimulatedBalance as error:
        for token, before in done:
            wallet.set_balance(token, before)
        raise ExecutionError(f"{trade} cannot be paid: {error}") from error
