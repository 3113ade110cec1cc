"""Summary of all positions of a strategy at one time.

`tradeexecutor.analysis.trade_analyser` computes and prints the summary. The ratios of the counts are computed here,
also when a file is read, so the ratios in the file are ignored.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tradeexecutor.state.codec.codec import Serialisable
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

    #: Closed positions with profit, with loss, and with neither.
    won: int
    lost: int
    zero_loss: int
    #: Positions closed by a stop loss.
    stop_losses: int
    #: Positions that are still open.
    undecided: int
    realised_profit: USDollarAmount
    #: Value of the open positions, USD.
    open_value: USDollarAmount
    uninvested_cash: USDollarAmount
    #: Initial cash, USD; 0 for vaults, which start empty.
    initial_cash: USDollarAmount | None
    #: Always 0.
    extra_return: USDollarAmount
    #: Trading period; None when nothing was traded.
    duration: Duration | None
    average_winning_trade_profit_pc: Percent | None
    average_losing_trade_loss_pc: Percent | None
    biggest_winning_trade_pc: Percent | None
    biggest_losing_trade_pc: Percent | None
    average_duration_of_winning_trades: Duration | None
    average_duration_of_losing_trades: Duration | None
    #: Candle length of the strategy.
    time_bucket: TimeBucket | None = None
    #: Computed: number of closed positions.
    total_positions: int = field(init=False, default=0)
    #: Computed: fractions of the closed positions; None without closed positions.
    win_percent: Percent | None = field(init=False, default=None)
    lost_percent: Percent | None = field(init=False, default=None)
    delta_neutral_percent: Percent | None = field(init=False, default=None)
    #: Computed: return relative to `initial_cash`, without regard to deposits; None when `initial_cash` is 0.
    return_percent: Percent | None = field(init=False, default=None)
    #: Computed: `return_percent` scaled linearly to a year.
    annualised_return_percent: Percent | None = field(init=False, default=None)
    #: Computed: fractions of the closed positions.
    all_stop_loss_percent: Percent | None = field(init=False, default=None)
    #: Computed: stop losses divided by losing positions; may exceed 1.
    lost_stop_loss_percent: Percent | None = field(init=False, default=None)
    all_take_profit_percent: Percent | None = field(init=False, default=None)
    #: Computed: take profits divided by winning positions; may exceed 1.
    won_take_profit_percent: Percent | None = field(init=False, default=None)
    #: Computed: realised profit divided by closed positions, USD.
    average_net_profit: USDollarAmount | None = field(init=False, default=None)
    #: Computed: `open_value` + `uninvested_cash`, USD.
    end_value: USDollarAmount = field(init=False, default=0.0)
    total_trades: int | None = None
    average_trade: Percent | None = None
    median_trade: Percent | None = None
    #: Longest runs of winning, losing and neutral positions, number of positions.
    max_pos_cons: int | None = None
    max_neg_cons: int | None = None
    max_delta_neutral_cons: int | None = None
    max_pullback: Percent | None = None
    max_loss_risk: Percent | None = None
    max_realised_loss: Percent | None = None
    avg_realised_risk: Percent | None = None
    average_delta_neutral_profit_pc: Percent | None = None
    biggest_delta_neutral_pc: Percent | None = None
    #: Positions whose profit is near zero.
    delta_neutral: int = 0
    #: Positions closed by a take profit.
    take_profits: int = 0
    trade_volume: USDollarAmount = 0.0
    trade_volume_wo_vault: USDollarAmount = 0.0
    #: Volume in tokens with a transfer tax, USD.
    trade_volume_taxed: USDollarAmount = 0.0
    token_tax_paid: USDollarAmount = 0.0
    lp_fees_paid: USDollarAmount | None = 0.0
    lp_fees_paid_wo_vault: USDollarAmount | None = 0.0
    #: Fees as fractions of the volume.
    lp_fees_average_pc: Percent | None = 0.0
    lp_fees_average_pc_wo_vault: Percent | None = 0.0
    #: A ``pandas.Series`` when computed, a list after loading.
    daily_returns: ReturnSeries | None = field(default=None, compare=False, repr=False)
    compounding_returns: ReturnSeries | None = field(default=None, compare=False, repr=False)
    winning_stop_losses: int | None = 0
    losing_stop_losses: int | None = 0
    winning_take_profits: int | None = 0
    losing_take_profits: int | None = 0
    #: Computed: fractions of `stop_losses` and `take_profits`.
    winning_stop_losses_percent: Percent | None = field(init=False, default=None)
    losing_stop_losses_percent: Percent | None = field(init=False, default=None)
    winning_take_profits_percent: Percent | None = field(init=False, default=None)
    losing_take_profits_percent: Percent | None = field(init=False, default=None)
    median_win: Percent | None = None
    median_loss: Percent | None = None
    median_delta_neutral: Percent | None = None
    sharpe_ratio: float | None = None
    sortino_ratio: float | None = None
    profit_factor: float | None = None
    max_drawdown: Percent | None = None
    max_runup: Percent | None = None
    average_duration_of_delta_neutral_positions: Duration | None = None
    average_duration_of_zero_loss_trades: Duration | None = None
    average_duration_of_all_trades: Duration | None = None
    unrealised_profit: USDollarAmount | None = None
    average_interest_paid_usd: USDollarAmount | None = None
    total_interest_paid_usd: USDollarAmount | None = None
    median_interest_paid_usd: USDollarAmount | None = None
    max_interest_paid_usd: USDollarAmount | None = None
    min_interest_paid_usd: USDollarAmount | None = None
    total_claimed_interest: USDollarAmount | None = None
    average_duration_between_position_openings: Duration | None = None
    #: Computed: closed positions per day. It is a constructor argument for compatibility, but always replaced.
    average_position_frequency: float | None = None
    #: Neither of these two fields is ever computed; the second is a misspelling that existing code uses.
    average_duration_between_positions: int | None = 0
    average_duration_between_postions: int | None = 0
    #: Fraction of the period with an open position.
    time_in_market: Percent | None = None
    #: The same without credit positions.
    time_in_market_volatile: Percent | None = None
    start_at: UTCDatetime | None = None
    end_at: UTCDatetime | None = None

    def __post_init__(self) -> None:
        total = self.total_positions = self.won + self.lost + self.zero_loss + self.delta_neutral
        self.win_percent = _ratio(self.won, total)
        self.lost_percent = _ratio(self.lost, total)
        self.delta_neutral_percent = _ratio(self.delta_neutral, total)
        self.all_stop_loss_percent = _ratio(self.stop_losses, total)
        self.lost_stop_loss_percent = _ratio(self.stop_losses, self.lost)
        self.all_take_profit_percent = _ratio(self.take_profits, total)
        self.won_take_profit_percent = _ratio(self.take_profits, self.won)
        self.average_net_profit = _ratio(self.realised_profit, total)
        self.winning_stop_losses_percent = _ratio(self.winning_stop_losses, self.stop_losses)
        self.losing_stop_losses_percent = _ratio(self.losing_stop_losses, self.stop_losses)
        self.winning_take_profits_percent = _ratio(self.winning_take_profits, self.take_profits)
        self.losing_take_profits_percent = _ratio(self.losing_take_profits, self.take_profits)
        self.end_value, self.return_percent, self.annualised_return_percent = self._get_returns()
        seconds = self.duration.total_seconds() if self.duration else 0.0
        self.average_position_frequency = total / (seconds / 86_400) if seconds else 0.0
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a figure that is computed from the others is not finite, or too large."""
        total = self.won + self.lost + self.zero_loss + self.delta_neutral
        if not -JS_MAX_INT <= total <= JS_MAX_INT:
            raise InvalidValue(f"{total} positions are more than a file keeps exactly")
        for figure in self._get_returns():
            if figure is not None and not math.isfinite(figure):
                raise InvalidValue(
                    f"the return from {self.initial_cash} to {self.open_value} and {self.uninvested_cash} is not finite"
                )

    def _get_returns(self) -> tuple[USDollarAmount, Percent | None, Percent | None]:
        """Return the value at the end, and the return as it is and annualised."""
        end_value = self.open_value + self.uninvested_cash
        initial_cash = self.initial_cash or 0
        total_return = _ratio(end_value - initial_cash, initial_cash)
        if self.duration is None:
            annualised = 0.0
        elif total_return:
            annualised = _ratio(total_return * _YEAR_SECONDS, self.duration.total_seconds())
        else:
            annualised = None
        return end_value, total_return, annualised

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
