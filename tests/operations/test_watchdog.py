"""A job that hangs is interrupted where it hangs; one that goes on is not."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tradeexecutor.operations.watchdog import JobHangs, Watchdog


def swallow_and_go_on() -> None:
    """What a strategy may contain."""
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


def compute_for_ever() -> None:
    while True:
        pass


@pytest.mark.parametrize("hang", [swallow_and_go_on, threading.Event().wait, compute_for_ever])
def test_a_job_that_hangs_is_interrupted(hang: Callable[[], object]):
    with pytest.raises(JobHangs, match="longer than") as raised, Watchdog(0.2).watching():
        hang()
    assert "test_watchdog.py" in raised.value.place


@pytest.mark.slow
def test_a_program_that_goes_on_is_left_alone():
    dog = Watchdog(0.3)
    with dog.watching():
        for _ in range(8):
            time.sleep(0.1)
            dog.beat()
        with dog.paused():
            time.sleep(0.5)
        dog.beat()
    time.sleep(0.5)


def test_no_limit_is_no_watchdog():
    before = signal.getsignal(signal.SIGALRM)
    dog = Watchdog()
    with dog.watching():
        dog.beat()
        assert signal.getsignal(signal.SIGALRM) is before
        with dog.paused():
            pass


def test_the_alarm_of_somebody_else_is_put_back():
    before = signal.setitimer(signal.ITIMER_REAL, 1_000)
    handler = signal.getsignal(signal.SIGALRM)
    try:
        with Watchdog(0.5).watching():
            pass
        assert signal.getsignal(signal.SIGALRM) is handler
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1_000
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_a_program_that_cannot_be_interrupted_ends_all_the_same():
    program = """
import tradeexecutor.operations.watchdog as module
module._GRACE = 0.3
with module.Watchdog(0.2).watching():
    sum(iter(int, 1))  # never returns to the interpreter, and so sees no signal
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert 'File "<string>", line 5' in done.stderr
