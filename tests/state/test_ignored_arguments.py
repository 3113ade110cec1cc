"""Arguments that never had an effect: who passes one is told so, and gets the figure that there is."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.lending_trader import supplied
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition

CASES: dict[str, Callable[[Portfolio, TradingPosition, bool], Any]] = {
    "include_trading_fees of get_all_loan_nav": lambda portfolio, _, flag: portfolio.get_all_loan_nav(
        include_trading_fees=flag
    ),
    "include_fees of get_loan_based_nav": lambda _, position, flag: position.get_loan_based_nav(include_fees=flag),
    "account_redemptions of get_unrealised_profit_usd": lambda _, position, flag: position.get_unrealised_profit_usd(
        account_redemptions=flag
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_argument_without_effect_warns_where_it_is_passed(name: str):
    lender, position = supplied("4000")
    ask, portfolio = CASES[name], lender.state.portfolio
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = ask(portfolio, position, True)
    with pytest.warns(UserWarning, match=f"^{name} has no effect: ") as caught:
        assert ask(portfolio, position, False) == expected
    assert [warning.filename for warning in caught] == [__file__]
