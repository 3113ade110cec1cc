"""Log messages of a program that runs for long, as lines of text or JSON: on standard error, or in a rotated file."""

import contextlib
import datetime
import json
import logging
import logging.handlers
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import print_problem
from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.state.display.visible import escape_json, make_visible

__all__ = [
    "JsonFormatter",
    "LogCountOption",
    "LogFileOption",
    "LogFormat",
    "LogFormatOption",
    "LogSettings",
    "LogSizeOption",
    "TextFormatter",
    "make_log_settings",
    "write_log",
]

LogFormat = Literal["text", "json"]

LogFormatOption = Annotated[
    LogFormat,
    typer.Option(
        help="Form of log messages: lines of text, or a JSON object for each, on standard error or in the file."
    ),
]
LogFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write log messages into this file, too.", show_default=False),
]
LogSizeOption = Annotated[
    float, typer.Option(min=0.001, metavar="MB", help="Size above which the log file becomes FILE.1, that FILE.2 ...")
]
LogCountOption = Annotated[int, typer.Option(min=1, metavar="N", help="Number of older log files that are kept.")]

#: Messages of this program are recorded from this level on.
_LEVEL = logging.INFO

_PROGRAM = "tradeexecutor"

#: Attributes that every record has; all others were given with ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where log messages go, and in which form.

    Attributes
    ----------
    format
        Lines of text, or a JSON object for each message.
    file
        The file; None for standard error.
    size
        Size above which the file is rotated, bytes.
    count
        Number of older files that are kept, as ``FILE.1`` (the newest) and so on.
    fields
        What every JSON object contains in addition, such as the name of the strategy.
    """

    format: LogFormat = "text"
    file: Path | None = None
    size: int = 10_000_000
    count: int = 5
    fields: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def is_for_programs(self) -> bool:
        """Return True if standard error is read by a program, which expects nothing but JSON objects."""
        return self.file is None and self.format == "json"


def make_log_settings(
    format: LogFormat, file: Path | None, size: float, count: int, fields: Mapping[str, object] | None = None
) -> LogSettings:
    """Return the settings of the options; `size` is in megabytes."""
    return LogSettings(format, file, int(size * 1_000_000), count, dict(fields or {}))


class TextFormatter(logging.Formatter):
    """One line for each message: time (UTC), level, name and text; a traceback follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Control characters are escaped, because messages repeat texts from outside."""
        text = f"{_format_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        trace = _format_traceback(self, record)
        return make_visible(text) + (f"\n{make_visible(trace, keep_newlines=True)}" if trace else "")


class JsonFormatter(logging.Formatter):
    """One JSON object for each message, in one line.

    Parameters
    ----------
    fields
        What every object contains in addition.
    """

    def __init__(self, fields: Mapping[str, object] | None = None):
        super().__init__()
        self._fields = dict(fields or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time (UTC, ISO 8601), level, logger, message, fields, process, thread, traceback."""
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        entry: dict[str, object] = {
            "time": _format_time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **extra,
            "process": record.process,
            "thread": record.threadName,
        }
        trace = _format_traceback(self, record)
        if trace:
            entry["traceback"] = trace
        return escape_json(json.dumps(entry, default=str))


def _format_time(record: logging.LogRecord) -> str:
    when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _format_traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


class _Rotating(logging.handlers.RotatingFileHandler):
    """A log file. If messages cannot be written, that is told once, and the program goes on."""

    _has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # named by logging
        if not self._has_failed:
            self._has_failed = True
            error = sys.exc_info()[1]
            print_problem(f"The log {self.baseFilename} cannot be written: {describe_error(error or OSError())}")

    def close(self) -> None:
        """Close the file; what is still in memory is lost if the disk is full."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def write_log(settings: LogSettings) -> Generator[None]:
    """Write the log while the program runs. An error that ends it is the last message.

    Raises
    ------
    OSError
        The file cannot be opened.
    typer.Exit
        An error ended the program, and standard error, where it was written, is for programs.
    """
    if settings.file is None and settings.format == "text":
        yield
        return
    handler = _make_handler(settings)
    with _receive(handler, is_alone=settings.is_for_programs):
        try:
            yield
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            handler.handle(_describe_end(error))
            if settings.is_for_programs:
                raise typer.Exit(EXIT_FAILURE) from error
            raise
        finally:
            handler.close()


def _make_handler(settings: LogSettings) -> logging.Handler:
    handler: logging.Handler
    if settings.file is None:
        handler = logging.StreamHandler()
    else:
        handler = _Rotating(settings.file, maxBytes=settings.size, backupCount=settings.count, encoding="utf-8")
    handler.setFormatter(JsonFormatter(settings.fields) if settings.format == "json" else TextFormatter())
    return handler


def _describe_end(error: Exception) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__)
    text = " ".join(filter(None, (f"The program ends: {describe_error(error)}", getattr(error, "hint", ""))))
    return logging.getLogger(_PROGRAM).makeRecord(_PROGRAM, logging.CRITICAL, __file__, 0, text, (), trace)


@contextlib.contextmanager
def _receive(handler: logging.Handler, *, is_alone: bool) -> Generator[None]:
    """Give a handler the messages of this program from INFO on, and those of libraries that are shown in any case.

    Parameters
    ----------
    is_alone
        Whether other handlers get nothing meanwhile. Otherwise they show what they have shown before.
    """
    root, program = logging.getLogger(), logging.getLogger(_PROGRAM)
    level, shown = program.level, program.getEffectiveLevel()
    others = {other: other.level for other in root.handlers}
    for other in others:
        if is_alone:
            root.removeHandler(other)
        elif other.level < shown:
            other.setLevel(shown)
    program.setLevel(min(shown, _LEVEL))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        program.setLevel(level)
        for other, before in others.items():
            other.setLevel(before)
            if is_alone:
                root.addHandler(other)
