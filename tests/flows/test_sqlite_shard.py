"""The embedded shard as a file."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detectors.events import Payment
from flows.log import NewRecord
from flows.sqlite_shard import ShardFileError, SqliteShard, wal_bytes
from flows.store import LedgerRow, Slice


def record(name: str) -> NewRecord:
    return NewRecord.of(Payment(name, "u", 1, "EUR", datetime(2026, 1, 1, tzinfo=UTC), "m"))


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a shard, and they are long enough to be read as a header " * 20)
    with pytest.raises(ShardFileError, match=r"notes\.txt"):
        SqliteShard(path)


def test_a_shard_has_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "shard.db"
    first = SqliteShard(path)
    with pytest.raises(ShardFileError, match="another process is writing"):
        SqliteShard(path)
    first.close()
    SqliteShard(path).close()


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardFileError, match="none"):
        SqliteShard(tmp_path / "none" / "shard.db")


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard.db"
    SqliteShard(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ShardFileError, match="99"):
        SqliteShard(path)


def test_a_failed_transaction_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    shard = SqliteShard(tmp_path / "shard.db")
    shard.append([record("a")])
    broken = Slice(1, {"k": b"v"}, [LedgerRow(1, None, b"")])  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        shard.append_and_commit([record("b")], broken)
    assert shard.end == 1
    assert shard.load("k") is None
    assert [place.position for place in shard.append([record("b")])] == [2]
    shard.close()


def test_a_full_disk_is_named_and_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    shard = SqliteShard(tmp_path / "shard.db")
    shard._db.execute("PRAGMA max_page_count = 1").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="full"):
        shard.append([record(str(number)) for number in range(1_000)])
    assert shard.end == 0
    shard._db.execute("PRAGMA max_page_count = 100000").fetchall()
    assert [place.position for place in shard.append([record("a")])] == [1]
    shard.close()


def test_a_reader_sees_what_was_committed(tmp_path: Path) -> None:
    shard = SqliteShard(tmp_path / "shard.db")
    reader = shard.reader()
    shard.append_and_commit([record("a")], Slice(0, {"k": b"v"}))
    assert reader.end == 1
    assert reader.load("k") == b"v"
    reader.close()
    shard.close()


def test_the_write_ahead_log_starts_over_behind_a_busy_writer(tmp_path: Path) -> None:
    shard = SqliteShard(tmp_path / "shard.db")
    reader = shard.reader()
    sizes = []
    for turn in range(30):
        for step in range(20):
            shard.append_and_commit([record(f"{turn}-{step}")], Slice(0, {"k": b"v" * 4000}))
        reader.checkpoint()
        shard.append([record(f"{turn}-late")])  # what a busy writer does meanwhile
        shard.finish_checkpoint()
        sizes.append(wal_bytes(shard.path))
    assert sizes[-1] <= sizes[4] * 2
    reader.close()
    shard.close()


def test_a_file_follows_the_log_that_it_followed_first(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db", follows=True)) as shard:
        assert shard.belongs_to(77)
        assert shard.belongs_to(77)
    with closing(SqliteShard(tmp_path / "shard.db", follows=True)) as again:
        assert not again.belongs_to(78)
        assert again.belongs_to(77)


def test_the_offset_behind_a_position_is_that_of_the_last_batch_up_to_it(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db", follows=True)) as shard:
        assert shard.offset_at(shard.end) == 0
        for names, offset in ((("a", "b"), 5), (("b",), 6), (("c",), 9)):
            with shard.writing():
                for name in names:
                    shard.append_one(record(name))
                shard.note_offset(offset)
        assert [shard.offset_at(position) for position in (0, 1, 2, 3)] == [0, 0, 6, 9]
