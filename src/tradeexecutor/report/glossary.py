"""Explanations of the figures of reports, one sentence each."""

__all__ = ["GLOSSARY"]

#: Key of a figure -> name for people, and explanation.
GLOSSARY: dict[str, tuple[str, str]] = {
    "start_at": ("From", "Time of the first recorded sample of the portfolio, UTC."),
    "end_at": ("Until", "Time of the last recorded sample of the portfolio, UTC."),
    "length": ("Length", "Time between the first and the last sample."),
    "initial_equity": (
        "Initial equity",
        "Net asset value when there was money first; of a backtest its initial deposit, so that the costs of the first "
        "trades count.",
    ),
    "final_equity": (
        "Net asset value",
        "What everything is worth now: cash, open and frozen positions, money in flight, less debts.",
    ),
    "cash": ("Cash", "Money in the reserves that is in no position."),
    "net_deposits": ("Net deposits", "Deposits less redemptions after the initial equity. They are no profit."),
    "profit": ("Profit", "Last recorded net asset value less initial equity and net deposits."),
    "total_return": (
        "Return",
        "Time-weighted: growth from sample to sample, deposits and redemptions taken out, multiplied up. "
        "It is what a dollar that stayed in all the time made.",
    ),
    "buy_and_hold": (
        "Buy and hold",
        "Return of buying at the start what could be traded, equal amounts of each pair, and holding it; before fees.",
    ),
    "cagr": ("CAGR", "Compound annual growth rate: the return per year of 365 days that compounds to the return."),
    "money_weighted_return": (
        "Money-weighted return",
        "What the investors earned: each dollar counts for the time it was in (internal rate of return of the whole "
        "period). It is the return where no money came or went.",
    ),
    "max_drawdown": (
        "Max drawdown",
        "The deepest fall from a high to a later low, by the last value of each day, deposits and redemptions taken "
        "out. Of fewer than ten days, by every recorded value.",
    ),
    "ulcer_index": ("Ulcer index", "Root of the mean squared drawdown: how deep and how long it was below its highs."),
    "calmar": ("Calmar ratio", "CAGR divided by the max drawdown."),
    "omega": ("Omega ratio", "What the returns above zero add up to, for each unit of those below."),
    "best_period": ("Best day", "The highest return of a day (UTC)."),
    "worst_period": ("Worst day", "The lowest return of a day (UTC)."),
    "value_at_risk": ("Value at risk, 5 %", "One day in twenty was worse than this."),
    "conditional_value_at_risk": ("Expected shortfall, 5 %", "The mean of these worst days."),
    "skew": ("Skew", "Asymmetry of the returns: negative when losses have the longer tail."),
    "kurtosis": ("Kurtosis", "How often extreme days happen: 0 for a normal distribution, more when more often."),
    "expectancy": ("Expectancy", "Net profit of a closed position on average, lending left out."),
    "system_quality_number": (
        "System quality number",
        "Root of the number of closed positions (at most 100) times their mean net profit, by its deviation.",
    ),
    "expired_trades": ("Lapsed orders", "Orders that waited for a price or a time and were never sent."),
    "max_runup": ("Max run-up", "The highest rise from a low to a later high."),
    "longest_drawdown": ("Longest drawdown", "The longest time below an earlier high, until a new one or the end."),
    "volatility": ("Volatility", "Standard deviation of the daily returns, scaled to a year."),
    "sharpe": (
        "Sharpe ratio",
        "Average daily return divided by its standard deviation, scaled to a year; risk-free rate 0. Above 1 is good.",
    ),
    "sortino": ("Sortino ratio", "Like the Sharpe ratio, but only losses count as risk; without a loss there is none."),
    "alpha": ("Alpha", "Yearly return that buying and holding does not explain: the mean of r - beta * b, compounded."),
    "beta": ("Beta", "How much the strategy moves with what could be held: 1 moves like it, 0 independently of it."),
    "exposure": ("Time in market", "Part of the time with at least one open position; lent cash does not count."),
    "positions": ("Positions", "How many are closed, open and frozen."),
    "won": ("Won and lost", "Closed positions with a net profit and with a net loss; lending is neither."),
    "win_rate": ("Win rate", "Closed positions with a net profit, of all closed ones, lending left out."),
    "profit_factor": ("Profit factor", "Dollars won by the winners for each dollar lost by the losers."),
    "best_position": ("Best position", "The closed position with the highest profit relative to what it cost."),
    "worst_position": ("Worst position", "The closed position with the lowest profit relative to what it cost."),
    "exits": ("Exits by trigger", "Positions closed by a stop loss and by a take profit."),
    "trades": ("Trades", "All trades that were sent, whatever their outcome."),
    "failed_trades": ("Failed trades", "Trades that failed and are not repaired."),
    "volume": ("Volume", "Value of the trades that executed."),
    "fees": ("Fees", "Trading fees paid to markets and liquidity providers."),
    "fee_rate": ("Fees of volume", "Fees as a part of the volume."),
    "slippage": ("Slippage", "How much worse than planned a trade was filled; negative when better."),
    "realised_profit": ("Realised profit", "What closed parts of positions earned, fees taken off."),
    "unrealised_profit": ("Unrealised profit", "What open positions would earn if they were sold at the latest price."),
}
