"""How a command line says what to do instead of a refused operation: with its own options and commands."""

import shlex

from tradeexecutor.operations.remedy import Remedy

__all__ = ["describe_remedy"]

#: Stands for the state that the command was given.
_PLACE = "STATE_FILE"

_TEXTS = {
    Remedy.name_chain: "Say with --chain which one.",
    Remedy.list_blacklist: f"`tradeexecutor blacklist {_PLACE}` lists what is.",
    Remedy.sell_or_write_off: "Sell it in a simulation with --data, or give it up with --write-off.",
    Remedy.list_issues: f"`tradeexecutor check-trades {_PLACE}` tells what to do about it.",
    Remedy.repair_or_write_off: "This program has no connection to a chain yet. `tradeexecutor repair` gives failed "
    "trades up, `tradeexecutor close-position --write-off` gives up positions.",
    Remedy.choose_later_time: "Choose a later --at.",
    Remedy.choose_time: "Say with --at when to trade.",
    Remedy.repair_first: f"To see how: tradeexecutor repair {_PLACE} --dry-run",
    Remedy.report_refund: "say it with --allocation",
    Remedy.open_position: "--open-missing opens one",
    Remedy.reset: f"To start this strategy again: tradeexecutor reset-state {_PLACE}",
    Remedy.recover: f"To bring it back: tradeexecutor store recover {_PLACE}",
    Remedy.replace_or_elsewhere: "Add --overwrite to replace it, or choose another --output.",
    Remedy.write_elsewhere: "Choose another --output.",
    Remedy.discard: "only --discard works here",
    Remedy.convert_to_file: f"`tradeexecutor store convert {_PLACE} FILE` makes one",
}


def describe_remedy(remedy: Remedy, place: object = None) -> str:
    """Return a remedy as a sentence, or the part of one.

    Parameters
    ----------
    place
        The state that the command was given; None leaves its name open.
    """
    text = _TEXTS[remedy]
    return text if place is None else text.replace(_PLACE, shlex.quote(str(place)))
