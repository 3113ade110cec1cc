"""Check what a release uploads: `make release-check`.

Builds the wheel and the source distribution, checks their descriptions and contents, and installs the wheel in an empty
environment of every Python that is found, from binary wheels only, as on a machine without a compiler. For the other
supported versions of Python it checks that every dependency has such a wheel. A failure ends it with exit code 1.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DIST = REPOSITORY / "build" / "release"

#: Supported versions of Python.
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

#: What the wheel and the source distribution have to contain, and must not.
WHEEL_HAS = (
    "tradeexecutor/py.typed",
    "tradeexecutor/examples/trend_following.py",
    "tradeexecutor/backtest/datasets/goog-daily.parquet",
    "tradeexecutor/report/templates/",
)
SDIST_HAS = (
    "src/tradeexecutor/py.typed",
    "tests/conftest.py",
    "docs/README.md",
    "Makefile",
    "requirements.lock",
    "LICENSE",
)
NEVER = re.compile(r"(^|/)(tests?|docs|benchmarks|clients)/|__pycache__|\.pyc$|/\.|\.env$|state\.json$")
NEVER_IN_SDIST = re.compile(r"__pycache__|\.pyc$|/\.venv|/node_modules/|/build/|/dist/")

#: Largest wheel, bytes.
LARGEST = 5_000_000


class CheckFailed(Exception):
    """A release must not have this."""


def run(*command: str | Path, **options: object) -> str:
    """Run a command, and return its output; raises `CheckFailed` with the output if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise CheckFailed(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def build() -> tuple[Path, Path]:
    """Build both files, and return their paths."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "hatchling", "build", "-d", DIST, cwd=REPOSITORY)
    (wheel,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, source


def check_version(wheel: Path) -> str:
    """Return the version; raises `CheckFailed` if the changelog does not know it."""
    version = wheel.name.split("-")[1]
    if f"## [{version}]" not in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"):
        raise CheckFailed(f"CHANGELOG.md has no section for version {version}")
    return version


def check_names(what: str, names: Iterable[str], needed: Iterable[str], forbidden: re.Pattern[str]) -> None:
    """Raise `CheckFailed` if a file is missing, or one is there that must not be."""
    names = list(names)
    missing = [name for name in needed if not any(entry.startswith(name) for entry in names)]
    if missing:
        raise CheckFailed(f"the {what} lacks {', '.join(missing)}")
    wrong = [name for name in names if forbidden.search(name)]
    if wrong:
        raise CheckFailed(f"the {what} has {', '.join(wrong[:10])}")


def check_contents(wheel: Path, source: Path) -> None:
    """Check what is in both files."""
    with zipfile.ZipFile(wheel) as archive:
        check_names("wheel", archive.namelist(), WHEEL_HAS, NEVER)
    if wheel.stat().st_size > LARGEST:
        raise CheckFailed(f"the wheel has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}")
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        check_names("source distribution", names, SDIST_HAS, NEVER_IN_SDIST)


def find_pythons() -> dict[str, Path]:
    """Return an interpreter of each supported version that is on this machine."""
    found: dict[str, Path] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        path = shutil.which(f"python{version}")
        candidates = [*([Path(path)] if path else []), *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
        # What pyenv puts into the path may name a version that is not switched on.
        works = (
            one
            for one in candidates
            if subprocess.run([one, "-c", ""], capture_output=True, check=False).returncode == 0
        )
        first = next(works, None)
        if first is not None:
            found[version] = first
    return found


def try_install(python: Path, wheel: Path, folder: Path) -> None:
    """Install the wheel in an empty environment without a compiler, and use it."""
    run(python, "-m", "venv", folder / "env")
    own = folder / "env" / "bin"
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    settings |= {"CC": "/bin/false", "CXX": "/bin/false", "PATH": f"{own}:/usr/bin:/bin"}
    pip = (own / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--only-binary", ":all:", wheel, env=settings, cwd=folder)
    run(*pip, "check", env=settings, cwd=folder)
    run(own / "tradeexecutor", "version", env=settings, cwd=folder)
    run(own / "tradeexecutor", "demo", "--output", "demo", env=settings, cwd=folder)
    run(own / "tradeexecutor", "audit", "demo/trend_following/state.json", env=settings, cwd=folder)


def check_wheels_exist(version: str, wheel: Path, extras: Iterable[str], folder: Path) -> None:
    """Raise `CheckFailed` if a dependency has no binary wheel for a version of Python.

    uv resolves for that version; pip would evaluate the markers of the running one.
    """
    uv = REPOSITORY / "build" / "uv"
    if not (uv / "bin" / "uv").exists():
        run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", uv, "uv")
    wanted = folder / "wanted.in"
    wanted.write_text(f"tradeexecutor[{','.join(extras)}] @ {wheel.as_uri()}\n", encoding="utf-8")
    options = ("--quiet", "--only-binary", ":all:", "--python-version", version, "--output-file", folder / "wanted.txt")
    run(uv / "bin" / "uv", "pip", "compile", *options, wanted)


def read_extras() -> list[str]:
    """Return the extras that users install, without those of developers and of clusters."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return sorted(set(project["optional-dependencies"]) - {"dev", "build", "docs", "ray", "dask"})


def main() -> int:
    """Run all checks, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-install", action="store_true", help="check the files only")
    arguments = parser.parse_args()
    try:
        wheel, source = build()
        print(
            f"built {wheel.name} ({wheel.stat().st_size:,} bytes) and {source.name} ({source.stat().st_size:,} bytes)"
        )
        print(run(sys.executable, "-m", "twine", "check", "--strict", wheel, source).strip())
        check_contents(wheel, source)
        print("contents are complete, and nothing else is in them")
        print(f"the changelog knows version {check_version(wheel)}")
        if arguments.no_install:
            return 0
        pythons = find_pythons()
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as name:
                if version in pythons:
                    try_install(pythons[version], wheel, Path(name))
                    print(f"Python {version}: installed without a compiler, and ran the demo")
                else:
                    print(f"Python {version}: not on this machine, only the wheels of its dependencies are checked")
                check_wheels_exist(version, wheel, read_extras(), Path(name))
                print(f"Python {version}: every dependency of {', '.join(read_extras())} has a wheel")
    except CheckFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
