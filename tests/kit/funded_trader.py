"""A trader with cash that came in as a recorded deposit, so that the ledger can prove every balance; failed trades."""

from decimal import Decimal
from typing import Any

from tests.kit.trader import T0, USDC, Trader
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution


def fund(cash: int = 10_000) -> Trader:
    """Return a trader of a new state, without fees and without price impact."""
    state = State(created_at=T0, name="test")
    book_reserve_flow(state, USDC, Decimal(cash), EventOrigin(T0, T0))
    return Trader(state, 0.0, 1.0)


def fail(trader: Trader, pair: Any, quantity: str, price: float, nonce: int = 77) -> TradeExecution:
    """Plan a trade that fails in a simulation, and freeze its position."""
    _, trade = trader.plan(pair, quantity, price)
    trader.state.start_execution(trader.ts, trade)
    transaction = BlockchainTransaction(chain_id=1, nonce=nonce, tx_hash=hex(nonce), status=False, revert_reason="TRF")
    trade.blockchain_transactions = [transaction]
    trader.broadcast(trade)
    trader.fail(trade)
    freeze_position_on_failed_trade(trader.ts, trader.state, [trade])
    return trade


def list_differences(state: State) -> set[tuple[str, int | None, Decimal | None]]:
    """Return the balances that are not the sum of their movements, and by how much."""
    return {(f.name, f.position_id, f.difference) for f in prove(state).findings if f.verdict is Verdict.mismatch}
