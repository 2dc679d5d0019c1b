"""What it takes to open a shard that the group gave us, got hold of while the flow goes on."""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from kafka.errors import KafkaError

from flows.broker.committed import read_published
from flows.broker.connection import BrokerError
from flows.broker.files import shard_file
from flows.broker.params import KafkaParams
from flows.broker.shards.backlog import Backlog
from flows.broker.shards.snapshots import SnapshotFolder
from flows.sqlite_shard import SqliteShard

_PUBLISHED_S: Final = 0.5

_log = structlog.get_logger(__name__)


class Found(NamedTuple):
    """A shard's file is here: how far it is published, and what comes behind it."""

    published: int
    backlog: Backlog


class Fetching:
    """Gets hold of shards, one after the other, on a thread of its own. To be asked by one thread.

    Parameters
    ----------
    folder
        Where shard files are.
    snapshots
        Where copies of them are shared, if anywhere.
    """

    def __init__(self, params: KafkaParams, folder: Path, snapshots: SnapshotFolder | None) -> None:
        self._params = params
        self._folder = folder
        self._snapshots = snapshots
        self._under_way: dict[int, Future[Found]] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="restore")

    def begin(self, shard: int) -> None:
        """Get hold of a shard's file: ours, or a newer copy."""
        self._under_way[shard] = self._worker.submit(self._fetch, shard)

    def __bool__(self) -> bool:
        return bool(self._under_way)

    def done(self) -> dict[int, Found | BrokerError | KafkaError]:
        """The shards whose files have come since the last call, or why one has not."""
        done = [shard for shard, future in self._under_way.items() if future.done()]
        return {shard: _result(self._under_way.pop(shard)) for shard in done}

    def forget(self, shard: int) -> None:
        """The shard is not ours any more."""
        future = self._under_way.pop(shard, None)
        if future is not None and not future.cancel():
            future.add_done_callback(_close)

    def forget_all(self) -> None:
        """No shard is ours any more."""
        for shard in list(self._under_way):
            self.forget(shard)

    def stop(self) -> None:
        """End; what is under way is finished, and let go."""
        self.forget_all()
        self._worker.shutdown()

    def _fetch(self, shard: int) -> Found:
        """Get hold of the file, of what comes behind it, and of how far the shard is published."""
        file = shard_file(self._folder, shard)
        ours = _offset_of(file) if file.exists() else -1
        newest = None if self._snapshots is None else self._snapshots.newest(shard)
        if self._snapshots is not None and newest is not None and newest.offset > ours:
            self._snapshots.restore(shard, file)
        backlog = Backlog(self._params, shard)
        try:
            published = read_published(self._params, [shard], _PUBLISHED_S)[shard].position
        except (BrokerError, KafkaError) as error:
            _log.warning("published_unknown", shard=shard, reason=str(error))
            published = 0
        return Found(published, backlog)


def _result(future: Future[Found]) -> Found | BrokerError | KafkaError:
    try:
        return future.result()
    except (BrokerError, KafkaError) as error:
        return error


def _close(future: Future[Found]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().backlog.close()


def _offset_of(file: Path) -> int:
    """Where a file of ours goes on; one that can't be read is put aside."""
    try:
        with closing(SqliteShard.open_reader(file)) as reader:
            return reader.offset_at(reader.end)
    except sqlite3.DatabaseError as error:
        aside = file.with_name(f"{file.name}.damaged")
        _log.error("shard_file_damaged", path=str(file), kept_as=str(aside), reason=str(error))
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.replace(aside)
        return -1
