"""Errors as answers: ``application/problem+json`` (RFC 9457), with a status that says whose fault it is."""

import errno

import msgspec
from starlette.exceptions import HTTPException

from tradeexecutor.state.errors import (
    ConcurrentUse,
    DamagedStateFile,
    ImageFailed,
    InvalidStateFile,
    InvalidValue,
    MissingDependency,
    NewerStateFile,
    NothingToDraw,
    OperationRefused,
    PositionNotFound,
    RevisionNotFound,
    StateFileError,
    StoreChanged,
    StoreLocked,
    StoreUnavailable,
    TradeExecutorError,
)

__all__ = ["TITLES", "Problem", "ProblemRaised", "describe_exception"]

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    413: "Request too large",
    414: "Address too long",
    415: "Unsupported media type",
    421: "Misdirected request",
    422: "Nothing to show",
    429: "Too many requests",
    500: "Internal error",
    501: "Not available here",
    503: "Not available now",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error.

    Attributes
    ----------
    type
        Always ``about:blank``: the status says what kind of error it is.
    title
        The kind of error.
    status
        Status of the answer.
    detail
        What is wrong, and what to do about it.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ProblemRaised(Exception):
    """Ends a request with a problem.

    Attributes
    ----------
    status
        Status of the answer.
    detail
        What is wrong.
    headers
        Further headers.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    def to_problem(self) -> Problem:
        """Return the body."""
        return Problem(title=TITLES[self.status], status=self.status, detail=self.detail)


#: Status by class of error; the first match counts.
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (RevisionNotFound, 404),
    (PositionNotFound, 404),
    (StoreLocked, 409),
    (StoreChanged, 409),
    (ConcurrentUse, 409),
    (OperationRefused, 409),
    (StoreUnavailable, 503),
    (DamagedStateFile, 503),
    (NewerStateFile, 503),
    (InvalidStateFile, 503),
    (StateFileError, 503),
    (NothingToDraw, 422),
    (ImageFailed, 501),
    (MissingDependency, 501),
    (InvalidValue, 400),
    (TradeExecutorError, 422),
    (FileNotFoundError, 404),
    (TimeoutError, 503),
    (OSError, 503),
)


def describe_exception(error: Exception) -> ProblemRaised:
    """Return the problem of an exception. The text of unexpected errors, which may show paths, is not sent."""
    if isinstance(error, ProblemRaised):
        return error
    if isinstance(error, HTTPException):  # of the router
        detail = _OF_ROUTER.get(error.status_code, str(error.detail))
        return ProblemRaised(error.status_code, detail, dict(error.headers or {}))
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), None)
    if status is None:
        return ProblemRaised(500, "an unexpected error; the log of the server has the details")
    if isinstance(error, FileNotFoundError):
        return ProblemRaised(404, "nothing was saved there")
    if isinstance(error, TimeoutError):
        return ProblemRaised(503, "this takes longer than 5 seconds; try again", {"Retry-After": "2"})
    if isinstance(error, OSError) and not isinstance(error, StateFileError):
        return ProblemRaised(503, f"the state cannot be read now: {errno.errorcode.get(error.errno or 0, 'error')}")
    if status == 503:
        return ProblemRaised(503, _NOT_READABLE.get(type(error), "the state cannot be read now"))
    hint = getattr(error, "hint", "")
    return ProblemRaised(status, f"{error} {hint}".strip())


_OF_ROUTER = {
    404: "there is no such address; /v1/openapi.json lists them",
    405: "this address does not know that method",
}

#: The texts of these errors contain paths and commands of the machine, which a client does not need.
_NOT_READABLE: dict[type[Exception], str] = {
    DamagedStateFile: "the state file is damaged; `tradeexecutor store verify` says more",
    NewerStateFile: "a newer program has written the state; update this one",
    InvalidStateFile: "the file is not a state",
    StoreUnavailable: "the database cannot be reached now",
}
