"""Explanations of the figures of reports, one sentence each."""

__all__ = ["GLOSSARY"]

#: Key of a figure -> name for people, and explanation.
GLOSSARY: dict[str, tuple[str, str]] = {
    "start_at": ("From", "Time of the first recorded sample of the portfolio, UTC."),
    "end_at": ("Until", "Time of the last recorded sample of the portfolio, UTC."),
    "length": ("Length", "Time between the first and the last sample."),
    "initial_equity": (
        "Initial equity",
        "First net asset value above zero; in a backtest the initial deposit, so that the costs of the first trades "
        "count.",
    ),
    "final_equity": (
        "Net asset value",
        "Current value of everything: cash, open and frozen positions and money in flight, minus debts.",
    ),
    "cash": ("Cash", "Money in the reserves, not invested in positions."),
    "net_deposits": (
        "Net deposits",
        "Deposits minus redemptions after the initial equity. They do not count as profit.",
    ),
    "profit": ("Profit", "Last recorded net asset value minus initial equity and net deposits."),
    "total_return": (
        "Return",
        "Time-weighted return: the growth from sample to sample without deposits and redemptions, compounded. "
        "A dollar that was invested all the time earned this.",
    ),
    "buy_and_hold": (
        "Buy and hold",
        "Return of buying at the start what could be traded, equal amounts of each pair, and holding it; before fees.",
    ),
    "cagr": ("CAGR", "Compound annual growth rate: the return per year of 365 days that compounds to the return."),
    "money_weighted_return": (
        "Money-weighted return",
        "Return of the investors: each dollar counts for the time it was invested (internal rate of return of the "
        "whole period). Without deposits and redemptions it equals the return.",
    ),
    "max_drawdown": (
        "Max drawdown",
        "The largest loss from a high to a later low, without deposits and redemptions, from the last value of each "
        "day; for fewer than ten days, from all recorded values.",
    ),
    "ulcer_index": ("Ulcer index", "Root of the mean squared drawdown: it measures depth and length of drawdowns."),
    "calmar": ("Calmar ratio", "CAGR divided by the max drawdown."),
    "omega": (
        "Omega ratio",
        "Sum of all positive returns divided by the sum of all negative returns, without its sign.",
    ),
    "best_period": ("Best day", "The highest return of a day (UTC)."),
    "worst_period": ("Worst day", "The lowest return of a day (UTC)."),
    "value_at_risk": ("Value at risk, 5 %", "One day in twenty was worse than this."),
    "conditional_value_at_risk": ("Expected shortfall, 5 %", "The mean return of these worst days."),
    "skew": ("Skew", "Asymmetry of the returns: negative if losses have the longer tail."),
    "kurtosis": (
        "Kurtosis",
        "Frequency of extreme days: 0 for a normal distribution, above 0 if they are more frequent.",
    ),
    "expectancy": ("Expectancy", "Average net profit of a closed position, without lending."),
    "system_quality_number": (
        "System quality number",
        "Root of the number of closed positions (at most 100) times mean net profit, divided by its deviation.",
    ),
    "expired_trades": ("Expired orders", "Orders that waited for a price or a time and were never sent."),
    "max_runup": ("Max run-up", "The highest rise from a low to a later high."),
    "longest_drawdown": ("Longest drawdown", "The longest time below an earlier high, until a new one or the end."),
    "volatility": ("Volatility", "Standard deviation of the daily returns, scaled to a year."),
    "sharpe": (
        "Sharpe ratio",
        "Average daily return divided by its standard deviation, scaled to a year; risk-free rate 0. Above 1 is good.",
    ),
    "sortino": ("Sortino ratio", "Like the Sharpe ratio, but only losses count; undefined without losses."),
    "alpha": ("Alpha", "Yearly return that buying and holding does not explain: the mean of r - beta * b, compounded."),
    "beta": ("Beta", "How much the strategy moves with what could be held: 1 moves like it, 0 independently of it."),
    "exposure": ("Time in market", "Fraction of the time with at least one open position; lent cash does not count."),
    "positions": ("Positions", "Numbers of closed, open and frozen positions."),
    "won": ("Won and lost", "Closed positions with a net profit and with a net loss, without lending."),
    "win_rate": ("Win rate", "Fraction of closed positions with a net profit, without lending."),
    "profit_factor": ("Profit factor", "Profit of all winning positions divided by the loss of all losing positions."),
    "best_position": ("Best position", "The closed position with the highest profit relative to its cost."),
    "worst_position": ("Worst position", "The closed position with the lowest profit relative to its cost."),
    "exits": ("Exits by trigger", "Positions closed by a stop loss and by a take profit."),
    "trades": ("Trades", "All trades that were sent, whatever their outcome."),
    "failed_trades": ("Failed trades", "Trades that failed and are not repaired."),
    "volume": ("Volume", "Value of the executed trades."),
    "fees": ("Fees", "Trading fees paid to markets and liquidity providers."),
    "fee_rate": ("Fees of volume", "Fees as a fraction of the volume."),
    "interest_earned": (
        "Interest earned",
        "Interest of the collateral of loans and of lent cash, claimed or not; part of the profit.",
    ),
    "interest_paid": (
        "Interest paid",
        "Interest of debts, at the price of the borrowed token when it was repaid; part of the profit.",
    ),
    "funding": (
        "Funding",
        "What shorts and leveraged longs received from the other side of their market, less what they paid; part of "
        "the profit.",
    ),
    "liquidations": ("Liquidations", "Positions whose collateral a lending pool sold, and the penalties that it took."),
    "slippage": ("Slippage", "Price difference between plan and execution; negative if the execution was better."),
    "realised_profit": ("Realised profit", "Profit of the closed parts of positions, after fees."),
    "unrealised_profit": ("Unrealised profit", "Profit of open positions if they were sold at the latest price."),
}
