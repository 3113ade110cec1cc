"""Slippage models: by how much simulated trades fill at a worse price than planned.

A model returns a fraction of the price, zero or positive (0.001 is 10 basis points). A buy receives that much less of
the asset, a sell that much less of the reserve currency. Fees are not included.
"""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution

__all__ = [
    "FixedSlippage",
    "InvalidSlippage",
    "MarketTooThin",
    "NoSlippage",
    "SlippageModel",
    "VolumeShareSlippage",
    "VolumeSource",
]

#: Returns the value traded in the market at a time, reserve currency per candle; None when it is unknown.
VolumeSource = Callable[[datetime.datetime, TradingPairIdentifier], float | None]


class InvalidSlippage(TradeExecutorError, ValueError):
    """A parameter of a slippage model is out of range."""


class MarketTooThin(TradeExecutorError):
    """The market cannot absorb the trade; the simulated trade fails with this message as the reason."""


class SlippageModel(ABC):
    """Interface of slippage models."""

    @abstractmethod
    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return the fraction by which `trade` fills worse than planned when executed at `ts`.

        Raises
        ------
        MarketTooThin
            The trade cannot be filled.
        """

    def get_filled_share(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return the fraction of a spot trade that is filled; the rest lapses. By default 1."""
        return 1.0


class NoSlippage(SlippageModel):
    """Slippage model in which every trade fills at its planned price."""

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return zero."""
        return 0.0


class FixedSlippage(SlippageModel):
    """Slippage model in which every trade fills at a price that is worse than planned by the same fraction.

    Parameters
    ----------
    fraction
        0.0005 is 5 basis points; at least 0, below 1.
    """

    def __init__(self, fraction: float):
        if not 0 <= fraction < 1:
            raise InvalidSlippage(f"slippage must be a fraction from 0 to 1, not {fraction}")
        self.fraction = float(fraction)

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return the fixed fraction."""
        return self.fraction


class VolumeShareSlippage(SlippageModel):
    """Slippage model in which slippage grows with the share of a trade in the volume of the market.

    Slippage is ``impact * share``, where share is the value of the trade divided by the value traded in the candle of
    its execution. With an impact of 0.1, a trade of 2 % of the candle fills 20 basis points worse.

    Parameters
    ----------
    volumes
        Source of the value traded per candle.
    impact
        Slippage of a trade whose value equals that of the whole candle, a fraction.
    max_share
        Largest share of a trade, a fraction; a larger trade fails, or with `fills_partly` is filled up to it.
    fallback
        Slippage when the volume is unknown or zero, a fraction.
    fills_partly
        Whether a larger spot trade is filled in part. The rest of a purchase stays in cash, that of a sale in the
        position, and the strategy has to decide again. Other trades fail.
    """

    def __init__(
        self,
        volumes: VolumeSource,
        impact: float = 0.1,
        max_share: float = 0.25,
        fallback: float = 0.0,
        *,
        fills_partly: bool = False,
    ):
        if impact < 0 or max_share <= 0 or not 0 <= fallback < 1 or impact * max_share >= 1:
            raise InvalidSlippage(f"impossible slippage: impact {impact}, max_share {max_share}, fallback {fallback}")
        self.volumes = volumes
        self.impact = float(impact)
        self.max_share = float(max_share)
        self.fallback = float(fallback)
        self.fills_partly = fills_partly

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return ``impact * share``, or raise `MarketTooThin` above the largest share."""
        traded = self.volumes(ts, trade.pair)
        if not traded:
            return self.fallback
        share = trade.get_planned_value() / traded
        if share > self.max_share and self.fills_partly and trade.is_spot():
            return self.impact * self.max_share
        if share > self.max_share:
            raise MarketTooThin(
                f"the trade is {share:.1%} of the {traded:,.0f} traded in the candle, the limit is {self.max_share:.0%}"
            )
        return self.impact * share

    def get_filled_share(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return the fraction that the largest share leaves; 1 unless `fills_partly`."""
        traded = self.volumes(ts, trade.pair) if self.fills_partly else None
        value = trade.get_planned_value()
        return min(self.max_share * traded / value, 1.0) if traded and value else 1.0
