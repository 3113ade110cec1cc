"""What is said about a state that stands beside the one that is looked at."""

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State

__all__ = ["describe_mismatch", "name_columns"]


def name_columns(state: State, other: State) -> tuple[str, str]:
    """Return the headings of figures of two states: what each is, or, where both are the same, which comes first."""
    names = [_name(item) for item in (state, other)]
    return (names[0], names[1]) if names[0] != names[1] else (f"This {names[0].lower()}", f"Other {names[1].lower()}")


def _name(state: State) -> str:
    return "Live" if state.backtest_data is None else "Backtest"


def describe_mismatch(state: State, other: State) -> str:
    """Return why two states can hardly be of one strategy; empty when they may be.

    They are told apart by name, and by what they trade: the base tokens, because a backtest may trade against another
    stablecoin than the live strategy.
    """
    reasons: list[str] = []
    if state.name and other.name and state.name != other.name:
        reasons.append(f"one is called {state.name!r}, the other {other.name!r}")
    traded, tested = _list_bases(state), _list_bases(other)
    if traded and tested and not traded & tested:
        reasons.append(f"one traded {_join(traded)}, the other {_join(tested)}")
    if not reasons:
        return ""
    return f"These are hardly runs of the same strategy: {'; '.join(reasons)}."


def _list_bases(state: State) -> set[str]:
    pairs: set[TradingPairIdentifier] = {position.pair for position in state.portfolio.get_all_positions()}
    return {(pair.underlying_spot_pair or pair).base.token_symbol for pair in pairs}


def _join(names: set[str]) -> str:
    shown = sorted(names)[:6]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
