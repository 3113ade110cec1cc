"""Processes that save until they are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Writers:
    """Starts writers and kills them.

    The launcher is a program that reads "SAVED PLACE" from each line, forks a writer that goes on there, and prints
    "pid PID", the number of each save, and "dead".
    """

    def __init__(self, launcher: str):
        self._launcher = subprocess.Popen(
            [sys.executable, "-c", launcher], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        #: Process id of the writer that runs; None between two.
        self._running: int | None = None

    def run(self, place: Path | str, saved: int, seconds: float, after_first: bool = True) -> int:
        """Let a writer go on after save `saved`, and kill it some time after it has started or has saved once.

        Returns the last save it spoke of.
        """
        assert self._launcher.stdin is not None
        assert self._launcher.stdout is not None
        self._launcher.stdin.write(f"{saved} {place}\n")
        self._launcher.stdin.flush()
        word, pid = self._launcher.stdout.readline().split()
        assert word == "pid"
        self._running = int(pid)
        lines = [self._launcher.stdout.readline()] if after_first else []
        assert lines != ["dead\n"], "the writer failed"
        time.sleep(seconds)
        os.kill(self._running, signal.SIGKILL)
        lines += iter(self._launcher.stdout.readline, "dead\n")
        self._running = None
        return int(lines[-1]) if lines else saved

    def close(self) -> None:
        """End the launcher, and the writer if a test was ended while one ran: it would keep the output open."""
        self._launcher.kill()
        if self._running is not None:
            os.kill(self._running, signal.SIGKILL)
        self._launcher.communicate()
