"""What an operator can do when an operation is refused or changes only a part.

Operations name the remedy; the user interface describes it in terms of its own controls, such as the options of a
command or the buttons of a page.
"""

import enum

__all__ = ["Remedy"]


class Remedy(enum.StrEnum):
    """What to do instead."""

    #: Name the chain of the token.
    name_chain = "name chain"
    #: Look at the list of the tokens that must not be traded.
    list_blacklist = "list blacklist"
    #: Sell the position at the prices of candles, or write it off.
    sell_or_write_off = "sell or write off"
    #: List the issues of the state; each has a remedy.
    list_issues = "list issues"
    #: Trade on the chain, repair failed trades, or write positions off: a chain cannot be simulated.
    repair_or_write_off = "repair or write off"
    #: Choose a later time to trade at.
    choose_later_time = "choose later time"
    #: Choose the time to trade at.
    choose_time = "choose time"
    #: Repair the state first.
    repair_first = "repair first"
    #: Report whether the capital of the failed trade was returned.
    report_refund = "report refund"
    #: Open a position for the tokens that no position holds.
    open_position = "open position"
    #: Reset the existing state.
    reset = "reset"
    #: Restore an earlier save.
    recover = "recover"
    #: Replace the damaged result, or write to another folder.
    replace_or_elsewhere = "replace or elsewhere"
    #: Write to another folder.
    write_elsewhere = "write elsewhere"
    #: Delete the details, because an archive cannot be stored.
    discard = "discard"
    #: Copy the strategy from the database to a file.
    convert_to_file = "convert to file"
    #: Make a state that belongs to a wallet.
    make_live_state = "make live state"
