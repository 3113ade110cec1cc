"""The clock of the program."""

import datetime


def utc_now() -> datetime.datetime:
    """Return the present time as naive UTC, like every time in the state."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
