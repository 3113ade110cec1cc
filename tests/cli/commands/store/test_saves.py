"""store verify, generations, recover: what they print, their exit codes, and that they change only what they say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.kit.command_runner import Run
from tests.kit.store_contract import make_state
from tradeexecutor.cli.main import app
from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupFolder, backup_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three saves."""
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        for name in ("first", "second", "third"):
            store.sync(make_state(name))
    return path


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(path.read_bytes().replace(b"third", b"THIRD"))
    return path


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {item: item.read_bytes() for item in sorted(folder.rglob("*")) if item.is_file()}


@pytest.mark.parametrize("command", ["verify", "generations", "recover"])
def test_help_has_examples_and_explains(run: Run, command: str):
    result = run("store", command, "--help")
    assert result.exit_code == 0
    assert f"$ tradeexecutor store {command} state.json" in result.stdout
    assert run("store", command, "-h").stdout == result.stdout


def test_the_group_lists_its_commands(run: Run):
    output = run("store", "--help").stdout
    for command in ("verify", "generations", "recover"):
        assert command in output
    assert "store" in run("--help").stdout


# --- verify


def test_an_intact_file(run: Run, path: Path):
    before = snapshot(path.parent)
    result = run("store", "verify", path)
    assert result.exit_code == 0
    assert "good, the checksum matches" in result.stdout
    assert "Save      3" in result.stdout
    assert "third" in result.stdout
    assert snapshot(path.parent) == before


def test_a_damaged_file(run: Run, damaged: Path):
    result = run("store", "verify", damaged)
    assert result.exit_code == 1
    assert "DAMAGED: damaged or changed after it was saved, the checksum does not match" in result.stdout


def test_a_file_of_another_program(run: Run, tmp_path: Path):
    (tmp_path / "old.json").write_text('{"portfolio": {}}')
    result = run("store", "verify", tmp_path / "old.json")
    assert result.exit_code == 0
    assert "as far as it can be checked without a checksum" in result.stdout


def test_several_files_one_of_them_damaged(run: Run, damaged: Path):
    backups = [backup.path for backup in BackupFolder(damaged).list_backups()]
    result = run("store", "verify", *backups, damaged, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [item["verdict"] for item in found] == ["good", "good", "damaged"]
    assert [item["save"] for item in found] == [1, 2, None]
    assert run("store", "verify", *backups).stdout.count("checksum matches") == 2


def test_a_compressed_copy(run: Run, tmp_path: Path):
    path = tmp_path / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
    copy = get_compressed_path(path)
    assert run("store", "verify", copy).exit_code == 0
    copy.write_bytes(copy.read_bytes()[:-3])
    assert run("store", "verify", copy).exit_code == 1


@pytest.mark.parametrize("command", ["verify", "generations", "recover"])
def test_a_file_that_is_not_there(run: Run, tmp_path: Path, command: str):
    result = run("store", command, tmp_path / "no.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "no.json" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize("arguments", [("verify",), ("recover", "--from")])
def test_a_folder_in_place_of_a_file(run: Run, path: Path, arguments: tuple[str, ...]):
    command, *options = arguments
    result = run("store", command, *([path, *options] if options else []), path.parent)
    assert result.exit_code == 1
    assert "is a folder" in result.stderr


# --- generations


def test_copies_of_an_intact_file(run: Run, path: Path):
    kept = backup_state(path, "prune-backup").path
    result = run("store", "generations", path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [
        "demo.json",
        *(f"demo.json.backups/{backup.path.name}" for backup in reversed(BackupFolder(path).list_backups())),
        kept.name,
    ]
    assert "2 saves" in lines[4]
    assert "1 save " in lines[3]


def test_copies_of_a_damaged_file(run: Run, damaged: Path):
    result = run("store", "generations", damaged)
    assert result.exit_code == 1
    assert "is not intact" in result.stdout
    assert f"store recover {damaged}" in result.stdout
    found = json.loads(run("store", "generations", damaged, "--json").stdout)
    assert [(item["kind"], item["verdict"]) for item in found] == [
        ("current", "damaged"),
        ("backup", "good"),
        ("backup", "good"),
    ]


def test_copies_of_a_missing_file(run: Run, path: Path):
    path.unlink()
    result = run("store", "generations", path)
    assert result.exit_code == 1
    assert "is missing" in result.stdout
    assert [line.split()[-1] for line in result.stdout.splitlines() if "backup" in line] == ["good", "good"]


# --- recover


@pytest.fixture(autouse=True)
def _full_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the tests may set a width, at which long paths are broken."""
    monkeypatch.delenv("COLUMNS", raising=False)


def answer(text: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments], input=text)


def test_an_intact_file_needs_no_recovery(run: Run, path: Path):
    before = snapshot(path.parent)
    result = run("store", "recover", path)
    assert result.exit_code == 0
    assert "is intact; there is nothing to recover" in result.stdout
    assert snapshot(path.parent) == before
    assert json.loads(run("store", "recover", path, "--yes", "--json").stdout)["intact"] is True


def test_a_dry_run_says_what_would_be_done(run: Run, damaged: Path):
    before = snapshot(damaged.parent)
    result = run("store", "recover", damaged, "--dry-run")
    assert result.exit_code == 0
    assert "now: DAMAGED" in result.stdout
    assert "new: save 2 of" in result.stdout
    assert snapshot(damaged.parent) == before
    report = json.loads(run("store", "recover", damaged, "--dry-run", "--json").stdout)
    assert report["chosen"]["strategy"] == "second"
    assert report["kept_as"] is None


def test_without_a_yes_nothing_happens(damaged: Path):
    before = snapshot(damaged.parent)
    result = answer("n\n", "store", "recover", damaged)
    assert result.exit_code == 1, "what was asked for is not done"
    assert "Nothing was changed" in result.stdout
    assert answer("", "store", "recover", damaged).exit_code == 1, "nobody there to ask"
    assert snapshot(damaged.parent) == before


@pytest.mark.parametrize(("options", "text"), [(["--yes"], ""), (["-y"], ""), ([], "y\n")])
def test_with_a_yes_the_newest_intact_copy_comes_back(damaged: Path, options: list[str], text: str):
    result = answer(text, "store", "recover", damaged, *options)
    assert result.exit_code == 0
    assert "Recovered from" in result.stdout
    assert "demo.damaged-1.json" in result.stdout
    assert f"validate {damaged}" in result.stdout
    assert State.read_json_file(damaged).name == "second"


def test_recovery_as_json(run: Run, damaged: Path):
    report = json.loads(run("store", "recover", damaged, "--yes", "--json").stdout)
    assert report["kept_as"] == str(damaged.with_name("demo.damaged-1.json"))
    assert report["current"]["verdict"] == "damaged"
    assert report["chosen"]["save"] == 2


def test_json_cannot_ask(run: Run, damaged: Path):
    before = snapshot(damaged.parent)
    result = run("store", "recover", damaged, "--json")
    assert result.exit_code == 2
    assert "--json needs --yes or --dry-run" in result.stderr.replace("\n", " ").replace("│", "")
    assert snapshot(damaged.parent) == before


def test_a_copy_that_was_named(run: Run, path: Path):
    backup = backup_state(path)
    with JSONFileStore(path) as store:
        store.sync(make_state("mended badly"))
    result = run(*backup.restore_command.split()[1:], "--yes")
    assert result.exit_code == 0, result.output
    assert "demo.replaced-1.json" in result.stdout
    assert State.read_json_file(path).name == "third"


def test_when_no_copy_is_intact(run: Run, path: Path):
    for item in snapshot(path.parent):
        item.write_bytes(b"x")
    result = run("store", "recover", path, "--yes")
    assert result.exit_code == 1
    assert "none of 3 copies is intact" in result.stderr


def test_a_running_strategy_is_left_alone(run: Run, damaged: Path):
    content = damaged.read_bytes()
    with JSONFileStore(damaged) as store:
        store.acquire_writer_lock()
        result = run("store", "recover", damaged, "--yes")
    assert result.exit_code == 1
    assert "stop that process first" in result.stderr
    assert damaged.read_bytes() == content


def test_commands_that_read_a_damaged_file_say_how_to_get_it_back(run: Run, damaged: Path):
    for command in ("show-positions", "show-trades", "validate"):
        result = run(command, damaged)
        assert result.exit_code == 1
        assert "the checksum does not match" in result.output
        assert "tradeexecutor store generation" in " ".join(result.output.split())  # a table may cut the rest off
