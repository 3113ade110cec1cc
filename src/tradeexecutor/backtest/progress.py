"""A progress bar for backtests that does not slow the loop down."""

import contextlib
import datetime
import sys
from collections.abc import Callable, Iterator

__all__ = ["show_progress"]


@contextlib.contextmanager
def show_progress(
    total: int, title: str, *, enabled: bool | None = None
) -> Iterator[Callable[[int, datetime.datetime], None] | None]:
    """Draw a progress bar on standard error while the block runs.

    Parameters
    ----------
    total
        Number of decisions.
    title
        Text before the bar.
    enabled
        Whether to draw it; None draws it if standard error is a terminal.

    Yields
    ------
    callable or None
        Function to call with the number of decisions made and the time of the last one; None when nothing is drawn.
    """
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, at="")

        def update(done: int, at: datetime.datetime) -> None:
            progress.update(task, completed=done, at=f"{at:%Y-%m-%d}")

        yield update
