"""What an operator can do when a command over HTTP is refused."""

from tradeexecutor.operations.remedy import Remedy

__all__ = ["describe_remedy"]

_ON_THE_MACHINE = "On the machine of the strategy,"

_TEXTS = {
    Remedy.sell_or_write_off: "Name the `data` at whose prices a simulation sells it, or set `write_off`.",
    Remedy.list_issues: f"{_ON_THE_MACHINE} `tradeexecutor check-trades` shows what to do about it.",
    Remedy.repair_first: f"{_ON_THE_MACHINE} `tradeexecutor repair` settles it, and shows how with --dry-run.",
    Remedy.repair_or_write_off: "Trades on a chain cannot be simulated. Give the command to the running strategy, "
    f"which trades there. {_ON_THE_MACHINE} `tradeexecutor repair` settles failed trades; with `write_off` a position "
    "is written off.",
    Remedy.choose_time: f"{_ON_THE_MACHINE} the same command takes the time of the trades.",
    Remedy.choose_later_time: f"{_ON_THE_MACHINE} the same command takes a later time of the trades.",
}


def describe_remedy(remedy: str | None) -> str | None:
    """Return what to do instead; None where an error has no remedy, or none for commands over HTTP.

    Parameters
    ----------
    remedy
        Value of `Remedy`.
    """
    return None if remedy is None else _TEXTS.get(Remedy(remedy))
