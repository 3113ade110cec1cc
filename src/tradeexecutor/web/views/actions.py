"""What operators did, as the state has recorded it."""

from typing import Any

from tradeexecutor.operations.operator_commands import is_paused, list_actions
from tradeexecutor.state.state import State
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.records import ActionList, ActionView

__all__ = ["describe_actions", "make_action_list"]


def make_action_list(question: Question) -> Body:
    """Return the recorded actions of operators, the latest first, and whether the strategy is paused."""
    state = question.saved.state
    return encode(ActionList(is_paused=is_paused(state), actions=describe_actions(state)))


def describe_actions(state: State) -> list[ActionView]:
    """Return the recorded actions of operators, the latest first."""
    return [
        ActionView(at=entry["at"], by=entry["by"], action=entry["action"], details=_describe(entry["details"]))
        for entry in reversed(list_actions(state))
    ]


def _describe(details: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in details.items() if value not in ("", None))
