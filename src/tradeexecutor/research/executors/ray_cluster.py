"""Runs on a Ray cluster: the one at an address, or one that is started on this machine.

Machines of the cluster need this program, and the strategy file under the same path.
"""

import os
from typing import Any

from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, run_job
from tradeexecutor.research.executors.protocol import (
    MAX_ATTEMPTS,
    ExecutorNotAvailable,
    count_processors,
    make_lost_row,
)

__all__ = ["RayExecutor"]


class RayExecutor:
    """An executor on a Ray cluster, see `RunExecutor`."""

    def __init__(self, workload: Workload, jobs: int | None, address: str | None):
        try:
            import ray
        except ImportError:
            raise ExecutorNotAvailable(
                "Ray is not installed", "To install it: pip install 'tradeexecutor[ray]'"
            ) from None
        self._ray: Any = ray
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
            settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
            if address is None:
                settings |= {"num_cpus": jobs or count_processors(), "_node_ip_address": "127.0.0.1"}
            else:
                settings = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
            try:
                ray.init(**settings)
            except (OSError, RuntimeError, ValueError) as error:
                raise ExecutorNotAvailable(f"the Ray cluster {address or ''} cannot be used: {error}") from None
        self._jobs = jobs or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self._workload: Any = ray.put(workload)
        self._run: Any = ray.remote(max_retries=MAX_ATTEMPTS - 1)(run_job)
        self._requests: dict[Any, RunRequest] = {}

    @property
    def jobs(self) -> int:
        """Number of runs at once."""
        return self._jobs

    def submit(self, request: RunRequest) -> None:
        """Start a run, or queue it."""
        self._requests[self._run.remote(self._workload, request)] = request

    def get_completed(self) -> RunResult:
        """Wait for the next row; raises LookupError if there is none to wait for."""
        if not self._requests:
            raise LookupError("no run was submitted")
        (done,), _ = self._ray.wait(list(self._requests), num_returns=1)
        request = self._requests.pop(done)
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayError as error:  # the job returns its own errors as rows
            return make_lost_row(request, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def close(self) -> None:
        """Cancel what runs; a cluster that was started here ends."""
        for reference in self._requests:
            self._ray.cancel(reference, force=True)
        self._requests.clear()
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()
