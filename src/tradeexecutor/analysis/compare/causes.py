"""Why the equity of two runs differs."""

import enum

__all__ = ["CAUSE_TEXTS", "SINGLE_CAUSES", "Cause"]


class Cause(enum.StrEnum):
    """Cause of a difference between the equity of two runs, A and B; see docs/compare.md."""

    #: Deposits and redemptions, the opening balance included.
    deposits = "deposits"
    #: One run traded before the other began, or after it ended.
    period = "period"
    #: Only one run made a decision at that time.
    missed_cycle = "missed_cycle"
    #: Missing or late market data: a decision, or a price, was based on an older candle.
    late_data = "late_data"
    #: Both decided the trade, and it was executed in only one of them.
    failed_trade = "failed_trade"
    #: The strategy decided differently.
    decision = "decision"
    #: The same decision with another size, after earlier differences.
    size = "size"
    #: The market moved between the times at which the two read the price.
    timing = "timing"
    #: The mid prices of the two sources differ at the same time.
    price = "price"
    #: The fill was worse than the mid price, fees excluded: price impact, spread, movement before the fill.
    slippage = "slippage"
    #: Fees of the market.
    fees = "fees"
    #: Interest of loans.
    interest = "interest"
    #: Corrections of the books, transfers of vaults, tokens that were found.
    correction = "correction"
    #: The positions that both hold are valued at different prices.
    valuation = "valuation"
    #: What the records of the two states do not explain.
    unexplained = "unexplained"

    __hash__ = str.__hash__


#: Causes of trades that only one run made.
SINGLE_CAUSES = frozenset({Cause.period, Cause.missed_cycle, Cause.late_data, Cause.failed_trade, Cause.decision})

#: What each cause means, in a few words.
CAUSE_TEXTS: dict[Cause, str] = {
    Cause.deposits: "deposits, redemptions and opening balance",
    Cause.period: "trades before the other began, or after it ended",
    Cause.missed_cycle: "trades of cycles that only one of them had",
    Cause.late_data: "missing or late market data",
    Cause.failed_trade: "trades that failed in one of them",
    Cause.decision: "decisions that differ",
    Cause.size: "the same decisions with other sizes, after earlier differences",
    Cause.timing: "prices of another time",
    Cause.price: "another mid price at the same time",
    Cause.slippage: "fills worse or better than the mid price",
    Cause.fees: "fees of the market",
    Cause.interest: "interest",
    Cause.correction: "corrections of the books",
    Cause.valuation: "other prices of what both hold",
    Cause.unexplained: "not explained by what the states record",
}
