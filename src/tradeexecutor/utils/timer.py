"""Import path of existing code: the duration of a task in the log."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["timed_task"]

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def timed_task(task_name: str, **context_info: Any) -> Iterator[None]:
    """Log how long the body took, at level INFO, whether or not it raised.

    Parameters
    ----------
    task_name
        Name in the log.
    context_info
        Further values that are logged.
    """
    started = time.perf_counter()
    try:
        yield
    finally:
        logger.info("%s took %.3f s %s", task_name, time.perf_counter() - started, context_info or "")
