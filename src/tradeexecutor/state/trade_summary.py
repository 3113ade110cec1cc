"""Summary of all positions of a strategy at one time.

`tradeexecutor.analysis.trade_analyser` computes and prints the summary. The ratios of the counts are computed here,
also when a file is read, so the ratios in the file are ignored.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.deferred_series import MAX_FIGURE
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.display.trade_summary_rows import get_summary_rows
from tradeexecutor.state.errors import InvalidValue, UnencodableValue
from tradeexecutor.state.types import JS_MAX_INT, Duration, Percent, USDollarAmount, UTCDatetime, WireType

if TYPE_CHECKING:
    import pandas as pd

    #: A list of floats, or a ``pandas.Series``; only the values of a series are written.
    ReturnSeries: TypeAlias = Any
else:

    class ReturnSeries(WireType):
        """Sequence of floats; in JSON an array in which NaN is ``null``."""

        json_schema: ClassVar[dict[str, Any]] = {"type": "array", "items": {"type": ["number", "null"]}}

        @staticmethod
        def decode(value):
            """Return the list."""
            if type(value) is not list or not all(item is None or type(item) in (int, float) for item in value):
                raise ValueError("expected an array of numbers")
            return value

        @staticmethod
        def encode(value):
            """Return the values as a list."""
            if isinstance(value, (str, bytes, dict, set)):
                raise UnencodableValue(value, "expected a sequence of numbers")
            try:
                floats = [None if item is None else float(item) for item in value]
            except (TypeError, ValueError):
                raise UnencodableValue(value, "expected a sequence of numbers") from None
            if any(item is not None and math.isinf(item) for item in floats):
                raise UnencodableValue(value, "contains infinity, JSON has no such value")
            return [None if item is None or math.isnan(item) else item for item in floats]


_YEAR_SECONDS = 365 * 24 * 60 * 60


def _ratio(a: float | None, b: float | None) -> float | None:
    """Return a / b; None when b is zero or either is unknown."""
    return a / b if a is not None and b else None


#: Summaries of fewer positions over more seconds have no very large figures.
_MANY, _SHORT = 10_000_000, 0.1


def _complete(summary: Any, seconds: float | None) -> None:
    """Set the computed figures of a summary whose duration is given in seconds."""
    # It runs for every sample of a file, so that a ratio which has no value in most of them takes no call.
    won, lost, stop_losses, take_profits = summary.won, summary.lost, summary.stop_losses, summary.take_profits
    total = summary.total_positions = won + lost + summary.zero_loss + summary.delta_neutral
    if total:
        summary.win_percent, summary.lost_percent = won / total, lost / total
        summary.delta_neutral_percent = summary.delta_neutral / total
    else:
        summary.win_percent = summary.lost_percent = summary.delta_neutral_percent = None
    summary.all_stop_loss_percent = _ratio(stop_losses, total)
    summary.lost_stop_loss_percent = _ratio(stop_losses, lost)
    summary.all_take_profit_percent = _ratio(take_profits, total)
    summary.won_take_profit_percent = _ratio(take_profits, won)
    summary.average_net_profit = _ratio(summary.realised_profit, total)
    if stop_losses:
        summary.winning_stop_losses_percent = _ratio(summary.winning_stop_losses, stop_losses)
        summary.losing_stop_losses_percent = _ratio(summary.losing_stop_losses, stop_losses)
    else:
        summary.winning_stop_losses_percent = summary.losing_stop_losses_percent = None
    if take_profits:
        summary.winning_take_profits_percent = _ratio(summary.winning_take_profits, take_profits)
        summary.losing_take_profits_percent = _ratio(summary.losing_take_profits, take_profits)
    else:
        summary.winning_take_profits_percent = summary.losing_take_profits_percent = None
    summary.end_value, summary.return_percent, summary.annualised_return_percent = _get_returns(summary, seconds)
    summary.average_position_frequency = total / (seconds / 86_400) if seconds else 0.0


def _get_returns(summary: Any, seconds: float | None) -> tuple[USDollarAmount, Percent | None, Percent | None]:
    """Return the value at the end, and the return as it is and annualised."""
    end_value = summary.open_value + summary.uninvested_cash
    initial_cash = summary.initial_cash or 0
    total_return = _ratio(end_value - initial_cash, initial_cash)
    if seconds is None:
        annualised = 0.0
    elif total_return:
        annualised = _ratio(total_return * _YEAR_SECONDS, seconds)
    else:
        annualised = None
    return end_value, total_return, annualised


#: Fields of `TradeSummary.get_trading_core_metrics`.
_CORE_METRICS = (
    *("return_percent", "annualised_return_percent", "end_value", "realised_profit", "unrealised_profit"),
    *("sharpe_ratio", "sortino_ratio", "profit_factor", "max_drawdown", "time_in_market"),
    *("total_positions", "win_percent", "average_winning_trade_profit_pc", "average_losing_trade_loss_pc"),
    *("total_trades", "trade_volume", "lp_fees_paid", "total_interest_paid_usd"),
)


@dataclass(slots=True)
class TradeSummary(Serialisable):
    """Counts, returns and fees of all positions.

    Figures named "percent" or "pc" are fractions. Fields marked *computed* are not constructor arguments.
    """

    #: Number of closed positions with profit.
    won: int
    #: Number of closed positions with loss.
    lost: int
    #: Number of closed positions with neither profit nor loss.
    zero_loss: int
    #: Number of positions closed by a stop loss.
    stop_losses: int
    #: Number of positions that are still open.
    undecided: int
    #: Profit of the closed positions, USD.
    realised_profit: USDollarAmount
    #: Value of the open positions, USD.
    open_value: USDollarAmount
    #: Cash in the reserves, USD.
    uninvested_cash: USDollarAmount
    #: Initial cash, USD; 0 for vaults, which start empty.
    initial_cash: USDollarAmount | None
    #: Always 0.
    extra_return: USDollarAmount
    #: Trading period; None when nothing was traded.
    duration: Duration | None
    #: Mean return of the winning positions, a fraction.
    average_winning_trade_profit_pc: Percent | None
    #: Mean return of the losing positions, a negative fraction.
    average_losing_trade_loss_pc: Percent | None
    #: Largest return of a winning position, a fraction; None without one.
    biggest_winning_trade_pc: Percent | None
    #: Smallest return of a losing position, a negative fraction; None without one.
    biggest_losing_trade_pc: Percent | None
    #: Mean time from opening to closing of the winning positions.
    average_duration_of_winning_trades: Duration | None
    #: Mean time from opening to closing of the losing positions.
    average_duration_of_losing_trades: Duration | None
    #: Candle length of the strategy.
    time_bucket: TimeBucket | None = None
    #: Computed: number of closed positions.
    total_positions: int = field(init=False, default=0)
    #: Computed: fraction of the closed positions that won; None without closed positions.
    win_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of the closed positions that lost; None without closed positions.
    lost_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of the closed positions that are delta neutral; None without closed positions.
    delta_neutral_percent: Percent | None = field(init=False, default=None)
    #: Computed: return relative to `initial_cash`, without regard to deposits; None when `initial_cash` is 0.
    return_percent: Percent | None = field(init=False, default=None)
    #: Computed: `return_percent` scaled linearly to a year.
    annualised_return_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of the closed positions that were closed by a stop loss.
    all_stop_loss_percent: Percent | None = field(init=False, default=None)
    #: Computed: stop losses divided by losing positions; may exceed 1.
    lost_stop_loss_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of the closed positions that were closed by a take profit.
    all_take_profit_percent: Percent | None = field(init=False, default=None)
    #: Computed: take profits divided by winning positions; may exceed 1.
    won_take_profit_percent: Percent | None = field(init=False, default=None)
    #: Computed: realised profit divided by closed positions, USD.
    average_net_profit: USDollarAmount | None = field(init=False, default=None)
    #: Computed: `open_value` + `uninvested_cash`, USD.
    end_value: USDollarAmount = field(init=False, default=0.0)
    #: Number of trades.
    total_trades: int | None = None
    #: Mean return of the closed positions, a fraction.
    average_trade: Percent | None = None
    #: Median return of the closed positions, a fraction.
    median_trade: Percent | None = None
    #: Longest run of winning positions, number of positions.
    max_pos_cons: int | None = None
    #: Longest run of losing positions, number of positions.
    max_neg_cons: int | None = None
    #: Longest run of delta neutral positions, number of positions.
    max_delta_neutral_cons: int | None = None
    #: Largest sum of losses in a row, a negative fraction of the portfolio.
    max_pullback: Percent | None = None
    #: Largest capital at risk at the opening of a position, a fraction of the portfolio: down to the stop loss, or all
    #: of it without one.
    max_loss_risk: Percent | None = None
    #: Largest realised loss of a position, a negative fraction of the portfolio at its opening.
    max_realised_loss: Percent | None = None
    #: Mean realised loss of the losing positions, a negative fraction of the portfolio.
    avg_realised_risk: Percent | None = None
    #: Mean return of the delta neutral positions, a fraction.
    average_delta_neutral_profit_pc: Percent | None = None
    #: Largest return of a delta neutral position, a fraction.
    biggest_delta_neutral_pc: Percent | None = None
    #: Number of closed delta neutral positions, such as credit.
    delta_neutral: int = 0
    #: Number of positions closed by a take profit.
    take_profits: int = 0
    #: Value of all trades, USD.
    trade_volume: USDollarAmount = 0.0
    #: Value of all trades that are not with vaults, USD.
    trade_volume_wo_vault: USDollarAmount = 0.0
    #: Volume in tokens with a transfer tax, USD.
    trade_volume_taxed: USDollarAmount = 0.0
    #: Transfer taxes of tokens, USD.
    token_tax_paid: USDollarAmount = 0.0
    #: Trading fees, USD.
    lp_fees_paid: USDollarAmount | None = 0.0
    #: Trading fees of the trades that are not with vaults, USD.
    lp_fees_paid_wo_vault: USDollarAmount | None = 0.0
    #: Trading fees as a fraction of the volume.
    lp_fees_average_pc: Percent | None = 0.0
    #: The same for the trades that are not with vaults.
    lp_fees_average_pc_wo_vault: Percent | None = 0.0
    #: Return of each day, fractions. A ``pandas.Series`` when computed, a list after loading.
    daily_returns: ReturnSeries | None = field(default=None, compare=False, repr=False)
    #: Return since the beginning after each closed position, fractions; of the same type as `daily_returns`.
    compounding_returns: ReturnSeries | None = field(default=None, compare=False, repr=False)
    #: Number of positions closed by a stop loss with profit.
    winning_stop_losses: int | None = 0
    #: Number of positions closed by a stop loss with loss.
    losing_stop_losses: int | None = 0
    #: Number of positions closed by a take profit with profit.
    winning_take_profits: int | None = 0
    #: Number of positions closed by a take profit with loss.
    losing_take_profits: int | None = 0
    #: Computed: fraction of `stop_losses` with profit.
    winning_stop_losses_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of `stop_losses` with loss.
    losing_stop_losses_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of `take_profits` with profit.
    winning_take_profits_percent: Percent | None = field(init=False, default=None)
    #: Computed: fraction of `take_profits` with loss.
    losing_take_profits_percent: Percent | None = field(init=False, default=None)
    #: Median return of the winning positions, a fraction.
    median_win: Percent | None = None
    #: Median return of the losing positions, a negative fraction.
    median_loss: Percent | None = None
    #: Median return of the delta neutral positions, a fraction.
    median_delta_neutral: Percent | None = None
    #: Yearly Sharpe ratio of the daily returns, without a risk-free rate; None if it cannot be computed.
    sharpe_ratio: float | None = None
    #: Yearly Sortino ratio of the daily returns; None if it cannot be computed.
    sortino_ratio: float | None = None
    #: Sum of the positive returns between samples of the equity, divided by that of the negative ones.
    profit_factor: float | None = None
    #: Largest fall of the equity from a peak, a negative fraction.
    max_drawdown: Percent | None = None
    #: Largest rise of the equity from a low, a fraction.
    max_runup: Percent | None = None
    #: Mean time from opening to closing of the delta neutral positions.
    average_duration_of_delta_neutral_positions: Duration | None = None
    #: Mean time from opening to closing of the positions with neither profit nor loss.
    average_duration_of_zero_loss_trades: Duration | None = None
    #: Mean time from opening to closing of all closed positions.
    average_duration_of_all_trades: Duration | None = None
    #: Profit of the open positions so far, USD.
    unrealised_profit: USDollarAmount | None = None
    #: Mean interest that a position paid for its debt, USD.
    average_interest_paid_usd: USDollarAmount | None = None
    #: Interest that all positions paid for their debts, USD.
    total_interest_paid_usd: USDollarAmount | None = None
    #: Median interest that a position paid for its debt, USD.
    median_interest_paid_usd: USDollarAmount | None = None
    #: Largest interest that a position paid for its debt, USD.
    max_interest_paid_usd: USDollarAmount | None = None
    #: Smallest interest that a position paid for its debt, USD.
    min_interest_paid_usd: USDollarAmount | None = None
    #: Interest that all positions received for their collateral, USD.
    total_claimed_interest: USDollarAmount | None = None
    #: Mean time between the openings of two positions that follow each other.
    average_duration_between_position_openings: Duration | None = None
    #: Computed: closed positions per day. It is a constructor argument for compatibility, but always replaced.
    average_position_frequency: float | None = None
    #: Never computed.
    average_duration_between_positions: int | None = 0
    #: Never computed; a misspelling that existing code uses.
    average_duration_between_postions: int | None = 0
    #: Fraction of the period with an open position.
    time_in_market: Percent | None = None
    #: Fraction of the period with an open position that is not credit.
    time_in_market_volatile: Percent | None = None
    #: Start of the period; None when nothing was traded.
    start_at: UTCDatetime | None = None
    #: End of the period; None when nothing was traded.
    end_at: UTCDatetime | None = None

    def __post_init__(self) -> None:
        _complete(self, None if self.duration is None else self.duration.total_seconds())
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a figure that is computed from the others is not finite, or too large."""
        total = self.won + self.lost + self.zero_loss + self.delta_neutral
        if not -JS_MAX_INT <= total <= JS_MAX_INT:
            raise InvalidValue(f"{total} positions are more than a file keeps exactly")
        for figure in _get_returns(self, None if self.duration is None else self.duration.total_seconds()):
            if figure is not None and not math.isfinite(figure):
                raise InvalidValue(
                    f"the return from {self.initial_cash} to {self.open_value} and {self.uninvested_cash} is not finite"
                )

    @staticmethod
    def keeps_rules(plain: Any) -> bool:
        """Return whether it is certain that plain data becomes a summary, and that its figures are not very large.

        Parameters
        ----------
        plain
            Object with the JSON data of the fields; durations are seconds.
        """
        total = plain.won + plain.lost + plain.zero_loss + plain.delta_neutral
        initial_cash, seconds = abs(plain.initial_cash or 0.0), abs(plain.duration or 0.0)
        if not -_MANY < total < _MANY or 0.0 < seconds < _SHORT:
            return False
        most = abs(plain.open_value) + abs(plain.uninvested_cash) + initial_cash
        least_duration = min(seconds or _YEAR_SECONDS, _YEAR_SECONDS)
        return most * _YEAR_SECONDS < MAX_FIGURE * (initial_cash * least_duration if initial_cash else _YEAR_SECONDS)

    @staticmethod
    def complete_plain(plain: Any) -> None:
        """Set the computed figures of plain data; attributes are JSON data."""
        _complete(plain, plain.duration)

    def get_trading_core_metrics(self) -> dict[str, float | int | None]:
        """Return the figures by which runs are compared, by field name; fractions, USD, and numbers."""
        return {name: getattr(self, name) for name in _CORE_METRICS}

    @contract_signature
    def to_dataframe(self, format_headings: bool = True) -> "pd.DataFrame":
        """Return the summary as texts in one column, with a row for each label.

        Parameters
        ----------
        format_headings
            Whether labels with a page of explanation become HTML links to it. The table then has to be shown with
            ``to_html(escape=False)``.
        """
        import pandas as pd

        rows = list(get_summary_rows(self))
        labels = [
            f'<a href="{row.help_link}">{row.label}</a>' if format_headings and row.help_link else row.label
            for row in rows
        ]
        return pd.DataFrame({0: [row.text for row in rows]}, index=pd.Index(labels))
