"""What it takes to open a shard that the group gave us, got hold of while the flow goes on."""

import sqlite3
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from kafka.errors import KafkaError

from flows.broker.committed import read_published
from flows.broker.connection import BrokerError
from flows.broker.files import PartitionError, put_aside, shard_file
from flows.broker.params import KafkaParams
from flows.broker.shards.backlog import Backlog
from flows.broker.shards.changes import read_reach
from flows.broker.shards.snapshots import Snapshot, SnapshotFolder

_PUBLISHED_S: Final = 0.5
_AT_ONCE: Final = 2

_log = structlog.get_logger(__name__)


class Found(NamedTuple):
    """A shard's file is here."""

    published: int
    """How far the shard is published."""
    backlog: Backlog
    """What comes behind the file."""
    saved: Snapshot | None
    """What the shared folder holds, if the file holds just that."""


class _Turn:
    """Which of the attempts at a shard's file is the last, and who works on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0


class Fetching:
    """Gets hold of shards on threads of its own. To be asked by one thread.

    Parameters
    ----------
    topic_id
        Of the shard log that this process works on.
    folder
        Where shard files are.
    snapshots
        Where copies of them are shared, if anywhere.
    """

    def __init__(
        self, params: KafkaParams, topic_id: str, folder: Path, snapshots: SnapshotFolder | None
    ) -> None:
        self._params = params
        self._topic_id = topic_id
        self._folder = folder
        self._snapshots = snapshots
        self._under_way: dict[int, Future[Found]] = {}
        self._turns: dict[int, _Turn] = {}
        self._worker = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="restore")

    def begin(self, shard: int) -> None:
        """Get hold of a shard's file: ours, or a newer copy."""
        turn = self._turns.setdefault(shard, _Turn())
        turn.number += 1
        self._under_way[shard] = self._worker.submit(self._fetch_in_turn, shard, turn, turn.number)

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

    def _fetch_in_turn(self, shard: int, turn: "_Turn", number: int) -> Found:
        # One that was forgotten while it ran may be running still: nobody touches a file beside it, nor does
        # it begin behind a later one, whose file is open by then.
        with turn.lock:
            if number != turn.number:
                raise CancelledError
            return self._fetch(shard)

    def _fetch(self, shard: int) -> Found:
        """Get hold of the file, of what comes behind it, and of how far the shard is published.

        Raises
        ------
        PartitionError
            When the shard log is another one than at the start.
        """
        file = shard_file(self._folder, shard)
        _put_aside_if_unreadable(file)
        saved = None if self._snapshots is None else self._bring_up(self._snapshots, shard, file)
        backlog = Backlog(self._params, shard)
        if backlog.topic_id not in (None, self._topic_id):
            backlog.close()
            raise PartitionError("the shard log was deleted and made again while this process ran")
        try:
            published = read_published(self._params, [shard], _PUBLISHED_S)[shard].position
        except (BrokerError, KafkaError) as error:
            _log.warning("published_unknown", shard=shard, reason=str(error))
            published = 0
        return Found(published, backlog, saved)

    def _bring_up(self, snapshots: SnapshotFolder, shard: int, file: Path) -> Snapshot | None:
        try:
            return snapshots.bring_up(shard, file)
        except OSError as error:
            _log.error("snapshots_not_used", shard=shard, reason=str(error))
            return None


def _result(future: Future[Found]) -> Found | BrokerError | KafkaError:
    try:
        return future.result()
    except (BrokerError, KafkaError) as error:
        return error


def _close(future: Future[Found]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().backlog.close()


def _put_aside_if_unreadable(file: Path) -> None:
    if file.exists():
        try:
            read_reach(file)
        except sqlite3.DatabaseError as error:
            put_aside(file, str(error))
