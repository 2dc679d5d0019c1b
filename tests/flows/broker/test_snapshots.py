import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest

from flows.broker.shards.changes import Reach
from flows.broker.shards.snapshots import Snapshot, SnapshotError, SnapshotFolder
from flows.sqlite_shard import SqliteShard
from tests.flows.broker.outboxes_made import ShardFile
from tests.flows.broker.snapshots_made import names

MARK = 4_711


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[ShardFile]:
    with closing(ShardFile(tmp_path / "data" / "shard-0003.db")) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", lambda shard: MARK + shard)


def copy_at(folder: SnapshotFolder, offset: int) -> Path:
    (found,) = folder.path.glob(f"shard-0003.{offset}.*.db")
    return found


def named_rightly(path: Path) -> None:
    """Give a copy the checksum of what is in it now."""
    path.rename(path.with_name(f"{path.name.rsplit('.', 2)[0]}.{crc32(path.read_bytes()):08x}.db"))


def ledger(path: Path) -> list[tuple[int, bytes]]:
    with closing(SqliteShard.open_reader(path)) as shard:
        return [(row.position, row.decision) for row in shard.ledger_after(0, 1_000_000)]


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(path.stat().st_size // 4))


def test_a_restored_shard_holds_what_was_saved_and_can_be_written(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    shard.pay(50)
    saved = folder.save(3, shard.path)
    assert saved == Snapshot(3, Reach(51, 51, 102), 51)
    assert names(folder) == ["shard-0003.102.db"]
    shard.pay(5)

    to = tmp_path / "other" / "shard-0003.db"
    assert folder.bring_up(3, to) == saved

    assert ledger(to) == shard.decisions()[:50]
    with closing(ShardFile(to)) as restored:
        restored.pay(60)
        assert restored.decisions()[:55] == shard.decisions()


def test_the_newest_copy_counts_and_the_last_two_are_kept(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    for _ in range(4):
        shard.pay(1)
        saved = folder.save(3, shard.path)

    assert folder.bring_up(3, tmp_path / "newest.db") == saved
    assert names(folder) == ["shard-0003.10.db", "shard-0003.8.db"]


def test_shards_don_t_mix(shard: ShardFile, folder: SnapshotFolder, tmp_path: Path) -> None:
    folder.save(3, shard.path)
    folder.save(12, shard.path)

    assert folder.bring_up(1, tmp_path / "none.db") is None
    assert not (tmp_path / "none.db").exists()
    assert folder.bring_up(12, tmp_path / "twelve.db") == Snapshot(12, Reach(1, 1, 2), 1)


def test_a_process_that_lags_removes_nothing_newer(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    with closing(ShardFile(tmp_path / "lagging.db")) as lagging:
        shard.pay(10)
        folder.save(3, shard.path)
        shard.pay(10)
        newest = folder.save(3, shard.path)
        for _ in range(3):
            lagging.pay(1)
            folder.save(3, lagging.path)

    assert folder.bring_up(3, tmp_path / "newest.db") == newest
    assert names(folder) == ["shard-0003.22.db", "shard-0003.42.db", "shard-0003.6.db", "shard-0003.8.db"]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "harm", ["damaged", "empty", "of another program", "of another log", "under another name"]
)
def test_a_copy_that_can_t_be_used_is_skipped_for_the_one_before(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path, harm: str, named: bool
) -> None:
    shard.pay(200)
    sound = folder.save(3, shard.path)
    shard.pay(200)
    path = copy_at(folder, folder.save(3, shard.path).reach.offset)
    if harm == "damaged":
        damage(path)
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "of another program":
        path.unlink()
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE log (position INTEGER)")
    elif harm == "of another log":
        with closing(SqliteShard(path)) as copy:
            assert copy.belongs_to(MARK + 2)
    else:
        shutil.copyfile(copy_at(folder, sound.reach.offset), path)
    if named:
        named_rightly(path)

    assert folder.bring_up(3, tmp_path / "restored.db") == sound
    assert ledger(tmp_path / "restored.db") == shard.decisions()[:200]
    assert not list(tmp_path.glob(".*"))


def test_a_single_bit_that_changed_is_found_and_what_can_t_be_read_is_skipped(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    for _ in range(4):
        shard.pay(20)
        folder.save(3, shard.path)
    newest, older = copy_at(folder, 162), copy_at(folder, 122)
    content = bytearray(newest.read_bytes())
    content[-100] ^= 1
    newest.write_bytes(content)
    older.unlink()
    older.mkdir()

    assert folder.bring_up(3, tmp_path / "none.db") is None
    folder.save(3, shard.path)
    assert ledger(bring_up(folder, tmp_path)) == shard.decisions()


def bring_up(folder: SnapshotFolder, tmp_path: Path) -> Path:
    assert folder.bring_up(3, tmp_path / "restored.db") is not None
    return tmp_path / "restored.db"


def test_what_stood_in_the_place_of_a_restored_file_leaves_nothing(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    shard.pay(400)
    folder.save(3, shard.path)
    to = tmp_path / "shard-0003.db"
    with closing(ShardFile(to)) as other:
        other.pay(300)
        left = to.with_name("left-wal")
        shutil.copyfile(to.with_name(to.name + "-wal"), left)
    left.replace(to.with_name(to.name + "-wal"))

    folder.bring_up(3, to)

    assert ledger(to) == shard.decisions()


def test_copies_of_a_busy_file_are_each_in_one_piece(
    shard: ShardFile, folder: SnapshotFolder, tmp_path: Path
) -> None:
    ended = threading.Event()
    saved: list[Snapshot] = []

    def save_on_and_on() -> None:
        while not ended.is_set() or len(saved) < 3:
            saved.append(folder.save(3, shard.path))

    saving = [threading.Thread(target=save_on_and_on) for _ in range(2)]
    for thread in saving:
        thread.start()
    while len(saved) < 6:
        shard.pay(7)
    ended.set()
    for thread in saving:
        thread.join()

    newest = folder.bring_up(3, tmp_path / "newest.db")
    assert newest is not None
    position, applied, offset = newest.reach
    assert offset == 2 * position
    assert (position - 1) % 7 == 0
    assert applied in (position - 7, position)
    assert ledger(tmp_path / "newest.db") == shard.decisions()[: applied - 1]
    assert all(name.endswith(".db") for name in names(folder))


def test_a_copy_that_a_dead_process_began_is_removed(shard: ShardFile, folder: SnapshotFolder) -> None:
    folder.path.mkdir()
    begun = folder.path / ".shard-0003.0123.partial"
    just_now = folder.path / ".shard-0003.4567.partial"
    for path in (begun, just_now):
        path.write_bytes(b"half")
    os.utime(begun, (0, 0))

    folder.save(3, shard.path)

    assert names(folder) == [just_now.name, "shard-0003.2.db"]


def test_a_file_that_is_not_there_is_named(folder: SnapshotFolder, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"shard-0003\.db: no copy could be made"):
        folder.save(3, tmp_path / "shard-0003.db")
    assert names(folder) == []
