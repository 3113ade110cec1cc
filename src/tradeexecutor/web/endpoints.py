"""A table of what can be asked for: addresses, parameters and answers.

The table is the only description of the interface. Requests are routed and their parameters are checked by it, and the
OpenAPI document is made from it.
"""

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tradeexecutor.operations.operator_commands import CommandQueue
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.web.caching import Body, Computations
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.sources import Catalogue, Saved, Strategy
from tradeexecutor.web.summary import Description, ProcessStatus

__all__ = ["Endpoint", "Parameter", "Question", "Site", "encode"]

#: Number of parsed states that are kept.
_MAX_TREES = 8

#: Longest text of a parameter.
_MAX_VALUE = 400

_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an address.

    Attributes
    ----------
    name
        Its name.
    type
        Type with its limits, as msgspec knows them.
    description
        What it means.
    default
        Value if it is left out; without one it is required.
    in_path
        Whether it is part of the path.
    """

    name: str
    type: Any
    description: str
    default: Any = _REQUIRED
    in_path: bool = False

    @property
    def is_required(self) -> bool:
        """Return True if the parameter must be given."""
        return self.default is _REQUIRED

    def read(self, text: str | None) -> Any:
        """Return the value of a text.

        Raises
        ------
        ProblemRaised
            The text is not valid, or the parameter is missing.
        """
        if text is None:
            if self.is_required:
                raise ProblemRaised(400, f"the parameter {self.name} is missing")
            return self.default
        try:
            if len(text) > _MAX_VALUE or "\0" in text:
                raise msgspec.ValidationError("the text is too long or has control characters")
            return msgspec.convert(text, self.type, strict=False)
        except (msgspec.ValidationError, OverflowError) as error:
            status = 404 if self.in_path else 400
            raise ProblemRaised(status, f"{self.name}: {error}") from None


@dataclass(slots=True)
class Site:
    """Everything that answers are made from.

    Attributes
    ----------
    catalogue
        The strategies.
    computations
        Threads and kept results.
    descriptions, statuses, sources, charts
        By id of a strategy: what is published about it, its process, the text of its program, and the charts that its
        program defines.
    queues
        By id of a strategy that this process runs: where its commands go.
    logs
        Log messages of this process, oldest first.
    """

    catalogue: Catalogue
    computations: Computations = field(default_factory=Computations)
    descriptions: dict[str, Description] = field(default_factory=dict[str, Description])
    statuses: dict[str, ProcessStatus] = field(default_factory=dict[str, ProcessStatus])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    charts: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    queues: dict[str, CommandQueue] = field(default_factory=dict[str, CommandQueue])
    logs: "deque[dict[str, Any]]" = field(default_factory=lambda: deque(maxlen=2_000))
    _trees: "OrderedDict[str, dict[str, Any]]" = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def describe(self, strategy: Strategy) -> Description:
        """Return what is published about a strategy."""
        return self.descriptions.get(strategy.id) or Description()

    def get_tree(self, saved: Saved) -> dict[str, Any]:
        """Return the JSON tree of a save, which must not be changed."""
        with self._lock:
            tree = self._trees.get(saved.key)
            if tree is None:
                tree = self._trees[saved.key] = saved.read_tree()
                while len(self._trees) > _MAX_TREES:
                    self._trees.popitem(last=False)
            else:
                self._trees.move_to_end(saved.key)
            return tree


@dataclass(frozen=True, slots=True)
class Question:
    """A request about one save of a strategy.

    Attributes
    ----------
    site
        Everything that is served.
    strategy, saved
        The strategy, and the save that is asked about.
    values
        Values of the parameters by name.
    """

    site: Site
    strategy: Strategy
    saved: Saved
    values: Mapping[str, Any]

    @property
    def place(self) -> StateLocation:
        """Location of the state."""
        return self.strategy.place

    @property
    def tree(self) -> dict[str, Any]:
        """JSON tree of the save, which must not be changed."""
        return self.site.get_tree(self.saved)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address about a strategy.

    Attributes
    ----------
    path
        Path below the strategy, e.g. ``/positions``.
    answer
        Type of the answer.
    make
        Computes the answer, in a thread.
    parameters
        Parameters, those in the path included.
    media_types
        Types of the content.
    is_stable
        Whether the answer depends only on the save, so that it can be kept and needs not be sent twice.
    is_slow
        Whether it is a picture or a report, for which browsers wait longer.
    problems
        Statuses of errors that are to be expected, in addition to those of all addresses.
    """

    path: str
    answer: Any
    make: Callable[[Question], Body]
    parameters: tuple[Parameter, ...]
    media_types: tuple[str, ...]
    is_stable: bool
    is_slow: bool
    problems: tuple[int, ...]

    @classmethod
    def of(
        cls,
        path: str,
        answer: Any,
        make: Callable[[Question], Body],
        *parameters: Parameter,
        media_types: tuple[str, ...] = ("application/json",),
        is_stable: bool = True,
        is_slow: bool = False,
        problems: tuple[int, ...] = (),
    ) -> "Endpoint":
        """Return an endpoint whose parameters are listed."""
        return cls(path, answer, make, parameters, media_types, is_stable, is_slow, problems)

    @property
    def summary(self) -> str:
        """What it returns, for the documentation: the first line of the function's docstring."""
        return (self.make.__doc__ or "").strip().split("\n")[0]

    @property
    def name(self) -> str:
        """Name in the documentation, from the function."""
        return self.make.__name__.removeprefix("make_")

    def read_values(self, path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
        """Return the checked parameters; unknown ones are ignored. Raises `ProblemRaised`."""
        return {
            parameter.name: parameter.read((path if parameter.in_path else query).get(parameter.name))
            for parameter in self.parameters
        }


def encode(answer: Any) -> Body:
    """Return an answer as JSON."""
    return Body(msgspec.json.encode(answer))


def make_etag(*parts: object) -> str:
    """Return a weak entity tag of parts; it is the same for all compressions of an answer."""
    return f'W/"{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'
