"""Failed trades are sent again: by a simulation with a wallet, and at the price of today."""

from decimal import Decimal

import pytest

from tests.kit.funded_trader import fail, fund
from tests.kit.trader import DAY, LINK, LINK_USDC, T0, USDC, WETH_USDC
from tradeexecutor.backtest.backtest_execution import BacktestExecution, BacktestExecutionFailed
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.execution.current_price import CurrentPriceSlippage
from tradeexecutor.execution.slippage import MarketTooThin
from tradeexecutor.state.retry import retry_trades

NOW = T0 + DAY


def make_wallet(cash: int) -> SimulatedWallet:
    wallet = SimulatedWallet()
    wallet.set_balance(USDC, Decimal(cash))
    return wallet


def test_the_tokens_of_the_wallet_move_with_the_second_attempt():
    trader = fund()
    trade = fail(trader, LINK_USDC, "10", 10.0)
    wallet = make_wallet(10_000)
    wallet.nonce = 78
    retry_trades(state=trader.state, execution_model=BacktestExecution(wallet), now=NOW)
    assert (wallet.get_balance(LINK), wallet.get_balance(USDC)) == (10, 9900)
    assert [tx.nonce for tx in trade.blockchain_transactions] == [78]


def test_a_wallet_that_does_not_have_what_the_state_says_is_a_contradiction():
    trader = fund()
    fail(trader, LINK_USDC, "10", 10.0)
    with pytest.raises(BacktestExecutionFailed):
        retry_trades(state=trader.state, execution_model=BacktestExecution(make_wallet(5)), now=NOW)


@pytest.mark.parametrize(
    ("quantity", "price", "extra", "slippage"),
    [
        ("10", 10.0, 0.0, 0.0),
        ("10", 12.5, 0.0, 0.2),
        ("10", 8.0, 0.0, -0.25),
        ("-5", 8.0, 0.0, 0.2),
        ("-5", 8.0, 0.5, 0.6),
    ],
)
def test_slippage_against_the_plan_is_what_the_price_has_moved(
    quantity: str, price: float, extra: float, slippage: float
):
    trader = fund()
    trader.buy(WETH_USDC, "1", 10.0)
    trader.buy(LINK_USDC, "5", 10.0)
    _, trade = trader.plan(LINK_USDC, quantity, 10.0)
    model = CurrentPriceSlippage(lambda ts, pair, is_buy: price, extra)
    assert model.get_slippage(NOW, trade) == pytest.approx(slippage)
    with pytest.raises(MarketTooThin, match="LINK-USDC has no price"):
        CurrentPriceSlippage(lambda ts, pair, is_buy: None).get_slippage(NOW, trade)
