"""Long and short positions side by side."""

from dataclasses import dataclass

import pandas as pd

from tradeexecutor.analysis.recorded.ratios import calculate_annualised_return
from tradeexecutor.state.display.trade_summary_rows import MISSING, format_percent, get_summary_rows
from tradeexecutor.state.trade_summary import TradeSummary
from tradeexecutor.state.types import Percent

__all__ = ["Sides", "SidesRow", "compare_sides", "get_sides_rows"]

#: Figures of the whole portfolio, which have no long or short value.
_WITHOUT_SIDES = (
    "Trading period length",
    "Cash at start",
    "Value at end",
    "Cash left at the end",
    "Max drawdown",
    "Max pullback of total capital",
)


@dataclass(frozen=True, slots=True)
class Sides:
    """Summaries of all positions, of the long and of the short ones."""

    all: TradeSummary
    long: TradeSummary
    short: TradeSummary


@dataclass(frozen=True, slots=True)
class SidesRow:
    """One figure of all, long and short positions, as texts."""

    label: str
    #: By column.
    texts: dict[str, str]
    help_link: str | None


def get_sides_rows(sides: Sides, all_return: Percent | None = None) -> list[SidesRow]:
    """Return three summaries as texts side by side.

    The return of a side is the return of the portfolio times the share of the side in the profit, realised and
    unrealised; its yearly return is that scaled linearly. Without any profit the sides have no return.

    Parameters
    ----------
    sides
        The summaries.
    all_return
        Return of the portfolio, a fraction, that is divided between the sides; None for that of the summary, in which
        a deposit counts as profit.
    """
    longs = _get_side_texts(sides, sides.long, all_return)
    shorts = _get_side_texts(sides, sides.short, all_return)
    return [
        SidesRow(
            row.label,
            {"All": row.text, "Long": longs[row.label], "Short": shorts[row.label]},
            row.help_link,
        )
        for row in get_summary_rows(sides.all)
    ]


def compare_sides(sides: Sides, *, urls: bool = False) -> pd.DataFrame:
    """Return `get_sides_rows` as a table, a row per label.

    Parameters
    ----------
    sides
        The summaries.
    urls
        Whether to add a column ``help_links``, with None for rows without a link.
    """
    rows = get_sides_rows(sides)
    table = pd.DataFrame([row.texts for row in rows], index=pd.Index([row.label for row in rows]))
    if urls:
        table["help_links"] = pd.Series([row.help_link for row in rows], index=table.index, dtype=object)
    return table


def _get_side_texts(sides: Sides, side: TradeSummary, all_return: Percent | None) -> dict[str, str]:
    texts = {row.label: row.text for row in get_summary_rows(side)}
    texts.update(dict.fromkeys((label for label in _WITHOUT_SIDES if label in texts), MISSING))
    own_return = _divide_return(sides.all.return_percent if all_return is None else all_return, sides.all, side)
    texts["Return %"] = format_percent(own_return)
    texts["Annualised return %"] = format_percent(calculate_annualised_return(own_return, sides.all.duration))
    return texts


def _divide_return(all_return: Percent | None, everything: TradeSummary, side: TradeSummary) -> Percent | None:
    total = _get_profit(everything)
    return all_return * (_get_profit(side) / total) if all_return is not None and total else None


def _get_profit(summary: TradeSummary) -> float:
    return summary.realised_profit + (summary.unrealised_profit or 0.0)
