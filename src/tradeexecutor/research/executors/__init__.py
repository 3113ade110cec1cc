"""Where runs are computed: on processes of this machine, on a Dask cluster, or on a Ray cluster."""

from tradeexecutor.research.backtest_job import Workload
from tradeexecutor.research.executors.dask_cluster import DaskExecutor
from tradeexecutor.research.executors.processes import ProcessExecutor
from tradeexecutor.research.executors.protocol import ExecutorNotAvailable, RunExecutor, count_processors
from tradeexecutor.research.executors.ray_cluster import RayExecutor

__all__ = ["BACKENDS", "ExecutorNotAvailable", "RunExecutor", "count_processors", "make_executor"]

#: Names for `make_executor`.
BACKENDS = ("processes", "dask", "ray")


def make_executor(
    workload: Workload, backend: str = "processes", jobs: int | None = None, address: str | None = None
) -> RunExecutor:
    """Return an executor for the runs of a workload; it must be closed.

    Parameters
    ----------
    backend
        One of `BACKENDS`.
    jobs
        Number of runs at once; None for one for each processor, of this machine or of the cluster.
    address
        Of a cluster that is running; None starts one on this machine. For ``dask`` and ``ray`` only.

    Raises
    ------
    ExecutorNotAvailable
        There is no such backend, it is not installed, or the cluster cannot be reached.
    """
    if jobs is not None and jobs < 1:
        raise ExecutorNotAvailable(f"the number of jobs must be 1 or more, not {jobs}")
    if backend == "processes":
        if address is not None:
            raise ExecutorNotAvailable("an address is for the backends dask and ray; processes are on this machine")
        return ProcessExecutor(workload, jobs or count_processors())
    if backend == "dask":
        return DaskExecutor(workload, jobs, address)
    if backend == "ray":
        return RayExecutor(workload, jobs, address)
    raise ExecutorNotAvailable(f"there is no backend {backend!r} (there are: {', '.join(BACKENDS)})")
