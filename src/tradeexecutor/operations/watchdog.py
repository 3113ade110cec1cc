"""Notice that a live job hangs: an endless loop in a strategy, or a node that answers a byte a minute.

A job that takes longer than the limit is interrupted by a signal, so that `JobHangs` is raised where it hangs. If that
does not help, because the program is inside a library that never returns, the process ends without Python.
"""

import contextlib
import faulthandler
import signal
import sys
import traceback
from collections.abc import Generator
from dataclasses import dataclass, field
from types import FrameType

__all__ = ["JobHangs", "Watchdog"]

#: Seconds after the interruption until it is repeated, and until the process ends without Python.
_AGAIN = 10.0
_GRACE = 60.0


class JobHangs(BaseException):
    """A job has not ended within the limit.

    It is no `Exception`, because strategies and libraries catch those and try again.

    Attributes
    ----------
    place
        Stack of the program when it was interrupted, without values of variables.
    """

    def __init__(self, limit: float, place: str):
        super().__init__(f"a job takes longer than {limit / 60:g} minutes")
        self.place = place


@dataclass(slots=True)
class Watchdog:
    """Interrupts the main thread when it has not called `beat` for too long.

    Attributes
    ----------
    limit
        Longest time between two calls of `beat`, seconds; None for no limit.
    """

    limit: float | None = None
    _is_on: bool = field(default=False, init=False)

    @contextlib.contextmanager
    def watching(self) -> Generator[None]:
        """Watch until the end of the block; only in the main thread.

        Raises
        ------
        JobHangs
            The limit has passed without a call of `beat`.
        """
        if self.limit is None or not hasattr(signal, "setitimer"):  # Windows has none
            yield
            return
        handler, timer = signal.signal(signal.SIGALRM, self._interrupt), signal.getitimer(signal.ITIMER_REAL)
        self._is_on = True
        try:
            self.beat()
            yield
        finally:
            self._is_on = False
            self._cancel()
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, *timer)

    def beat(self) -> None:
        """Start the time of the limit again: the program is not stuck."""
        if not self._is_on or self.limit is None:
            return
        signal.setitimer(signal.ITIMER_REAL, self.limit, _AGAIN)
        faulthandler.dump_traceback_later(self.limit + _GRACE, exit=True, file=sys.__stderr__ or 2)

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        """Do not watch during the block, in which the program waits for a person."""
        if self._is_on:
            self._cancel()
        try:
            yield
        finally:
            self.beat()

    def _cancel(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        assert self.limit is not None, "there is no timer without a limit"
        raise JobHangs(self.limit, "".join(traceback.format_stack(frame)))
