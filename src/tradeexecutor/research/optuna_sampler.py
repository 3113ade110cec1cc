"""Samplers of Optuna, asked and told one run at a time.

What a study has learned is in a journal file of Optuna, so that a search that was killed continues where it was: its
completed runs are repeated first (their rows are read from the journal of runs), then the ones that were not finished.
"""

import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.parameter_space import ParameterNotValid, ParameterSpace
from tradeexecutor.research.run_figures import Objective
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["OPTUNA_SAMPLERS", "OptunaNotInstalled", "OptunaSampler"]

#: Tree-structured Parzen estimator, and the genetic algorithm NSGA-II, which is made for several objectives.
OPTUNA_SAMPLERS = ("tpe", "nsga2")

#: How often the sampler may propose a combination that the conditions of the space refuse, before a random one that
#: they allow is tried.
_MOST_REFUSED = 50

_ACCEPTED = "accepted"


class OptunaNotInstalled(TradeExecutorError, ImportError):
    """The sampler needs Optuna.

    Attributes
    ----------
    hint
        How to install it.
    """

    def __init__(self) -> None:
        super().__init__("Optuna is not installed, and this sampler needs it")
        self.hint = "To install it: pip install 'tradeexecutor[optimize]'. The samplers grid and random need nothing."


class OptunaSampler:
    """A sampler that chooses by the results of earlier runs, see `RunSampler`.

    Parameters
    ----------
    space, objectives
        What to search, and for what.
    runs
        Number of combinations to choose, those of an earlier, interrupted search included.
    kind
        One of `OPTUNA_SAMPLERS`.
    seed
        Seed of what is random.
    storage, study
        File of the study, and the name of the study in it; without a file nothing is stored.

    Raises
    ------
    OptunaNotInstalled
        Optuna is not installed.
    """

    learns = True

    def __init__(
        self,
        space: ParameterSpace,
        objectives: Sequence[Objective],
        runs: int,
        *,
        kind: str = "tpe",
        seed: int = 0,
        storage: Path | None = None,
        study: str = "",
    ):
        try:
            import optuna
        except ImportError:
            raise OptunaNotInstalled from None
        if not any(True for _ in space.iterate_random(seed)):
            raise ParameterNotValid("no combination of the parameters meets the conditions")
        self.total = runs
        self._optuna: Any = optuna
        self._space = space
        self._objectives = tuple(objectives)
        self._random = space.iterate_random(seed)
        self._asked = 0
        #: Trials whose combination was chosen, by identity of the combination.
        self._trials: dict[int, tuple[dict[str, Any], Any]] = {}
        self._study = _open_study(optuna, kind, seed, objectives, storage, study)
        self._earlier = self._take_up()

    def ask(self) -> dict[str, Any] | None:
        """Return the next combination; None when there were enough."""
        if self._asked >= self.total:
            return None
        self._asked += 1
        if self._earlier:
            return self._earlier.popleft()
        for _ in range(_MOST_REFUSED):
            combination, trial = self._ask_study()
            if self._space.allows(combination):
                break
            self._tell_failed(trial)
        else:
            self._enqueue_random()
            combination, trial = self._ask_study()
        self._trials[id(combination)] = (combination, trial)
        return combination

    def tell(self, row: RunResult, *, is_accepted: bool) -> None:
        """Take a result. A failed run, and one without a value, teaches only that it failed."""
        _, trial = self._trials.pop(id(row.parameters), (None, None))
        if trial is None:  # of an earlier search: the study contains it
            return
        trial.set_user_attr(_ACCEPTED, is_accepted)
        if row.is_failed or None in row.objectives:
            self._tell_failed(trial)
        else:
            self._study.tell(trial, list(row.objectives))

    def _tell_failed(self, trial: Any) -> None:
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _ask_study(self) -> tuple[dict[str, Any], Any]:
        trial = self._study.ask()
        combination: dict[str, Any] = {}
        for item in self._space.parameters:
            # Values are chosen by their place: any value can be one, and steps of decimals stay exact.
            last = len(item.values) - 1
            if item.is_ordered:
                place = trial.suggest_int(item.name, 0, last)
            else:
                place = trial.suggest_categorical(item.name, list(range(last + 1)))
            combination[item.name] = item.values[place]
        return combination, trial

    def _enqueue_random(self) -> None:
        combination = next(self._random, None)
        if combination is None:
            self._random = self._space.iterate_random(0)
            combination = next(self._random)
        self._study.enqueue_trial(
            {item.name: item.values.index(combination[item.name]) for item in self._space.parameters}
        )

    def _take_up(self) -> deque[dict[str, Any]]:
        """Return the combinations of an earlier search, and let those that it did not finish be tried again."""
        states = self._optuna.trial.TrialState
        finished: deque[dict[str, Any]] = deque()
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == states.COMPLETE:
                finished.append({item.name: item.values[trial.params[item.name]] for item in self._space.parameters})
            elif trial.state == states.RUNNING:
                self._study.tell(trial.number, state=states.FAIL)
                if len(trial.params) == len(self._space.parameters):
                    self._study.enqueue_trial(trial.params)
        return finished


def _open_study(
    optuna: Any, kind: str, seed: int, objectives: Sequence[Objective], storage: Path | None, study: str
) -> Any:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = ["minimize" if item.is_low else "maximize" for item in objectives]
    with warnings.catch_warnings():
        # Optuna warns that constant_liar and constraints may change in a later version; the lock file pins it.
        warnings.simplefilter("ignore")
        if kind == "tpe":
            # constant_liar: runs that are under way count as bad, so that parallel runs try different combinations.
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True, constraints_func=_measure_violation)
        else:
            sampler = optuna.samplers.NSGAIISampler(seed=seed, constraints_func=_measure_violation)
        backend = None
        if storage is not None:
            storage.parent.mkdir(parents=True, exist_ok=True)
            backend = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(storage)))
        return optuna.create_study(
            study_name=study or None, storage=backend, sampler=sampler, directions=directions, load_if_exists=True
        )


def _measure_violation(trial: Any) -> tuple[float]:
    """Return how far a run is from meeting the requirements: above zero if it does not."""
    return (0.0 if trial.user_attrs.get(_ACCEPTED, True) else 1.0,)
