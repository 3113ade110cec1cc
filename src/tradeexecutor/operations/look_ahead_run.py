"""Look-ahead analysis of a strategy file."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.backtest.backtest_runner import ask_for_universe
from tradeexecutor.operations.backtest_run import check_parameters, load_universe, locate_error
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm
from tradeexecutor.research.look_ahead import DEFAULT_CUTS, LookAheadReport, analyse_look_ahead
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import OperationRefused, TradeExecutorError
from tradeexecutor.strategy.strategy_module import read_strategy_module

__all__ = ["LookAheadRequest", "analyse_strategy_file"]


@dataclass(frozen=True, slots=True)
class LookAheadRequest:
    """Settings of an analysis; None uses the setting of the strategy.

    Attributes
    ----------
    strategy
        Python file.
    data, pairs
        Data set names and candle files; pairs to use of them, empty for all.
    form
        Format of the files.
    fee, slippage
        Fractions of the value of a trade.
    parameters
        Values that override those of the strategy, by name.
    cuts, every_decision
        See `analyse_look_ahead`.
    progress
        Whether to draw a progress bar on standard error; None draws one if it is a terminal.
    """

    strategy: Path
    data: Sequence[str] = ()
    pairs: Sequence[str] = ()
    form: DataForm = TOLD_FROM_FILES
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    cash: float | None = None
    fee: float = 0.001
    slippage: float = 0.0
    cycle_duration: CycleDuration | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cuts: int = DEFAULT_CUTS
    every_decision: bool = False
    progress: bool | None = False


def analyse_strategy_file(request: LookAheadRequest) -> LookAheadReport:
    """Return the indicators and decisions of a strategy that depend on later candles.

    Raises
    ------
    OperationRefused, TradeExecutorError, OSError
        With a message for the user: the data, the settings or the strategy cannot be used.
    """
    universe = load_universe(request.data, request.pairs, request.fee, request.form) if request.data else None
    check_parameters(request.strategy, request.parameters)
    module = read_strategy_module(request.strategy)
    module.apply_parameters(request.parameters)
    module.cycle_duration = request.cycle_duration or module.cycle_duration
    options = BacktestOptions(
        start_at=request.start_at,
        end_at=request.end_at,
        initial_deposit=request.cash,
        slippage=request.slippage or None,
        progress=request.progress,
    )
    try:
        universe = universe or ask_for_universe(module, options, request.fee)
        return analyse_look_ahead(module, universe, options, cuts=request.cuts, every_decision=request.every_decision)
    except TradeExecutorError as error:
        hint = locate_error(error, request.strategy)
        if hint:
            raise OperationRefused(str(error), hint) from error
        raise
