"""Vaults on Hypercore, and a trader of them."""

from decimal import Decimal
from typing import Any

from tests.kit.trader import T0, Trader, asset, new_state, pair
from tradeexecutor.state.booking.treasury import EventOrigin, book_vault_flow
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag

D = Decimal
HYPERCORE = 9999
H_USDC = asset("USDC", 6, 71, HYPERCORE)


def vault(number: int):
    return pair(
        asset("SHARE", 6, 700 + number, HYPERCORE), H_USDC, 0.0, 710 + number,
        kind=TradingPairKind.vault, other_data={"vault_name": f"Vault {number}"},
    )  # fmt: skip


V1, V2, V3 = (vault(number) for number in (1, 2, 3))


class HypercoreTrader(Trader):
    def plan(self, *arguments: Any, **more: Any) -> tuple[TradingPosition, TradeExecution]:
        return super().plan(*arguments, reserve_currency=H_USDC, **more)


def make_hypercore_trader() -> Trader:
    state = new_state(10_000)
    state.portfolio.reserves.clear()
    reserve = ReservePosition(H_USDC, D(10_000), T0, 1.0, T0)
    state.portfolio.reserves[reserve.get_identifier()] = reserve
    return HypercoreTrader(state, 0.0, 1.0)


def leave(trader: Trader, v: Any, rest: str) -> TradingPosition:
    """Buy 100 and sell all but a rest, without closing: programs of the past did not."""
    position, _ = trader.buy(v, "100", 1.0)
    book_vault_flow(trader.state, position, D(rest) - 100, EventOrigin(trader.ts, trader.ts))
    return position


def deposit(trader: Trader, v: Any = V1, amount: str = "50", **more: Any) -> TradingPosition:
    position, trade = trader.plan(v, amount, 1.0, **more)
    trader.send(trade)
    trader.succeed(trade)
    return position


def make_phantom(trader: Trader) -> tuple[TradingPosition, TradingPosition]:
    older = deposit(trader)
    newer = deposit(trader, flags={TradeFlag.ignore_open})
    return older, newer
