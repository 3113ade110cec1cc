"""A state with detail that pruning takes out."""

from decimal import Decimal

from tests.kit import samples
from tests.kit.trader import DAY, T0, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.balance_update import BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.valuation import ValuationUpdate


def make_transaction(number: int) -> BlockchainTransaction:
    tx = samples.blockchain_transaction()
    tx.tx_hash, tx.nonce = f"0x{number:064x}", number
    tx.signed_bytes = "0x" + "ab" * 500
    tx.details = {"gas": 21_000, "data": "0x" + "cd" * 400, "nonce": number}
    return tx


def add_event(position: TradingPosition, number: int, quantity: str, cause: BalanceUpdateCause) -> None:
    event = samples.balance_update(
        balance_update_id=number,
        cause=cause,
        position_type=BalanceUpdatePositionType.open_position,
        asset=position.pair.base,
        quantity=Decimal(quantity),
        old_balance=Decimal(0),
        position_id=position.position_id,
    )
    position.add_balance_update_event(event)


def make_state() -> State:
    """Two closed positions with transactions, events and valuations, and an open one."""
    trader = Trader(new_state(100_000))
    for pair in (WETH_USDC, WBTC_USDC):
        position, _ = trader.buy(pair, "2", 2000.0)
        trader.sell(pair, "2", 2100.0)
    open_position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    for position in (*trader.state.portfolio.closed_positions.values(), open_position):
        for trade in position.trades.values():
            trade.blockchain_transactions = [
                make_transaction(2 * trade.trade_id),
                make_transaction(2 * trade.trade_id + 1),
            ]
        position.valuation_updates = [
            ValuationUpdate(position.position_id, T0 + number * DAY, T0 + number * DAY, 1.0, 2.0) for number in range(4)
        ]
    first, second = trader.state.portfolio.closed_positions.values()
    add_event(first, 1, "0", BalanceUpdateCause.vault_flow)
    add_event(first, 2, "0.0", BalanceUpdateCause.correction)
    add_event(second, 3, "0.5", BalanceUpdateCause.correction)
    trader.state.portfolio.next_balance_update_id = 4
    return State.read_json_blob(trader.state.to_json())
