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
    SaveFailed,
    StateFileError,
    StoreChanged,
    StoreLocked,
    StoreUnavailable,
    TradeExecutorError,
)
from tradeexecutor.web.remedies import describe_remedy

__all__ = ["TITLES", "Problem", "ProblemRaised", "describe_exception", "describe_failed_command"]

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
        What is wrong.
    remedy
        What to do instead; None where the detail is complete.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str | None = None


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
    remedy
        What to do instead; None if there is nothing to add.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, *, remedy: str | None = None):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.remedy = remedy

    def to_problem(self) -> Problem:
        """Return the body."""
        return Problem(title=TITLES[self.status], status=self.status, detail=self.detail, remedy=self.remedy)


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
    remedy = describe_remedy(getattr(error, "remedy", None))
    return ProblemRaised(status, f"{error}. {hint}" if hint else str(error), remedy=remedy)


def describe_failed_command(error: Exception) -> ProblemRaised:
    """Return the problem of an exception in a command of an operator, who reads why it is refused and what to do."""
    problem = describe_exception(error)
    if isinstance(error, StoreLocked):
        remedy = "Give the command to that process if it serves the state over HTTP; otherwise stop it first."
        return ProblemRaised(409, f"the state is being written by {error.holder}", remedy=remedy)
    if isinstance(error, SaveFailed):
        text = "a power cut may undo it" if error.in_place else "nothing has changed"
        return ProblemRaised(503, f"the state could not be saved ({error.strerror}); {text}")
    if isinstance(error, TradeExecutorError) and not isinstance(error, StateFileError):
        if isinstance(error, OSError):  # a node or a source of prices is not reached
            return ProblemRaised(503, str(error))
        if problem.status == 422:
            return ProblemRaised(409, problem.detail, remedy=problem.remedy)
    return problem


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
