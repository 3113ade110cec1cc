"""A trade summary as rows of text, each with a label and a formatted figure."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from tradeexecutor.state.cycle_duration import TimeBucket

__all__ = [
    "MISSING",
    "SummaryRow",
    "format_dollars",
    "format_duration",
    "format_percent",
    "get_summary_rows",
]

#: Text for a missing figure.
MISSING = "-"

_GLOSSARY = "https://tradingstrategy.ai/glossary/"

_Format: TypeAlias = Callable[..., str]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One line of the summary.

    Attributes
    ----------
    label
        Label for people, and key of the row.
    text
        Formatted figure.
    help_link
        Page that explains the figure; None for most rows.
    """

    label: str
    text: str
    help_link: str | None = None


def format_percent(fraction: float | None) -> str:
    """Return a fraction in percent with two decimals; ``-`` for None and NaN.

    >>> format_percent(0.12345)
    '12.35%'
    """
    return MISSING if fraction is None or fraction != fraction else f"{fraction + 0.0:.2%}"


def format_dollars(amount: float | None) -> str:
    """Return USD with two decimals; ``-`` for None and NaN.

    >>> format_dollars(-1234.5)
    '$-1,234.50'
    """
    return MISSING if amount is None or amount != amount else f"${amount + 0.0:,.2f}"


def format_duration(duration: datetime.timedelta | None) -> str:
    """Return days and hours, or hours and minutes if the duration is less than a day; ``-`` for None.

    >>> format_duration(datetime.timedelta(days=2, hours=5, minutes=59))
    '2 days 5 hours'
    >>> format_duration(datetime.timedelta(minutes=61))
    '1 hours 1 minutes'
    """
    if duration is None:
        return MISSING
    hours, rest = divmod(duration.seconds, 3600)
    return f"{duration.days} days {hours} hours" if duration.days else f"{hours} hours {rest // 60} minutes"


def _format_percent_or_zero(fraction: float | None) -> str:
    """Return a fraction in percent, and ``0.00%`` for a missing figure like existing tables."""
    return format_percent(fraction or 0.0)


def _format_integer(number: float | None) -> str:
    return MISSING if number is None else f"{number:.0f}"


def _format_decimal(number: float | None) -> str:
    return MISSING if number is None else f"{number:.2f}"


def _format_time(when: datetime.datetime | None) -> str:
    return MISSING if when is None else f"{when:%Y-%m-%d %H:%M}"


#: Label, field of the summary, formatting function, page of the glossary.
_ROWS: tuple[tuple[str, str, _Format, str | None], ...] = (
    ("Trading period length", "duration", format_duration, None),
    ("Trading start", "start_at", _format_time, None),
    ("Trading end", "end_at", _format_time, None),
    ("Return %", "return_percent", format_percent, "aggregate-return"),
    ("Annualised return %", "annualised_return_percent", format_percent, None),
    ("Cash at start", "initial_cash", format_dollars, None),
    ("Value at end", "end_value", format_dollars, None),
    ("Time in market", "time_in_market", format_percent, None),
    ("Time in market volatile", "time_in_market_volatile", format_percent, None),
    ("Trade volume", "trade_volume", format_dollars, "volume"),
    ("Trade volume, no vault", "trade_volume_wo_vault", format_dollars, "volume"),
    ("Trade volume, taxed tokens", "trade_volume_taxed", format_dollars, "volume"),
    ("Token tax paid", "token_tax_paid", format_dollars, None),
    ("Position win percent", "win_percent", format_percent, "position"),
    ("Total positions", "total_positions", _format_integer, "position"),
    ("Won positions", "won", _format_integer, "position"),
    ("Lost positions", "lost", _format_integer, "position"),
    ("Stop losses triggered", "stop_losses", _format_integer, "stop-loss"),
    ("Stop loss % of all", "all_stop_loss_percent", format_percent, "stop-loss"),
    ("Winning stop losses", "winning_stop_losses", _format_integer, "stop-loss"),
    ("Winning stop losses percent", "winning_stop_losses_percent", format_percent, "stop-loss"),
    ("Losing stop losses", "losing_stop_losses", _format_integer, "stop-loss"),
    ("Losing stop losses percent", "losing_stop_losses_percent", format_percent, "stop-loss"),
    ("Take profits triggered", "take_profits", _format_integer, "take-profit"),
    ("Take profit % of all", "all_take_profit_percent", format_percent, "take-profit"),
    ("Take profit % of won", "won_take_profit_percent", format_percent, "take-profit"),
    ("Zero profit positions", "zero_loss", _format_integer, "position"),
    ("Positions open at the end", "undecided", _format_integer, "open-position"),
    ("Realised profit and loss", "realised_profit", format_dollars, "realised-profit-and-loss"),
    ("Unrealised profit and loss", "unrealised_profit", format_dollars, "unrealised-profit-and-loss"),
    ("Portfolio unrealised value", "open_value", format_dollars, "unrealised-profit-and-loss"),
    ("Extra returns on lending pool interest", "extra_return", format_dollars, "lending-pool"),
    ("Cash left at the end", "uninvested_cash", format_dollars, None),
    ("Average winning position profit %", "average_winning_trade_profit_pc", format_percent, None),
    ("Average losing position loss %", "average_losing_trade_loss_pc", format_percent, None),
    ("Biggest winning position %", "biggest_winning_trade_pc", format_percent, None),
    ("Biggest losing position %", "biggest_losing_trade_pc", format_percent, None),
    ("Average duration of winning positions", "average_duration_of_winning_trades", format_duration, None),
    ("Average duration of losing positions", "average_duration_of_losing_trades", format_duration, None),
)

_ROWS_AFTER_BARS: tuple[tuple[str, str, _Format, str | None], ...] = (
    ("Average duration between position openings", "average_duration_between_position_openings", format_duration, None),
    ("Average positions per day", "average_position_frequency", _format_decimal, None),
    ("Average interest paid", "average_interest_paid_usd", format_dollars, None),
    ("Median interest paid", "median_interest_paid_usd", format_dollars, None),
    ("Total interest paid", "total_interest_paid_usd", format_dollars, None),
    ("LP fees paid", "lp_fees_paid", format_dollars, "liquidity-provider"),
    ("LP fees paid % of volume", "lp_fees_average_pc", format_percent, "liquidity-provider"),
    ("LP fees paid, no vault", "lp_fees_paid_wo_vault", format_dollars, "liquidity-provider"),
    ("LP fees paid % of volume, no vault", "lp_fees_average_pc_wo_vault", format_percent, "liquidity-provider"),
    ("Average position", "average_trade", _format_percent_or_zero, "mean"),
    ("Median position", "median_trade", _format_percent_or_zero, "median"),
    ("Most consecutive wins", "max_pos_cons", _format_integer, None),
    ("Most consecutive losses", "max_neg_cons", _format_integer, None),
    ("Biggest realised risk", "max_realised_loss", _format_percent_or_zero, "realised-risk"),
    ("Avg realised risk", "avg_realised_risk", _format_percent_or_zero, "realised-risk"),
    ("Max pullback of total capital", "max_pullback", _format_percent_or_zero, "maximum-pullback"),
    ("Max loss risk at opening of position", "max_loss_risk", _format_percent_or_zero, None),
)

_BARS = (
    ("Average bars of winning positions", "average_duration_of_winning_trades"),
    ("Average bars of losing positions", "average_duration_of_losing_trades"),
)


class Summary(Protocol):
    """Attributes of a `TradeSummary` that are used, in addition to the fields named in the rows."""

    @property
    def time_bucket(self) -> TimeBucket | None: ...

    @property
    def daily_returns(self) -> Any: ...


def get_summary_rows(summary: Summary) -> Iterator[SummaryRow]:
    """Yield the rows of a summary in the order of display.

    Average bars are included if there is a time bucket, the maximum drawdown if there are daily returns.
    """
    yield from _format_rows(summary, _ROWS)
    bucket = summary.time_bucket
    if bucket is not None and bucket.is_known:
        for label, name in _BARS:
            duration = getattr(summary, name)
            text = MISSING if duration is None else f"{duration / bucket.to_timedelta():.0f} bars"
            yield SummaryRow(label, text)
    yield from _format_rows(summary, _ROWS_AFTER_BARS)
    if summary.daily_returns is not None:
        yield from _format_rows(summary, (("Max drawdown", "max_drawdown", format_percent, "maximum-drawdown"),))


def _format_rows(summary: Summary, rows: tuple[tuple[str, str, _Format, str | None], ...]) -> Iterator[SummaryRow]:
    for label, name, to_text, page in rows:
        yield SummaryRow(label, to_text(getattr(summary, name)), None if page is None else _GLOSSARY + page)
