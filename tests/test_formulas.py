"""The page of the formulas has every figure, and its formulas give what the program shows."""

import dataclasses
import runpy
from typing import Any

import pytest

from tests.kit.example_runs import run_example
from tests.support import REPOSITORY
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.state.state import State

FORMULAS: dict[str, Any] = runpy.run_path(str(REPOSITORY / "docs" / "formulas.py"))


@pytest.fixture(scope="module", params=["trend_following", "short_downtrend", "idle_cash_in_credit"])
def state(request: pytest.FixtureRequest) -> State:
    return run_example(request.param).state


def test_every_figure_is_on_the_page():
    page = (REPOSITORY / "docs" / "formulas.md").read_text(encoding="utf-8")
    assert page == FORMULAS["render"](), "run `make docs-formulas`"
    assert set(FORMULAS["FIGURES"]) == set(FORMULAS["list_figures"]())
    assert set(FORMULAS["RECORDED"]) <= set(FORMULAS["list_recorded"]())
    assert all(comment for comment in FORMULAS["read_comments"](type(build_summary(State()))).values())


def build_summary(state: State) -> Any:
    return build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)


def test_the_formulas_of_adjusted_figures(state: State):
    summary = summarise_performance(state)
    shown = dataclasses.asdict(summary.risk) | dataclasses.asdict(summary)
    symbols = FORMULAS["get_symbols"](state) | shown
    checked = 0
    for name, figure in FORMULAS["FIGURES"].items():
        if figure.formula:
            assert eval(figure.formula, symbols) == pytest.approx(shown[name], rel=1e-9), name
            checked += 1
    assert checked >= 20


def test_the_formulas_of_recorded_figures(state: State):
    summary = build_summary(state)
    shown = {field.name: getattr(summary, field.name) for field in dataclasses.fields(summary)}
    symbols = FORMULAS["get_symbols"](state) | shown
    for name, formula in FORMULAS["RECORDED"].items():
        assert eval(formula, symbols) == pytest.approx(shown[name], rel=1e-9), name
