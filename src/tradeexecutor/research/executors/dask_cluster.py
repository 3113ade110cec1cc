"""Runs on a Dask cluster: the one at an address, or one that is started on this machine.

Machines of the cluster need this program, and the strategy file under the same path.
"""

import collections
import uuid
from typing import Any

from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, run_job
from tradeexecutor.research.executors.protocol import (
    MAX_ATTEMPTS,
    ExecutorNotAvailable,
    count_processors,
    make_lost_row,
)

__all__ = ["DaskExecutor"]

#: Workloads of this process, by name of their executor.
_workloads: dict[str, Workload] = {}


def _keep_workload(name: str, workload: Workload) -> None:
    _workloads[name] = workload


def _drop_workload(name: str) -> None:
    _workloads.pop(name, None)


def _run(name: str, request: RunRequest) -> RunResult:
    return run_job(_workloads[name], request)


class DaskExecutor:
    """An executor on a Dask cluster, see `RunExecutor`."""

    def __init__(self, workload: Workload, jobs: int | None, address: str | None):
        try:
            import distributed
            from dask import config
        except ImportError:
            raise ExecutorNotAvailable(
                "Dask is not installed", "To install it: pip install 'tradeexecutor[dask]'"
            ) from None
        library: Any = distributed
        self._cluster: Any = None
        if address is None:
            with config.set({"distributed.scheduler.allowed-failures": 0}):
                self._cluster = library.LocalCluster(
                    n_workers=jobs or count_processors(),
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    host="127.0.0.1",
                    silence_logs=50,
                )
        try:
            self._client: Any = distributed.Client(address or self._cluster, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ExecutorNotAvailable(f"the Dask cluster {address} cannot be reached: {error}") from None
        self._jobs = jobs or max(sum(self._client.nthreads().values()), 1)
        self._name = uuid.uuid4().hex
        # A plugin reaches every worker, also one that joins later or takes the place of one that died.
        self._client.register_plugin(_make_plugin(distributed.WorkerPlugin, self._name, workload), name=self._name)
        self._requests: dict[Any, RunRequest] = {}
        self._waiting: collections.deque[RunRequest] = collections.deque()
        #: Number of workers that died during a run, by number of the run.
        self._deaths: collections.Counter[int] = collections.Counter()
        self._completed: Any = distributed.as_completed([], loop=self._client.loop)

    @property
    def jobs(self) -> int:
        """Number of runs at once."""
        return self._jobs

    def submit(self, request: RunRequest) -> None:
        """Start a run, or queue it."""
        self._waiting.append(request)
        self._distribute()

    def _distribute(self) -> None:
        # Dask blames every task that a worker has when it dies, so that each gets one.
        while self._waiting and len(self._requests) < self._jobs:
            request = self._waiting.popleft()
            future = self._client.submit(_run, self._name, request, pure=False)
            self._requests[future.key] = request
            self._completed.add(future)

    def get_completed(self) -> RunResult:
        """Wait for the next row; raises LookupError if there is none to wait for."""
        while self._requests:
            future = next(self._completed)
            request = self._requests.pop(future.key)
            try:
                row: RunResult | None = future.result()
            except Exception as error:  # the job returns its own errors as rows
                row = self._start_again(request, error)
            self._distribute()
            if row is not None:
                return row
        raise LookupError("no run was submitted")

    def _start_again(self, request: RunRequest, error: Exception) -> RunResult | None:
        """Queue a run again whose worker died; return its row if that happened too often."""
        self._deaths[request.number] += 1
        if self._deaths[request.number] >= MAX_ATTEMPTS:
            return make_lost_row(request, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        self._waiting.append(request)
        return None

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._waiting.clear()
        # Workers of our own cluster end anyway, and one that is being replaced would not answer.
        if self._cluster is None and self._client.status == "running":
            self._client.unregister_worker_plugin(self._name)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _make_plugin(base: type[Any], name: str, workload: Workload) -> Any:
    class KeepWorkload(base):
        """Gives a worker the workload when it joins, and takes it away at the end."""

        def setup(self, worker: Any) -> None:
            del worker
            _keep_workload(name, workload)

        def teardown(self, worker: Any) -> None:
            del worker
            _drop_workload(name)

    return KeepWorkload()
