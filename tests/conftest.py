"""What every test can ask for: the shared data folder, the real state files in it, the Hypothesis profile."""

import gc
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support import NO_SHARED, find_shared_dir, find_state_files

if TYPE_CHECKING:
    from tests.kit.example_runs import Demo

# A stranger's run of the tests depends on the code alone: "repeatable" tries the same examples every time. `make soak`
# searches for new ones ("search"); each that it finds becomes an `@example` of its test. "thorough" is for the evening
# before a release. Choose with HYPOTHESIS_PROFILE.
_UNHURRIED = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", derandomize=True, **_UNHURRIED)
settings.register_profile("search", **_UNHURRIED)
settings.register_profile("thorough", max_examples=2_000, **_UNHURRIED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "repeatable")

#: Free space that the files of a whole run may need, bytes.
_NEEDED_SPACE = 2 << 30


def _find_memory() -> str | None:
    """A folder in memory with room for all that the tests write; None where there is none."""
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < _NEEDED_SPACE:
        return None
    return None if os.statvfs(folder).f_flag & os.ST_NOEXEC else folder


# A save waits until the disk has it, and the tests save many thousand times: in memory that costs nothing. What happens
# when a disk loses power is tested with simulated files. The processes that tests start use the same folder.
if "TMPDIR" not in os.environ and (_memory := _find_memory()):
    os.environ["TMPDIR"] = tempfile.tempdir = _memory


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a module that is slow as a whole without importing it: some import for seconds."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if re.search(r"^pytestmark = pytest\.mark\.slow$", text, re.MULTILINE) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from looking again and again at modules and tests, which stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `state_file` once for every real state file, named after the file."""
    if "state_file" in metafunc.fixturenames:
        files = find_state_files()
        metafunc.parametrize(
            "state_file",
            files or [pytest.param(None, marks=pytest.mark.skip(reason=NO_SHARED))],
            ids=[path.stem for path in files] or ["absent"],
            scope="session",
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs a local chain as slow: its process alone takes seconds to start."""
    for item in items:
        if "dev_chain_process" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The shared data folder; the test skips where it is absent."""
    path = find_shared_dir()
    if path is None:
        pytest.skip(NO_SHARED)
    return path


@pytest.fixture(scope="session")
def state_files(shared_dir: Path) -> list[Path]:
    """All real state files, smallest first. To run once for each, ask for `state_file` instead."""
    return find_state_files()


@pytest.fixture(scope="session", autouse=True)
def _shared_files_stay_as_they_are() -> Iterator[None]:
    """The superuser may write to files that nobody may write to; no test must."""

    def look() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in find_state_files()}

    before = look()
    yield
    assert look() == before, "a test has changed a file of the shared data folder"


@pytest.fixture(scope="session", autouse=True)
def _writers_are_refused_soon() -> Iterator[None]:
    """Half a second is for a writer that is about to end; in a test it ends before the next one begins, or stays."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("state.files.writer_lock", "database.locks"):
            patch.setattr(f"tradeexecutor.{module}._LOCK_TIMEOUT", 0.1)
        yield


@pytest.fixture(scope="session")
def market_dir(shared_dir: Path) -> Path:
    """The folder of hourly candles (parquet)."""
    return shared_dir / "market"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> "Demo":
    """The results of `tradeexecutor demo`, to read only."""
    from tests.kit.example_runs import run_demo  # loads pandas, for which no other test should wait

    return run_demo(tmp_path_factory.mktemp("demo"))


_LOGGERS = (logging.getLogger(), logging.getLogger("tradeexecutor"))
_LEVELS = [logger.level for logger in _LOGGERS]


def _is_closed(handler: logging.Handler) -> bool:
    return getattr(getattr(handler, "stream", None), "closed", False) is True


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """A command sets the log levels of its process; the tests, and fixtures of whole modules, share theirs.

    A command in a fixture of a whole module leaves a handler whose stream ends before its first test.
    """
    before = [[handler for handler in logger.handlers if not _is_closed(handler)] for logger in _LOGGERS]
    for logger, level, handlers in zip(_LOGGERS, _LEVELS, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers
    yield
    for logger, level, handlers in zip(_LOGGERS, _LEVELS, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers
