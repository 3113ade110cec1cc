"""How many recorded reference values this project reproduces, and the floor that must not be undercut.

    python -m tests.golden.floor            measure, print, exit 1 when a count is below its floor
    python -m tests.golden.floor --raise    the same, then write the measured counts as the new floors

The comparisons are scripts of the shared data folder; each prints the values that differ. Here only their counts
matter. The floors stand in `.ci/golden-floor.json`, {"accessors": count, "statistics": count}. A floor of 0, or none,
means that nothing has been promised yet: a comparison that cannot run at all is then reported as "not measured yet".
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import NO_SHARED, REPOSITORY, find_shared_dir

FLOOR_FILE = REPOSITORY / ".ci" / "golden-floor.json"

#: Name of a floor -> the script of the shared folder's `golden/` that measures it, and the folders of states and
#: recorded values where these are not the real files. "made" are states of the reference's own tests, for kinds of
#: positions that the real files lack.
COMPARISONS: dict[str, tuple[str, ...]] = {
    "accessors": ("compare.py",),
    "statistics": ("compare_statistics.py",),
    "made accessors": ("compare.py", "made/states", "made/golden"),
    "made statistics": ("compare_statistics.py", "made/states", "made/golden-statistics"),
}

LAST_LINE = re.compile(r"^(\d+) of (\d+) reference \w+ agree \(", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """The outcome of one comparison."""

    name: str

    #: How many recorded values agree and how many were compared; both None when the comparison could not run.
    agree: int | None
    total: int | None

    #: What the script printed.
    output: str

    @classmethod
    def parse(cls, name: str, output: str) -> "Measurement":
        """Read the counts off the summary line, which comes last."""
        found = LAST_LINE.findall(output)
        agree, total = map(int, found[-1]) if found else (None, None)
        return cls(name, agree, total, output)


def measure(name: str, shared: Path) -> Measurement:
    """Run one comparison. Its exit status is ignored: it is non-zero as soon as one value differs."""
    script, *folders = COMPARISONS[name]
    command = [sys.executable, "-X", "utf8", str(shared / "golden" / script)]
    if folders:
        states, recorded = (str(shared / folder) for folder in folders)
        command += ["--states", states, "--golden", recorded]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600, check=False, cwd=REPOSITORY)
    return Measurement.parse(name, done.stdout + done.stderr)


def judge(measurement: Measurement, floor: int) -> tuple[bool, str]:
    """Whether the floor holds, and one line that says so with the numbers."""
    name, agree, total = measurement.name, measurement.agree, measurement.total
    if agree is None or total is None:
        if floor == 0:
            reason = output.splitlines()[-1] if (output := measurement.output.strip()) else "no output"
            return True, f"golden {name}: not measured yet, no floor is set ({reason})"
        return False, f"golden {name}: the comparison does not run, but the floor is {floor}"
    line = f"golden {name}: {agree} of {total} agree, floor {floor}"
    if agree < floor:
        return False, f"{line}: {floor - agree} BELOW THE FLOOR"
    return True, line


def read_floors(path: Path = FLOOR_FILE) -> dict[str, int]:
    """The committed floors; a comparison without one has floor 0."""
    floors = json.loads(path.read_text(encoding="utf-8"))
    return {name: int(floors.get(name, 0)) for name in COMPARISONS}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare with recorded reference values.")
    parser.add_argument("--raise", dest="raise_floors", action="store_true", help="store higher counts as new floors")
    options = parser.parse_args(arguments)
    shared = find_shared_dir()
    if shared is None:
        print(f"golden comparisons skipped: {NO_SHARED}")
        return 0
    floors = read_floors()
    failed = False
    for name, floor in floors.items():
        measurement = measure(name, shared)
        holds, line = judge(measurement, floor)
        if not holds:
            print(measurement.output.strip()[-4000:])
        print(line, flush=True)
        failed = failed or not holds
        floors[name] = max(floor, measurement.agree or 0)
    if options.raise_floors and not failed:
        FLOOR_FILE.write_text(json.dumps(floors, indent=2) + "\n", encoding="utf-8")
        print(f"floors are now {floors}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
