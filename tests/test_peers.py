"""`make bench-peers` goes on without a peer that cannot be installed, and changes only its table of the page."""

import re
import stat
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import END, LOCK, PAGE, START, install, write_table


def test_only_the_table_of_the_page_changes(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    write_table(["| new \\1 |"], page)
    assert page.read_text() == f"before\n{START}\n| new \\1 |\n{END}\nafter\n"


def test_a_page_without_a_place_for_the_table_is_named(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(SystemExit, match=r"page\.md has no place"):
        write_table([], page)


def test_benchmarks_has_a_place_for_the_table():
    assert re.search(f"{re.escape(START)}.*{re.escape(END)}", PAGE.read_text(), re.DOTALL)


def test_a_peer_that_cannot_be_installed_is_named(tmp_path: Path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase "$*" in *absent*) echo "ERROR: no absent" >&2; exit 1;; *broken*) exit 3;; esac\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    assert install(python, ["absent", "broken", "there"]) == {
        "absent": "ERROR: no absent",
        "broken": "pip ended with status 3",
    }


def test_every_peer_is_pinned():
    wanted = (Path(LOCK).parent / "benchmarks" / "peers" / "requirements.txt").read_text().splitlines()
    pinned = LOCK.read_text()
    for line in wanted:
        name = line.partition("==")[0].replace("_", "-")
        assert line.startswith("#") or re.search(rf"^{name}==\d", pinned, re.MULTILINE), line
