"""Runs on processes of this machine.

The processes are forked on Linux. They share the candles and the loaded program with this process, start in
milliseconds, and run strategies and objectives that are functions of a notebook, which cannot be pickled. Elsewhere
they are started anew. A pool of the standard library or of loky was not used, because one worker that is killed breaks
the pool, and every run in it fails. Here a new process takes its place, and only its run is started again.
"""

import collections
import contextlib
import gc
import multiprocessing
import multiprocessing.connection
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, run_job
from tradeexecutor.research.executors.protocol import MAX_ATTEMPTS, make_lost_row

__all__ = ["ProcessExecutor"]

#: Requests that a process holds: one runs, and one waits, so that it has work while this process records a row.
_DEPTH = 2

#: How long to wait for a process to end, seconds.
_PATIENCE = 5.0


@dataclass(slots=True)
class _Worker:
    """A process, our end of its pipe, and its requests; the first of them is running."""

    process: Any
    pipe: Connection
    requests: collections.deque[RunRequest] = field(default_factory=collections.deque[RunRequest])


class ProcessExecutor:
    """An executor on processes, see `RunExecutor`."""

    def __init__(self, workload: Workload, jobs: int):
        self._workload = workload
        self._jobs = jobs
        self._context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._workers: list[_Worker] = []
        self._waiting: collections.deque[RunRequest] = collections.deque()
        self._completed: collections.deque[RunResult] = collections.deque()
        #: Number of processes that died during a run, by number of the run.
        self._deaths: collections.Counter[int] = collections.Counter()

    @property
    def jobs(self) -> int:
        """Number of processes."""
        return self._jobs

    def submit(self, request: RunRequest) -> None:
        """Start a run, or queue it."""
        self._waiting.append(request)
        self._distribute()

    def get_completed(self) -> RunResult:
        """Wait for the next row; raises LookupError if there is none to wait for."""
        while not self._completed:
            busy = [worker for worker in self._workers if worker.requests]
            if not busy:
                raise LookupError("no run was submitted")
            ready = multiprocessing.connection.wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe in ready:
                    self._receive(worker)
            self._distribute()
        return self._completed.popleft()

    def close(self) -> None:
        """Stop the processes."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():  # code of a strategy can ignore the signal
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
            worker.process.close()
        self._workers.clear()
        self._waiting.clear()

    def _distribute(self) -> None:
        """Give the waiting requests to the processes with the fewest."""
        while self._waiting:
            worker = min(self._workers, key=lambda item: len(item.requests), default=None)
            if (worker is None or worker.requests) and len(self._workers) < self._jobs:
                worker = self._start()
            if worker is None or len(worker.requests) >= _DEPTH:
                return
            request = self._waiting.popleft()
            worker.requests.append(request)
            # A process that has just died is noticed when its pipe is read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                worker.pipe.send(request)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        # A forked process has copies of our ends. It closes them, because otherwise no process would see that we died.
        others = (
            [ours, *(worker.pipe for worker in self._workers)] if self._context.get_start_method() == "fork" else []
        )
        process = self._context.Process(target=_work, args=(self._workload, theirs, others), daemon=False)
        with warnings.catch_warnings():
            # From 3.12 on Python warns that other threads exist, such as those of numpy. A worker uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker) -> None:
        try:
            row: RunResult = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._replace(worker)
            return
        worker.requests.popleft()
        self._completed.append(row)

    def _replace(self, worker: _Worker) -> None:
        """Remove a process that died, and queue its requests again."""
        worker.process.join()
        code = worker.process.exitcode
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if code == -signal.SIGKILL:
            reason += ", which the system sends when memory runs out"
        worker.pipe.close()
        worker.process.close()
        self._workers.remove(worker)
        running = worker.requests.popleft()
        self._waiting.extendleft(reversed(worker.requests))
        self._deaths[running.number] += 1
        if self._deaths[running.number] < MAX_ATTEMPTS:
            self._waiting.appendleft(running)
        else:
            self._completed.append(make_lost_row(running, reason))


def _work(workload: Workload, pipe: Connection, others: Sequence[Connection]) -> None:
    """Run requests of a pipe until its other end is closed."""
    for other in others:
        other.close()
    gc.freeze()  # what all runs share is not searched for garbage, nor copied by the search
    # Ctrl-C goes to all processes of a terminal; this one is stopped by the process that started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(run_job(workload, pipe.recv()))
