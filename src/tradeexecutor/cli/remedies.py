"""Remedies for refused operations, in terms of command line options and commands."""

import shlex

from tradeexecutor.operations.remedy import Remedy

__all__ = ["describe_remedy"]

#: Placeholder of the location of the state in the texts.
_STATE_ARGUMENT = "STATE_FILE"

_TEXTS = {
    Remedy.name_chain: "Choose the chain with --chain.",
    Remedy.list_blacklist: f"`tradeexecutor blacklist {_STATE_ARGUMENT}` lists the blacklisted tokens.",
    Remedy.sell_or_write_off: "Sell it in a simulation with --data, or write it off with --write-off.",
    Remedy.list_issues: f"`tradeexecutor check-trades {_STATE_ARGUMENT}` shows what to do about it.",
    Remedy.repair_or_write_off: "Trades on a chain cannot be simulated: --chain sends them there. "
    "`tradeexecutor repair` settles failed trades, `tradeexecutor close-position --write-off` writes positions off.",
    Remedy.choose_later_time: "Choose a later --at.",
    Remedy.choose_time: "Choose the time to trade with --at.",
    Remedy.repair_first: f"To see how: tradeexecutor repair {_STATE_ARGUMENT} --dry-run",
    Remedy.report_refund: "record it with --allocation",
    Remedy.open_position: "--open-missing opens one",
    Remedy.reset: f"To start this strategy again: tradeexecutor reset-state {_STATE_ARGUMENT}",
    Remedy.recover: f"To recover it: tradeexecutor store recover {_STATE_ARGUMENT}",
    Remedy.replace_or_elsewhere: "Add --overwrite to replace it, or choose another --output.",
    Remedy.write_elsewhere: "Choose another --output.",
    Remedy.discard: "only --discard works here",
    Remedy.convert_to_file: f"`tradeexecutor store convert {_STATE_ARGUMENT} FILE` makes one",
    Remedy.make_live_state: "`tradeexecutor start --new` makes a state that has one.",
}


def describe_remedy(remedy: Remedy, place: object = None) -> str:
    """Return a remedy as a sentence or a phrase.

    Parameters
    ----------
    place
        Location of the state that the command works on; None leaves a placeholder.
    """
    text = _TEXTS[remedy]
    return text if place is None else text.replace(_STATE_ARGUMENT, shlex.quote(str(place)))
