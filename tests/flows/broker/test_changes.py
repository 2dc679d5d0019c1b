"""A copy of a shard's file and the changes behind it make the file again, whatever of them is there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from flows.broker.shards import snapshotter as snapshotter_module
from flows.broker.shards.changes import Changes, apply_changes, read_reach, write_changes
from flows.broker.shards.snapshots import Snapshot, SnapshotFolder
from flows.broker.shards.snapshotter import AFTER, Snapshotter
from flows.log import NewRecord
from flows.sqlite_shard import SqliteShard
from flows.store import AlertRow, LedgerRow, OutcomeRow, Slice
from tests.flows.broker.outboxes_made import wait_until
from tests.flows.broker.snapshots_made import names
from tests.replay.events_made import a_payment

MARK = 77
TABLES = ("log", "ledger", "state", "outcome", "applied", "alert")
STEPS = ("grow", "grow", "append", "store", "add", "add", "save", "restore")


class Writing:
    """A shard's file that grows: records are appended, and later stored as finished."""

    def __init__(self, path: Path, random: Random) -> None:
        self.random = random
        self.changes = Changes()
        self.shard = SqliteShard(path, follows=True)
        self.shard.stored = self.changes.note
        assert self.shard.belongs_to(MARK)

    def append(self, count: int = 3) -> None:
        with self.shard.writing():
            for _ in range(count):
                payment = a_payment(self.shard.end, self.shard.end)
                self.shard.append_one(NewRecord.of(payment, arrival_us=1))
            self.shard.note_offset(10 * self.shard.end)

    def store(self) -> None:
        """Finish some of what was appended, which changes, adds and removes state."""
        at = self.shard.position
        to = self.random.randint(at, self.shard.end)
        if to == at:
            return
        keys = self.random.sample("abcdefgh", 3)
        states = {key: self.random.choice([None, self.random.randbytes(4)]) for key in keys}
        rows = range(at + 1, to + 1)
        self.shard.commit(
            Slice(
                to,
                states,
                [LedgerRow(row, b"decision %d" % row, b"") for row in rows],
                [OutcomeRow(row, b"transaction %d" % (row // 2)) for row in rows if row % 3 == 0],
                [
                    AlertRow(row, seq, f"a-{row}", "PROXIMITY", "shop", "u", 7, None, b"")
                    for row in rows
                    for seq in range(row % 3)
                ],
            )
        )


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as file:
        return {table: file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES}


@given(seed=st.integers(0, 1 << 32), lost=st.sampled_from([0.0, 0.3]))
def test_a_copy_and_what_changed_since_make_the_file_again(seed: int, lost: float) -> None:
    random = Random(seed)  # not drawn step by step: most runs would be short, and do little
    steps = random.choices(STEPS, k=random.randrange(5, 30))
    with TemporaryDirectory() as made:
        folder = SnapshotFolder(Path(made) / "snapshots", lambda _shard: MARK)
        writing = Writing(Path(made) / "shard-0003.db", random)
        file, other = writing.shard.path, Path(made) / "other" / "shard-0003.db"
        saved = folder.save(3, file)
        known = {saved.reach: content(file)}
        for step in [*steps, "restore"]:
            if step in ("grow", "append"):
                writing.append()
            if step in ("grow", "store"):
                writing.store()
            if step == "save":
                if random.random() < 0.5:  # otherwise it was stored while the copy was made
                    writing.changes.take()
                saved = folder.save(3, file)
            elif step == "add":
                saved = folder.add(saved, file, writing.changes.take())
                if random.random() < lost:
                    for path in folder.path.glob(f"*-{saved.reach.offset}.{saved.reach.applied}.*.changes"):
                        path.unlink()
            if step in ("save", "add"):
                known[saved.reach] = content(file)
            if step == "restore" and (found := folder.bring_up(3, other)):
                assert content(other) == known[found.reach]
                with closing(SqliteShard.open_reader(other)) as again:
                    assert again.offset_at(again.end) == found.reach.offset
                assert lost or found.reach == saved.reach
        writing.shard.close()


def test_what_was_stored_before_the_copy_and_told_after_it_takes_nothing_back(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path
) -> None:
    writing.append(6)
    late = Slice(2, {"a": b"of before"})
    writing.shard.commit(Slice(4, {"a": b"of now"}))
    saved = folder.save(3, writing.shard.path)
    writing.append(1)

    assert folder.add(saved, writing.shard.path, late).reach.applied == 4

    assert folder.bring_up(3, tmp_path / "other.db") is not None
    assert content(tmp_path / "other.db") == content(writing.shard.path)


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    made = Writing(tmp_path / "shard-0003.db", Random(1))
    yield made
    made.shard.close()


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", lambda _shard: MARK)


def test_copies_and_changes_of_a_release_without_alerts_are_of_use(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path
) -> None:
    writing.append(6)
    writing.shard.commit(Slice(4, {"a": b"1"}))
    saved = folder.save(3, writing.shard.path)
    writing.shard.commit(Slice(6, {"a": b"2"}, [LedgerRow(5, b"decision", b"")]))
    to = tmp_path / "made.changes"
    reach = write_changes(writing.shard.path, saved.reach, Slice(6, {"a": b"2"}), to)
    other = tmp_path / "other.db"
    assert folder.bring_up(3, other) is not None
    for path in (to, other):
        with closing(sqlite3.connect(path)) as file:
            file.execute("DROP TABLE alert")

    assert apply_changes([to], other) == (reach, 1)

    assert content(other) == content(writing.shard.path)


def test_changes_of_another_log_are_not_applied(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path
) -> None:
    saved = folder.save(3, writing.shard.path)
    writing.append()
    folder.add(saved, writing.shard.path, None)
    to = tmp_path / "other.db"
    with closing(SqliteShard(to, follows=True)) as other:
        assert other.belongs_to(MARK + 1)
    for path in folder.path.glob("shard-0003.*.db"):
        path.unlink()

    assert folder.bring_up(3, to) is None

    with closing(SqliteShard.open_reader(to)) as other:
        assert other.end == 0


@pytest.mark.parametrize("place", [18, 5_000, -1])
def test_damaged_changes_leave_the_file_as_it_was(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path, place: int
) -> None:
    saved = folder.save(3, writing.shard.path)
    for _ in range(2):
        writing.append(50)
        writing.store()
        reach, saved = saved.reach, folder.add(saved, writing.shard.path, writing.changes.take())
        before = reach
    (path,) = folder.path.glob(f"*-{saved.reach.offset}.*.changes")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    found = folder.bring_up(3, tmp_path / "other.db")

    assert found is not None
    assert found.reach == before


def test_the_snapshotter_saves_what_changed_and_hands_over_the_rest(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path
) -> None:
    snapshotter = Snapshotter(folder)
    snapshotter.watch(3, writing.shard, None, lambda: True)
    snapshotter.start()
    wait_until(lambda: folder.path.exists() and names(folder) == ["shard-0003.0.db"], "a copy")
    writing.append(AFTER)
    wait_until(
        lambda: names(folder) == [f"shard-0003.0-{10 * AFTER}.0.changes", "shard-0003.0.db"], "changes"
    )
    snapshotter.stop()
    writing.append(5)
    writing.store()

    snapshotter.finish(3, whole=False)

    found = folder.bring_up(3, tmp_path / "other.db")
    assert found == Snapshot(3, read_reach(writing.shard.path), 0)
    assert content(tmp_path / "other.db") == content(writing.shard.path)


def test_few_records_are_saved_after_a_while(
    writing: Writing, folder: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotter_module, "AT_LEAST_EVERY_S", 0.1)
    snapshotter = Snapshotter(folder)
    snapshotter.watch(3, writing.shard, None, lambda: True)
    snapshotter.start()
    wait_until(lambda: folder.path.exists() and names(folder) == ["shard-0003.0.db"], "a copy")
    writing.append(1)
    wait_until(lambda: names(folder) == ["shard-0003.0-10.0.changes", "shard-0003.0.db"], "changes")
    snapshotter.stop()


def test_where_changes_were_not_saved_a_whole_copy_is(
    writing: Writing, folder: SnapshotFolder, tmp_path: Path
) -> None:
    saved = folder.save(3, writing.shard.path)
    snapshotter = Snapshotter(folder)
    snapshotter.watch(3, writing.shard, saved, lambda: True)
    away = folder.path.rename(tmp_path / "away")
    folder.path.write_text("no folder")
    writing.append(AFTER)
    with capture_logs() as logs:
        snapshotter.start()
        wait_until(lambda: [log["event"] for log in logs] == ["snapshot_not_saved"], "an attempt")
    folder.path.unlink()
    away.rename(folder.path)

    wait_until(lambda: f"shard-0003.{10 * AFTER}.db" in names(folder), "a whole copy")
    snapshotter.stop()
