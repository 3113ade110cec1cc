"""What an operator can do when an operation is refused or leaves something as it is.

Operations name the remedy; whoever talks to the operator says it in the terms of its own controls, such as the options
of a command or the buttons of a page.
"""

import enum

__all__ = ["Remedy"]


class Remedy(enum.StrEnum):
    """What to do instead."""

    #: Say on which chain the token is.
    name_chain = "name chain"
    #: Look at the list of the tokens that must not be traded.
    list_blacklist = "list blacklist"
    #: Sell the position at the prices of candles, or write it off.
    sell_or_write_off = "sell or write off"
    #: Look at the issues of the state: each says how it is settled.
    list_issues = "list issues"
    #: Repair failed trades, and write positions off: nothing can be sold in a simulation.
    repair_or_write_off = "repair or write off"
    #: Choose a later time to trade at.
    choose_later_time = "choose later time"
    #: Say at which time to trade.
    choose_time = "choose time"
    #: Repair the state first.
    repair_first = "repair first"
    #: Say whether the capital of the failed trade came back.
    report_refund = "report refund"
    #: Open a position for the tokens that no position holds.
    open_position = "open position"
    #: Empty the state that is there.
    reset = "reset"
    #: Bring an earlier save back.
    recover = "recover"
    #: Replace the damaged result, or write to another folder.
    replace_or_elsewhere = "replace or elsewhere"
    #: Write to another folder.
    write_elsewhere = "write elsewhere"
    #: Throw the detail away: there is no place for an archive.
    discard = "discard"
    #: Make a file of the strategy in the database.
    convert_to_file = "convert to file"
