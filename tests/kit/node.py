"""The TypeScript package, built once, for tests that run Node.js."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "clients" / "typescript"
OLDEST_NODE = 20


def skip_without_node() -> None:
    """Skip the test where Node.js is missing or too old, or where zod and the compiler cannot be installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed")
    version = run(["node", "--version"]).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js is {version.strip()}, {OLDEST_NODE} or newer is needed")


def run(command: Sequence[str], *, cwd: Path = PACKAGE, timeout: int = 240) -> subprocess.CompletedProcess[str]:
    """Return a finished process; a failure is in its exit code."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)


def build_package(folder: Path) -> Path:
    """Return a copy of the package in `folder`, installed and built; processes that share `folder` build it once.

    It is a copy, so that tests never change the checkout.
    """
    skip_without_node()
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "package"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "failed").exists():
            pytest.skip((folder / "failed").read_text())
        if not (folder / "built").exists():
            ignored = shutil.ignore_patterns("node_modules", "dist", "*.tgz")
            shutil.copytree(PACKAGE, package, ignore=ignored, dirs_exist_ok=True)
            installed = run(["npm", "ci", "--prefer-offline", "--no-progress"], cwd=package)
            if installed.returncode:
                reason = f"npm cannot install the package's dependencies: {installed.stderr[-300:]}"
                (folder / "failed").write_text(reason)
                pytest.skip(reason)
            built = run(["npm", "run", "build"], cwd=package)
            assert built.returncode == 0, built.stdout + built.stderr
            (folder / "built").touch()
    return package


def read_files(package: Path, paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return what the zod schema says about files, by path: `issues`, and whether all they contain is `kept`."""
    done = run(["node", "test/files.mjs", *map(str, paths)], cwd=package)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
