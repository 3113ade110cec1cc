"""Reading ``--time-frame``, ``--date-format`` and ``--cycle``: their lengths of candles need numpy."""

import typer

from tradeexecutor.backtest.candles import check_date_format, parse_time_frame
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.operations.candle_data import DataForm
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.strategy.candle_length import describe_length
from tradeexecutor.strategy.market_data import InvalidCandles

__all__ = ["parse_cycle", "read_data_form"]


def read_data_form(
    time_frame: str | None, date_format: str | None, *, has_data: bool, strict: bool = False
) -> DataForm:
    """Return the options for reading candle files; raises ``typer.BadParameter``.

    Parameters
    ----------
    time_frame, date_format
        Text of the option; None if it was not given.
    has_data
        Whether the command reads a candle file at all.
    strict
        Whether ``--strict`` was given.
    """
    if strict and not has_data:
        raise typer.BadParameter("describes candle files, and none was given", param_hint="--strict")
    for option, text in (("--time-frame", time_frame), ("--date-format", date_format)):
        if text is not None and not has_data:
            raise typer.BadParameter("describes candle files, and none was given", param_hint=option)
    try:
        bucket = None if time_frame is None else parse_time_frame(time_frame)
    except InvalidCandles as error:
        raise typer.BadParameter(str(error), param_hint="--time-frame") from None
    try:
        return DataForm(bucket, check_date_format(date_format), strict)
    except InvalidCandles as error:
        raise typer.BadParameter(str(error), param_hint="--date-format") from None


def parse_cycle(text: str) -> CycleDuration:
    """Return the time between decisions, in a notation of `parse_time_frame`; raises `CommandFailed`."""
    if text.strip().lower() == CycleDuration.cycle_unknown.value:
        return CycleDuration.cycle_unknown
    known = {member.to_timedelta(): member for member in CycleDuration if member is not CycleDuration.cycle_unknown}
    hint = f"Possible are {', '.join(member.value for member in known.values())}."
    try:
        length = parse_time_frame(text)
    except InvalidCandles:
        raise CommandFailed(f"a strategy cannot decide every {text!r}", hint) from None
    if isinstance(length, str) or length not in known:
        raise CommandFailed(f"a strategy cannot decide every {text!r}, {describe_length(length)}", hint)
    return known[length]
