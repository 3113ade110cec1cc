"""Which combinations to try next: all of them, or random ones. Samplers of Optuna are in `optuna_sampler`."""

import itertools
from collections.abc import Iterator
from typing import Any, Protocol

from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.parameter_space import ParameterNotValid, ParameterSpace

__all__ = ["GridSampler", "RunSampler", "make_random_sampler"]


class RunSampler(Protocol):
    """Chooses combinations one by one.

    Attributes
    ----------
    total
        Number of combinations that it will choose at most.
    learns
        Whether a choice depends on earlier results, so that it is best made late.
    """

    total: int
    learns: bool

    def ask(self) -> dict[str, Any] | None:
        """Return the next combination; None when there are no more."""
        ...

    def tell(self, row: RunResult, *, is_accepted: bool) -> None:
        """Take the result of a combination.

        Parameters
        ----------
        row
            Its row; `parameters` is the dictionary that `ask` returned.
        is_accepted
            Whether the run meets the requirements.
        """
        ...


class GridSampler:
    """Tries combinations in a given order, whatever their results; see `RunSampler`."""

    learns = False

    def __init__(self, combinations: Iterator[dict[str, Any]], total: int):
        self._combinations = combinations
        self.total = total

    @classmethod
    def of_all(cls, space: ParameterSpace) -> "GridSampler":
        """Return the sampler of every combination of a space; raises `ParameterNotValid` if there is none."""
        total = space.size
        if space.conditions:
            total = sum(1 for _ in space.iterate_grid())
        if not total:
            conditions = " and ".join(condition.text for condition in space.conditions)
            raise ParameterNotValid(f"no combination of the parameters meets {conditions}")
        return cls(space.iterate_grid(), total)

    def ask(self) -> dict[str, Any] | None:
        """Return the next combination."""
        return next(self._combinations, None)

    def tell(self, row: RunResult, *, is_accepted: bool) -> None:
        """Take a result, and do nothing with it."""


def make_random_sampler(space: ParameterSpace, runs: int, seed: int) -> GridSampler:
    """Return the sampler of random combinations, each once; raises `ParameterNotValid` if there is none.

    Parameters
    ----------
    runs
        Number of combinations; fewer if the space has no more.
    seed
        The same seed chooses the same combinations.
    """
    chosen = list(itertools.islice(space.iterate_random(seed), runs))
    if not chosen:
        conditions = " and ".join(condition.text for condition in space.conditions)
        raise ParameterNotValid(f"no combination of the parameters meets {conditions}")
    return GridSampler(iter(chosen), len(chosen))
