"""A progress bar on the terminal."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.progress import Progress as Bar

from tradeexecutor.cli.output import make_console

if TYPE_CHECKING:
    from tradeexecutor.database.verification import Progress

__all__ = ["showing_progress"]


@contextlib.contextmanager
def showing_progress(text: str) -> "Iterator[Progress | None]":
    """Show a progress bar on a terminal; yield None where standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    with Bar(console=make_console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
