"""The wall clock of the program."""

import datetime


def utc_now() -> datetime.datetime:
    """Return the present as naive UTC, the form of every time in the state."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
