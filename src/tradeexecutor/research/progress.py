"""A progress bar over runs, with the time that is left."""

import contextlib
import sys
from collections.abc import Callable, Generator

__all__ = ["show_run_progress"]


@contextlib.contextmanager
def show_run_progress(
    total: int, title: str, *, enabled: bool | None = None
) -> Generator[Callable[[str], None] | None]:
    """Draw a progress bar on standard error while the block runs.

    Parameters
    ----------
    total
        Number of runs.
    title
        Text before the bar.
    enabled
        Whether to draw it; None draws it if standard error is a terminal.

    Yields
    ------
    callable or None
        Function to call after each run with a text about the best one; None when nothing is drawn.
    """
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[best]}"),
    )
    # Without a thread that redraws it, because workers are forked meanwhile.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task(title, total=total, best="")

        def update(best: str) -> None:
            progress.update(task, advance=1, best=best, refresh=True)

        yield update
