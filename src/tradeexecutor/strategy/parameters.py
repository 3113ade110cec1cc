"""Strategy parameters: the values of the class in a strategy module, with attribute and item access."""

import datetime
import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ParameterMissing",
    "ParametersNotValid",
    "RollingParameter",
    "RollingParameterValueNotAvailable",
    "StrategyParameters",
    "display_parameters",
]


class ParameterMissing(TradeExecutorError, AttributeError, KeyError):
    """The strategy has no parameter of this name."""

    def __str__(self) -> str:
        # KeyError would show the repr of its argument.
        return str(self.args[0])


#: The historical name: a rolling parameter has no value at a time.
RollingParameterValueNotAvailable = ParameterMissing

#: Values of a parameter by the naive UTC time from which they are valid, see `get_rolling_parameter`.
RollingParameter = dict[datetime.datetime, Any]


class ParametersNotValid(TradeExecutorError, ValueError):
    """The parameters class or dictionary cannot be used."""


class StrategyParameters:
    """Named values of a strategy, readable as ``parameters.fast`` and ``parameters["fast"]``.

    A strategy module declares them as a plain class::

        class Parameters:
            cycle_duration = CycleDuration.cycle_1d
            fast = 20
            slow = 60

    Inherited attributes count; methods, nested classes and names that start with an underscore do not.
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any] | None = None):
        object.__setattr__(self, "_values", dict(values or {}))

    @classmethod
    @contract_signature
    def from_class(cls, parameters_class: type, grid_search: bool = False) -> "StrategyParameters":
        """Return the parameters that a class declares.

        Parameters
        ----------
        parameters_class
            The class itself, not an instance.
        grid_search
            Accepted for compatibility. Values are always taken as they are.

        Raises
        ------
        ParametersNotValid
            It is not a class.
        """
        del grid_search
        if not inspect.isclass(parameters_class):
            raise ParametersNotValid(f"the strategy parameters must be a class, got {parameters_class!r}")
        values: dict[str, Any] = {}
        for base in reversed(parameters_class.__mro__[:-1]):
            for name, value in vars(base).items():
                if name.startswith("_"):
                    continue
                if callable(value) or isinstance(value, (staticmethod, classmethod, property)):
                    values.pop(name, None)
                else:
                    values[name] = value
        return cls(values)

    @classmethod
    @contract_signature
    def from_dict(cls, values: Mapping[str, Any], grid_search: bool = False) -> "StrategyParameters":
        """Return parameters of a dictionary with text keys; raises `ParametersNotValid`."""
        del grid_search
        for name in values:
            if not isinstance(name, str) or not name.isidentifier():  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ParametersNotValid(f"{name!r} cannot be the name of a parameter")
        return cls(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(sorted(self._values)) or "none"
            raise ParameterMissing(f"the strategy has no parameter {name!r} (it has: {known})") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value

    __setitem__ = __setattr__

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StrategyParameters) and self._values == other._values

    def __repr__(self) -> str:
        return f"StrategyParameters({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def keys(self) -> list[str]:
        """Return the names, so that ``dict(parameters)`` works."""
        return list(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; `default` if the strategy does not have the parameter."""
        return self._values.get(name, default)

    def has_parameter(self, name: str) -> bool:
        """Return True if the strategy has the parameter."""
        return name in self._values

    def iterate_parameters(self) -> Iterator[tuple[str, Any]]:
        """Iterate over (name, value) in the order of declaration."""
        return iter(self._values.items())

    def replace(self, **changes: Any) -> "StrategyParameters":
        """Return a copy with some values changed or added."""
        return StrategyParameters({**self._values, **changes})

    def get_rolling_parameter(self, name: str, timestamp: datetime.datetime) -> Any:
        """Return the value that is valid at a time.

        A rolling parameter is a dictionary of values by the naive UTC time from which they are valid. Any other value
        is always valid.

        Raises
        ------
        ParameterMissing
            There is no such parameter, or no value is valid yet.
        """
        value = self[name]
        if not isinstance(value, Mapping):
            return value
        schedule: Mapping[datetime.datetime, Any] = value  # pyright: ignore[reportUnknownVariableType]
        past = [moment for moment in schedule if moment <= timestamp]
        if not past:
            raise ParameterMissing(f"parameter {name!r} has no value in force at {timestamp}")
        return schedule[max(past)]


def display_parameters(parameters: StrategyParameters) -> "pd.DataFrame":
    """Return the parameters as a table for a notebook, a row per name."""
    import pandas as pd

    names, values = zip(*parameters.iterate_parameters(), strict=True) if len(parameters) else ((), ())
    return pd.DataFrame({"Value": list(values)}, index=pd.Index(names, name="Parameter"))
