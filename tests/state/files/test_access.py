"""Whoever may not read a state must not be able to read what stands beside it."""

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest

from tests.faults.files import FaultyFiles, fail_always
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import SaveFailed
from tradeexecutor.state.files.access import give_access, make_folder_beside
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.syscalls import OS_FILES
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import write_archive
from tradeexecutor.state.store.backups import BackupFolder, BackupPolicy, backup_state
from tradeexecutor.state.store.copies import recover

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

#: Of nobody, on most machines, and of nobody at all.
USER, GROUP = 65534, 65433


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


def get_access(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def find_files(folder: Path) -> list[Path]:
    """Every file but locks, which hold a process id and the name of the machine."""
    return [item for item in folder.rglob("*") if item.is_file() and item.suffix != ".lock"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_file_beside_a_state_has_its_mode(path: Path, mode: int, umask: int):
    old = os.umask(umask)
    try:
        with JSONFileStore(path, compressed=True) as store:
            store.sync(make_state())
            path.chmod(mode)
            for _ in range(3):
                store.sync(make_state())
        backup_state(path)
        write_archive(path, b"archive")
        recover(path, next(iter(BackupFolder(path).list_backups())).path)
    finally:
        os.umask(old)
    files = find_files(path.parent)
    assert len(files) >= 7
    for item in files:
        assert get_access(item)[0] & ~mode == 0, item
    for folder in (item for item in path.parent.iterdir() if item.is_dir()):
        allowed = 0o700 | mode | (mode & 0o444) >> 2
        assert get_access(folder)[0] & ~allowed == 0, folder


@as_root
def test_every_file_beside_a_state_belongs_to_its_owner(path: Path):
    """Root repairs the state of a strategy that runs as another user."""
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
    path.chmod(0o640)
    os.chown(path, USER, GROUP)
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
        store.sync(make_state())
    backup_state(path)
    write_archive(path, b"archive")
    recover(path, next(iter(BackupFolder(path).list_backups())).path)
    for item in find_files(path.parent):
        if item.name.startswith("00000001"):
            continue  # it was root's when it was saved
        assert get_access(item) == (0o640, USER, GROUP), item
    for name in ("demo.json.backups", "demo.json.archives"):
        assert get_access(path.parent / name) == (0o750, USER, GROUP), name
    assert get_access(path.with_name("demo.json.lock"))[1:] == (USER, GROUP)


def test_a_temporary_file_is_never_more_open_than_the_state(path: Path):
    """Also when its process is killed in between."""
    with JSONFileStore(path) as store:
        store.sync(make_state())
    path.chmod(0o600)
    seen: list[int] = []

    class Watching(FaultyFiles):
        def write(self, descriptor: int, content: memoryview) -> int:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return super().write(descriptor, content)

    files = Watching()
    with JSONFileStore(path, files=files, compressed=True) as store:
        store.load()
        store.sync(make_state())
    backup_state(path, files=files)
    write_archive(path, b"archive", files)
    assert len(seen) >= 4
    assert set(seen) == {0o600}


def test_an_earlier_backup_becomes_as_secret_as_the_state(path: Path):
    with JSONFileStore(path, backups=BackupPolicy(last=10)) as store:
        for _ in range(4):
            store.sync(make_state())
        path.chmod(0o600)
        store.sync(make_state())
    assert {get_access(backup.path)[0] for backup in BackupFolder(path).list_backups()} == {0o600}
    assert get_access(BackupFolder(path).folder)[0] == 0o700


def test_what_is_stricter_than_the_state_stays_so(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state())
        store.sync(make_state())
        path.chmod(0o644)
        (backup,) = BackupFolder(path).list_backups()
        backup.path.chmod(0o400)
        BackupFolder(path).folder.chmod(0o700)
        store.sync(make_state())
    assert get_access(backup.path)[0] == 0o400
    assert get_access(BackupFolder(path).folder)[0] == 0o700


def test_a_state_that_was_removed_comes_back_as_secret_as_it_was(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state())
        path.chmod(0o600)
        store.sync(make_state())
        path.unlink()
        store.sync(make_state())
        assert get_access(path)[0] == 0o600
    path.unlink()
    recover(path)
    assert get_access(path)[0] == 0o600


class Stranger(FaultyFiles):
    """A user who does not belong to the group of the state."""

    def set_owner(self, descriptor: int, user: int, group: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_group_that_cannot_be_kept_gives_its_members_no_more_than_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for mode, expected in ((0o660, 0o600), (0o664, 0o644), (0o640, 0o600), (0o644, 0o644)):
        path = tmp_path / f"{mode:o}"
        path.touch()
        status = path.stat()
        like = os.stat_result((mode, 0, 0, 0, status.st_uid, status.st_gid + 1, 0, 0, 0, 0))
        with path.open("wb") as file:
            give_access(Stranger(), file.fileno(), like)
        assert get_access(path)[0] == expected


def test_a_new_file_has_the_usual_mode(tmp_path: Path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"x")
        write_atomically(tmp_path / "b", b"x", like=tmp_path / "none")
    finally:
        os.umask(old)
    assert get_access(tmp_path / "a")[0] == get_access(tmp_path / "b")[0] == 0o640


# --- Folders that are links


def test_backups_may_be_on_another_disk(path: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "demo.json.backups").symlink_to(elsewhere)
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        store.sync(make_state("second"))
    assert len(list(elsewhere.iterdir())) == 1
    assert len(store._backup_folder.list_backups()) == 1


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_a_link_that_leads_to_no_folder_is_refused(path: Path, tmp_path: Path, kind: str):
    target = tmp_path / "target"
    if kind == "file":
        target.write_bytes(b"precious")
    (tmp_path / "demo.json.backups").symlink_to(target)
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        state = make_state("second")
        with pytest.raises(SaveFailed, match=r"leads to no folder.*demo\.json\.backups.*put a folder there"):
            store.sync(state)
        assert store.load().name == "first"
        assert state.last_updated_at is None
    assert not target.exists() or target.read_bytes() == b"precious"


def test_a_file_in_the_place_of_the_folder_is_refused(path: Path):
    path.with_name("demo.json.backups").write_bytes(b"precious")
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        with pytest.raises(SaveFailed, match="put a folder there"):
            store.sync(make_state("second"))
        assert store.load().name == "first"
    assert path.with_name("demo.json.backups").read_bytes() == b"precious"


@as_root
def test_whose_links_are_followed(path: Path, tmp_path: Path):
    """Root writes where a link leads that the owner of the state made, only if that owner could write there, too."""
    path.write_bytes(b"{}")
    link = tmp_path / "demo.json.backups"
    target = tmp_path / "target"
    target.mkdir()
    owners = (0, USER, USER - 1)
    refused: list[tuple[int, int, int]] = []
    codes: set[int | None] = set()
    for state_owner, link_owner, target_owner in itertools.product(owners, repeat=3):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        os.chown(path, state_owner, GROUP)
        os.chown(link, link_owner, GROUP, follow_symlinks=False)
        os.chown(target, target_owner, GROUP)
        try:
            make_folder_beside(path, link, OS_FILES)
        except OSError as error:
            codes.add(error.errno)
            refused.append((state_owner, link_owner, target_owner))
    assert codes == {errno.ELOOP}
    followed = set(itertools.product(owners, repeat=3)) - set(refused)
    assert followed == {
        (state, link, target)
        for state, link, target in itertools.product(owners, repeat=3)
        if link == 0 or state == link == target
    }


def test_the_compressed_copy_is_never_written_through_a_link(path: Path, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for target in (precious, tmp_path / "nothing"):
        copy = path.with_name("demo.json.br")
        copy.unlink(missing_ok=True)
        copy.symlink_to(target)
        with JSONFileStore(path, compressed=True) as store:
            store.sync(make_state())
        assert copy.is_file()
        assert not copy.is_symlink()
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_whose_access_cannot_be_changed_stops_the_save(path: Path):
    with JSONFileStore(path, files=FaultyFiles(fail_always(errno.EIO, "set_mode", "set_owner"))) as store:
        store.sync(make_state("first"))
        path.chmod(0o600)
        with pytest.raises(SaveFailed):
            store.sync(make_state("second"))
        assert store.load().name == "first"
