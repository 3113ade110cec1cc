"""Import path of existing code: logging of tests and notebooks."""

import logging
import sys
from pathlib import Path

from tradeexecutor.state.contract import contract_signature

__all__ = ["setup_custom_log_levels", "setup_file_logging", "setup_logging", "setup_pytest_logging"]

#: A level between INFO and WARNING for what a trader should see.
TRADE_LEVEL = 25

_FORMAT = "%(asctime)s %(name)-40s %(levelname)-8s %(message)s"


def setup_custom_log_levels() -> None:
    """Give the level for trades its name, so that it can be used in settings."""
    logging.addLevelName(TRADE_LEVEL, "TRADE")


@contract_signature
def setup_logging(log_level: str | int | None = "info", in_memory_buffer: bool = False) -> logging.Logger:
    """Log to the standard error stream, and return the root logger.

    Parameters
    ----------
    log_level
        Name or number of a level; None, ``disabled`` or ``none`` for warnings only.
    in_memory_buffer
        Accepted for existing code.
    """
    del in_memory_buffer
    setup_custom_log_levels()
    logging.basicConfig(level=_to_level(log_level), format=_FORMAT, stream=sys.stderr)
    return logging.getLogger()


@contract_signature
def setup_pytest_logging(request: object = None, mute_requests: bool = True) -> logging.Logger:
    """Return the root logger of a test run; pytest collects what it logs.

    Parameters
    ----------
    request
        Accepted for existing tests.
    mute_requests
        Whether HTTP clients log warnings only.
    """
    del request
    setup_custom_log_levels()
    if mute_requests:
        for name in ("requests", "urllib3", "web3"):
            logging.getLogger(name).setLevel(logging.WARNING)
    return logging.getLogger()


@contract_signature
def setup_file_logging(
    log_filename: Path | str, log_level: str | int | None = "info", http_logging: bool = False
) -> logging.Handler:
    """Log to a file in addition, and return its handler.

    Parameters
    ----------
    log_filename
        File that is appended to.
    log_level
        As in `setup_logging`.
    http_logging
        Whether requests of HTTP clients are logged, too.
    """
    handler = logging.FileHandler(log_filename, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.setLevel(_to_level(log_level))
    logging.getLogger().addHandler(handler)
    logging.getLogger("urllib3").setLevel(logging.DEBUG if http_logging else logging.WARNING)
    return handler


def _to_level(level: str | int | None) -> int:
    if isinstance(level, int):
        return level
    if level is None or level.lower() in ("disabled", "none"):
        return logging.WARNING
    return logging.getLevelNamesMapping()[level.upper()]
