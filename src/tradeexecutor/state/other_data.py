"""Variables that a strategy stores in its state."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import TextKeeper
from tradeexecutor.state.codec.kept_groups import KEEP_TEXTS
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import JSONObject


def _no_data() -> dict[int, JSONObject]:
    return defaultdict(dict)


@dataclass(slots=True)
class OtherData(TextKeeper):
    """Values by cycle number and name. They must be JSON data: a datetime is a number after loading."""

    #: Cycle -> name -> value.
    data: dict[int, JSONObject] = field(default_factory=_no_data, metadata=KEEP_TEXTS)

    def __post_init__(self) -> None:
        check_values(self)
        if type(self.data) is not defaultdict:
            self.data = defaultdict(dict, self.data)

    def save(self, cycle: int, name: str, value: Any) -> None:
        """Store a value under a name and the number of the cycle in which it was computed.

        Raises
        ------
        InvalidValue
            The cycle is not an int, or the name not a str.
        """
        if type(cycle) is not int:
            raise InvalidValue(f"cycle must be exactly an int, got {cycle!r}")
        if type(name) is not str:
            raise InvalidValue(f"name must be exactly a str, got {name!r}")
        self.data.setdefault(cycle, {})[name] = value

    def get_latest_stored_cycle(self) -> int:
        """Return the highest cycle number with data; 0 without data."""
        return max(self.data, default=0)

    def load_latest(self, name: str, default: Any = None) -> Any:
        """Return a value of the latest stored cycle; `default` when that cycle does not contain it.

        Earlier cycles are not searched.
        """
        return self.data.get(self.get_latest_stored_cycle(), {}).get(name, default)
