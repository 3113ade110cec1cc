"""Write docs/formulas.md: `make docs-formulas`.

Every figure of `PerformanceSummary`, `RiskFigures` and `TradeSummary` has a row; a figure without one stops the
program. The formulas are expressions, which a test evaluates on the samples of example strategies and compares with the
figures.
"""

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeexecutor.analysis.adjusted.benchmark import read_holdings, sample_benchmark
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.positions import measure_positions
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, RiskFigures
from tradeexecutor.analysis.recorded.equity_series import (
    calculate_daily_returns,
    calculate_equity_curve,
    calculate_returns,
)
from tradeexecutor.report.glossary import GLOSSARY
from tradeexecutor.state.state import State
from tradeexecutor.state.trade_summary import TradeSummary

PAGE = Path(__file__).resolve().parent / "formulas.md"

#: Fields that are no figures.
_NO_FIGURES = {"name", "risk", "is_daily", "kinds"}


@dataclass(frozen=True)
class Figure:
    """An adjusted figure.

    Attributes
    ----------
    formula
        Expression of the symbols of the page; empty for a count or a sum that the explanation defines.
    source
        Where the definition is from.
    recorded
        The recorded figure of the same idea, and what is different in it.
    """

    formula: str = ""
    source: str = ""
    recorded: str = ""


#: Symbols of the formulas, and their meaning.
SYMBOLS = {
    "r": "returns of the periods: days (UTC), or samples of a history of fewer than ten days; deposits are taken out",
    "n, years": "number of periods, and their length together in years of 365 days",
    "entry": "return at the first sample: in a backtest the costs of the first trades",
    "wealth": "growth of 1 USD: `1`, `1 + entry`, and so on with every return",
    "high, low": "highest and lowest wealth so far",
    "b": "returns of buy and hold in the same periods",
    "held": "value of buy and hold, at its purchase and later",
    "profits": "net profit of every closed position with executed trades, USD, lending left out",
    "d": "recorded: change of the total equity from day to day, from the first sample on; a deposit is a gain",
    "s": "recorded: change of the total equity from sample to sample; a deposit is a gain",
    "deviation(x)": "sample deviation, which divides by `n - 1`",
    "moment(k)": "`mean((r - mean(r)) ** k)`",
}

FIGURES: dict[str, Figure] = {
    "start_at": Figure(recorded="`start_at`: start of the backtest, or creation of the state"),
    "end_at": Figure(recorded="`end_at`: end of the backtest, or the last save"),
    "initial_equity": Figure(recorded="`initial_cash`: 0 for vaults, which start empty"),
    "final_equity": Figure(recorded="`end_value`: money in flight is not in it"),
    "net_deposits": Figure(recorded="none"),
    "total_return": Figure(
        "wealth[-1] - 1",
        "CFA Institute, *Global Investment Performance Standards*, 2020, 2.A (time-weighted)",
        "`return_percent`: a deposit is a gain",
    ),
    "cagr": Figure(
        "wealth[-1] ** (1 / years) - 1",
        "",
        "`annualised_return_percent` is scaled linearly; the key metric `cagr` compounds over whole days",
    ),
    "money_weighted_return": Figure(
        source="CFA Institute, *Global Investment Performance Standards*, 2020, 2.A (internal rate of return)",
        recorded="none",
    ),
    "buy_and_hold": Figure("held[-1] / held[0] - 1", "", "none"),
    "alpha": Figure(
        "(1 + mean(r - beta * b)) ** (n / years) - 1", "M. C. Jensen, 1968, with a risk-free rate of 0", "none"
    ),
    "beta": Figure("mean((r - mean(r)) * (b - mean(b))) / mean((b - mean(b)) ** 2)", "W. F. Sharpe, 1964", "none"),
    "max_drawdown": Figure(
        "min(wealth / high - 1)",
        "Magdon-Ismail and Atiya, *Maximum drawdown*, 2004",
        "`max_drawdown`: of `s`; a loss in the first period is none, a redemption is one; > 0 as a key metric",
    ),
    "max_runup": Figure("max(wealth / low - 1)", "", "`max_runup`: of `s`; a deposit is a rise"),
    "sharpe": Figure(
        "mean(r) / deviation(r) * sqrt(n / years)",
        "W. F. Sharpe, *The Sharpe Ratio*, 1994",
        "`sharpe_ratio`: `mean(d) / deviation(d) * sqrt(365)`",
    ),
    "sortino": Figure(
        "mean(r) / sqrt(mean(minimum(r, 0) ** 2)) * sqrt(n / years)",
        "Sortino and Price, *Performance Measurement in a Downside Risk Framework*, 1994",
        "`sortino_ratio`: `mean(d) / sqrt(mean(minimum(d, 0) ** 2)) * sqrt(365)`",
    ),
    "exposure": Figure(recorded="`time_in_market`: overlapping positions can count twice"),
    "positions_open": Figure(recorded="`undecided`: open and frozen ones"),
    "positions_frozen": Figure(recorded="in `undecided`"),
    "positions_closed": Figure(recorded="`total_positions`: lending is part of it"),
    "positions_scored": Figure("len(profits)", "", "none"),
    "won": Figure("sum(profits > 0)", "", "`won`: by price times quantity, without cash that no price explains"),
    "lost": Figure("sum(profits < 0)", "", "`lost`: likewise"),
    "win_rate": Figure(
        "sum(profits > 0) / len(profits)", "", "`win_percent`: of all closed positions, lending included"
    ),
    "profit_factor": Figure(
        "sum(profits[profits > 0]) / -sum(profits[profits < 0])",
        "",
        "`profit_factor`: of returns, not of positions, `sum(s[s > 0]) / -sum(s[s < 0])`",
    ),
    "expectancy": Figure("mean(profits)", "", "`average_net_profit`: of all closed positions, lending included"),
    "system_quality_number": Figure(
        "sqrt(minimum(len(profits), 100)) * mean(profits) / deviation(profits)",
        "V. Tharp, *Definitive Guide to Position Sizing*, 2008",
        "none",
    ),
    "best_position": Figure(recorded="`biggest_winning_trade_pc`: by realised profit"),
    "worst_position": Figure(recorded="`biggest_losing_trade_pc`: by realised profit"),
    "stop_losses": Figure(recorded="`stop_losses`"),
    "take_profits": Figure(recorded="`take_profits`"),
    "trades": Figure(recorded="`total_trades`: planned trades that were never sent are part of it"),
    "failed_trades": Figure(recorded="none"),
    "expired_trades": Figure(recorded="none"),
    "volume": Figure(recorded="`trade_volume`: of all trades, whatever their outcome"),
    "fees": Figure(recorded="`lp_fees_paid`"),
    "volatility": Figure("deviation(r) * sqrt(n / years)", "", "none"),
    "calmar": Figure("cagr / -max_drawdown", "T. W. Young, *Calmar Ratio*, Futures, 1991", "none"),
    "omega": Figure("sum(r[r > 0]) / -sum(r[r < 0])", "Keating and Shadwick, 2002, threshold 0", "none"),
    "ulcer_index": Figure("sqrt(mean((wealth / high - 1)[1:] ** 2))", "P. Martin, *Ulcer Index*, 1987", "none"),
    "longest_drawdown": Figure(recorded="none"),
    "value_at_risk": Figure("quantile(r, 0.05)", "historical value at risk", "none"),
    "conditional_value_at_risk": Figure("mean(r[r <= quantile(r, 0.05)])", "expected shortfall", "none"),
    "skew": Figure(
        "sqrt(n * (n - 1)) / (n - 2) * moment(3) / moment(2) ** 1.5", "adjusted Fisher-Pearson coefficient", "none"
    ),
    "kurtosis": Figure(
        "(n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (moment(4) / moment(2) ** 2 - 3) + 6)",
        "excess, corrected for small samples",
        "none",
    ),
    "best_period": Figure("max(r)", "", "none"),
    "worst_period": Figure("min(r)", "", "none"),
}

#: Formulas of recorded figures, which the test evaluates, too.
RECORDED: dict[str, str] = {
    "sharpe_ratio": "mean(d) / deviation(d) * sqrt(365)",
    "sortino_ratio": "mean(d) / sqrt(mean(minimum(d, 0) ** 2)) * sqrt(365)",
    "profit_factor": "sum(s[s > 0]) / -sum(s[s < 0])",
    "max_drawdown": "min(cumprod(1 + s) / maximum.accumulate(cumprod(1 + s)) - 1)",
    "max_runup": "max(cumprod(1 + s) / minimum.accumulate(cumprod(1 + s)) - 1)",
    "end_value": "open_value + uninvested_cash",
    "return_percent": "(open_value + uninvested_cash - initial_cash) / initial_cash",
    "win_percent": "won / total_positions",
    "average_net_profit": "realised_profit / total_positions",
    "all_stop_loss_percent": "stop_losses / total_positions",
    "lost_percent": "lost / total_positions",
    "lp_fees_average_pc": "lp_fees_paid / trade_volume",
}  # fmt: skip


def list_figures() -> list[str]:
    """Return the names of the adjusted figures, in the order of the classes."""
    fields = [*dataclasses.fields(PerformanceSummary), *dataclasses.fields(RiskFigures)]
    return [field.name for field in fields if field.name not in _NO_FIGURES]


def list_recorded() -> list[str]:
    """Return the names of the recorded figures."""
    return [field.name for field in dataclasses.fields(TradeSummary)]


def get_symbols(state: State) -> dict[str, Any]:
    """Return what the formulas are made of, for one state."""
    seen = read_observations(state)
    r = seen.returns
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + seen.path)))
    holding = next(iter(read_holdings(state)), None)
    daily = np.nan_to_num(calculate_daily_returns(state).to_numpy(), nan=0.0, posinf=0.0, neginf=0.0)
    symbols: dict[str, Any] = {
        "r": r,
        "n": len(r),
        "years": seen.years,
        "wealth": wealth,
        "high": np.maximum.accumulate(wealth),
        "low": np.minimum.accumulate(wealth),
        "profits": measure_positions(state.portfolio.get_all_positions()).profits,
        "d": daily,
        "s": calculate_returns(calculate_equity_curve(state)).to_numpy(),
        "deviation": lambda values: np.std(values, ddof=1),
        "moment": lambda power: np.mean((r - np.mean(r)) ** power),
    }
    if holding is not None:
        symbols["held"] = holding.growth.to_numpy()
        symbols["b"] = sample_benchmark(holding.growth, seen)
    names = "mean sqrt minimum maximum quantile min max sum cumprod".split()
    return symbols | {name: getattr(np, name) for name in names} | {"len": len}


# --- The page


def read_comments(kind: type) -> dict[str, str]:
    """Return the comments with ``#:`` above the fields of a class, by field."""
    lines = inspect.getsource(kind).splitlines()
    (definition,) = ast.parse("\n".join(lines)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            words: list[str] = []
            number = node.lineno - 2
            while (line := lines[number].strip()).startswith("#:"):
                words.insert(0, line.removeprefix("#:").strip())
                number -= 1
            found[node.target.id] = " ".join(words)
    return found


_HEAD = """\
# Formulas

What every figure is, exactly. [Figures](figures.md) says in words what they are measured on, and why there are two
families: *adjusted* ones, which our screens show, and *recorded* ones, which keep the definitions of existing files.

The formulas are expressions of numpy. A test evaluates them on the samples of example strategies, and compares the
results with what the program shows. Percentages are fractions: 0.05 is 5 %.

## Symbols

| Symbol | Meaning |
| --- | --- |
"""

_ADJUSTED = """
## Adjusted figures

`summarise_performance(state)` returns them; `show-statistics`, `report` and `backtest` show them.

| Figure | Formula or meaning | Source | Recorded figure, and what is different |
| --- | --- | --- | --- |
"""

_RECORDED = """
## Recorded figures

`TradeSummary` of a state, under the names that dashboards read. Profits of positions are their realised profits.

| Figure | Formula or meaning |
| --- | --- |
"""


def _write_adjusted(name: str) -> str:
    figure = FIGURES[name]
    title, explanation = GLOSSARY.get(name) or (name.replace("_", " ").capitalize(), "Number of them.")
    cell = f"`{figure.formula}`" if figure.formula else explanation
    return f"| {title}<br>`{name}` | {cell} | {figure.source} | {figure.recorded} |"


def _write_recorded(name: str, comment: str) -> str:
    formula = f"`{RECORDED[name]}`<br>" if name in RECORDED else ""
    return f"| `{name}` | {formula}{comment} |"


def _write_lines() -> Iterator[str]:
    yield _HEAD + "\n".join(f"| `{name}` | {meaning} |" for name, meaning in SYMBOLS.items()) + "\n"
    yield _ADJUSTED + "\n".join(_write_adjusted(name) for name in list_figures()) + "\n"
    comments = read_comments(TradeSummary)
    yield _RECORDED + "\n".join(_write_recorded(name, comments[name]) for name in list_recorded()) + "\n"


def render() -> str:
    """Return the page; raises ``KeyError`` for a figure without a row."""
    return "".join(_write_lines())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
