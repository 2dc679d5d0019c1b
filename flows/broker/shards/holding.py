"""The shards that this process owns: files fetched, lanes opened, handed over and dropped."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from kafka import TopicPartition

from detectors.knowledge import ShardKnowledge
from detectors.scoring import ModelParams
from flows.alert_params import AlertParams
from flows.broker.committed import shard_partition
from flows.broker.files import PartitionError, shard_file
from flows.broker.identity import partition_mark
from flows.broker.params import KafkaParams
from flows.broker.publishing.publisher import Publisher
from flows.broker.shards.backlog import Backlog
from flows.broker.shards.exchange import Exchange
from flows.broker.shards.fetching import Found
from flows.broker.shards.figures import Figures, ShardFigures
from flows.broker.shards.snapshots import SnapshotError
from flows.broker.shards.snapshotter import Snapshotter
from flows.broker.wire import Origin
from flows.checkpointer import Checkpointer
from flows.lane import Lane
from flows.sharding import ShardPlace
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

_COUNTS: Final = ("published", "aborted", "fenced")

Begin = Callable[[int, int], bool]
"""Has the messages of a shard read from an offset on; False when it is not ours any more."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Held:
    """A shard that this process owns."""

    shard: int
    lane: Lane[Origin | None]
    next_offset: int
    live_at: int
    """Behind which offset the partition ended when the shard was taken over."""
    shared_to: int
    """What was to be shared up to this log position, former owners have shared but for the last of it."""
    arrival_us: int = 0
    """When the last message that was taken in came to the edge, in Unix microseconds."""
    answers: bool = False
    """Whether questions are answered from its file."""
    backlog: Backlog | None = None
    """Where its records come from until it has caught up; None once they come with those of the others."""

    @property
    def is_live(self) -> bool:
        """Whether the shard has caught up with what was there when it was taken over."""
        return not self.lane.is_behind and self.next_offset >= self.live_at


class Holding:
    """Opens and closes the lanes of this process. For the flow's thread, or while that one waits.

    Parameters
    ----------
    folder
        Where shard files are.
    topic_id
        Of the shard log: a file that follows another is not opened.
    snapshotter
        Shares copies of shard files, if they are; without, a shard that was never here starts from the
        beginning of its partition.
    exchange, publisher, checkpointer
        Told of each shard that comes and goes, as is the snapshotter.
    """

    def __init__(
        self,
        folder: Path,
        topic_id: str,
        snapshotter: Snapshotter | None,
        models: ModelParams,
        cached_objects: int,
        exchange: Exchange,
        publisher: Publisher,
        checkpointer: Checkpointer,
        params: KafkaParams,
        alerts: AlertParams,
    ) -> None:
        self._params = params
        self._alerts = alerts
        self._topic_id = topic_id
        self._folder = folder
        self._snapshotter = snapshotter
        self._models = models
        self._cached_objects = cached_objects
        self._exchange = exchange
        self._publisher = publisher
        self._checkpointer = checkpointer
        self.held: dict[int, Held] = {}

    def open(self, shard: int, found: Found, begin: Begin) -> None:
        """Start a lane on a shard's file; ``begin`` has the live end of the partition read.

        Raises
        ------
        PartitionError
            When the file follows another partition, of a topic that was deleted and made again for one, or
            when the partition does not hold all records that the file lacks.
        """
        published, backlog, saved = found
        try:
            opened, next_offset = self._opened(shard, backlog)
        except BaseException:
            backlog.close()
            raise
        live_at = backlog.end
        place = ShardPlace(shard, self._params.shards)
        task = ShardTask(opened, opened.find, self._models, self._cached_objects, place, alerts=self._alerts)
        lane = Lane[Origin | None](str(shard), opened, task, self._exchange)
        held = Held(shard, lane, next_offset, live_at, published, backlog=backlog)
        self.held[shard] = held
        if self._snapshotter is not None:
            self._snapshotter.watch(shard, opened, saved, lambda: held.is_live)
        backlog.seek(next_offset)
        for event in task.told_lately():
            self._exchange.share(event)
        self._checkpointer.watch(opened)
        self._publisher.own(shard, opened.path)
        _log.info("shard_owned", shard=shard, position=opened.end, behind=live_at - next_offset)
        self.go_live_if_due(shard, begin)

    def _opened(self, shard: int, backlog: Backlog) -> tuple[SqliteShard, int]:
        """A shard's file, and the offset that it goes on at."""
        file = shard_file(self._folder, shard)
        opened = SqliteShard(file, follows=True)
        next_offset = opened.offset_at(opened.end)
        if not opened.belongs_to(partition_mark(self._topic_id, shard)) or next_offset > backlog.end:
            opened.close()
            raise PartitionError(
                f"{file}: follows another topic than the one that is there now, or another shard (offset"
                f" {next_offset} of {backlog.end}); remove the file and the copies in kafka.snapshots, or set"
                " kafka.prefix right"
            )
        if next_offset < backlog.begin:
            opened.close()
            raise PartitionError(
                f"{file}: goes on at offset {next_offset}, but the shard's log begins at {backlog.begin}:"
                " records between were deleted; see 'tapwatch topics diff', and put a newer copy of the file"
                " into kafka.snapshots"
            )
        return opened, next_offset

    def go_live_if_due(self, shard: int, begin: Begin) -> None:
        """Leave the rest of a shard's partition to whoever reads the live ones, if it is only a little."""
        held = self.held[shard]
        if held.backlog is not None and not held.lane.is_behind and held.backlog.is_over(held.next_offset):
            begin(shard, held.next_offset)
            held.backlog.close()
            held.backlog = None

    @property
    def behind(self) -> list[Held]:
        """The shards that have not caught up with their partitions."""
        return [held for held in self.held.values() if held.backlog is not None]

    def answer_from_live(self) -> None:
        """Answer questions from files that have caught up; what the others don't know, they may know soon."""
        for shard, held in self.held.items():
            if held.is_live and not held.answers:
                held.answers = True
                self._exchange.own(shard, held.lane.shard.path)

    def hand_over(self, shard: int, patient: bool) -> None:
        """Store a shard's finished work, save what its next owner lacks, and let it go.

        Parameters
        ----------
        patient
            Nobody waits for our other shards: there is time to copy a whole file.
        """
        held = self._remove(shard)
        if held is None:
            return
        try:
            held.lane.commit()
            if self._snapshotter is not None:
                self._snapshotter.finish(shard, whole=patient)
        except (OSError, sqlite3.Error, SnapshotError) as error:
            # It goes all the same: what is not stored or copied, its next owner makes from the partition.
            _log.error("shard_not_stored_for_its_next_owner", shard=shard, reason=str(error))
        held.lane.close()
        _log.info("shard_handed_over", shard=shard)

    def drop(self, shard: int) -> None:
        """Let go of a shard that has another owner already; what is not stored, that one makes too."""
        held = self._remove(shard)
        if held is not None:
            if self._snapshotter is not None:
                self._snapshotter.leave(shard)
            held.lane.close()
            _log.warning("shard_lost", shard=shard)

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Up to where the partition of each shard was read."""
        return {
            shard_partition(self._params, shard): held.next_offset for shard, held in list(self.held.items())
        }

    def drop_all(self) -> None:
        """Let go of everything as it was last stored."""
        for shard in list(self.held):
            self.drop(shard)

    def share(self, event: ShardKnowledge) -> None:
        """Tell the other shards what one of ours learned."""
        self._exchange.share(event)

    def figures(self, known_end: Callable[[int], int], decided: int) -> Figures:
        """What the process says of itself; ``known_end`` tells where a shard's partition ends."""
        publisher = self._publisher.figures()
        unpublished = publisher["behind"]
        assert isinstance(unpublished, dict)
        shards = {}
        for shard, held in self.held.items():
            end = known_end(shard) if held.backlog is None else held.backlog.end
            lag = max(0, end - held.next_offset)
            waited_s = max(0.0, time.time() - held.arrival_us / 1e6) if lag and held.arrival_us else 0.0
            shards[str(shard)] = ShardFigures(held.lane.read, lag, waited_s, unpublished.get(shard, 0))
        counts = {name: value for name in _COUNTS if isinstance(value := publisher[name], int)}
        return Figures(shards, decided, counts["published"], counts["aborted"], counts["fenced"])

    def publish_again(self) -> None:
        """Have the publisher go on with what we hold."""
        for shard, held in self.held.items():
            self._publisher.own(shard, held.lane.shard.path)

    def close(self) -> None:
        """Let go of all that is left."""
        for shard in list(self.held):
            self.hand_over(shard, patient=True)

    def _remove(self, shard: int) -> Held | None:
        held = self.held.pop(shard, None)
        if held is not None:
            if held.backlog is not None:
                held.backlog.close()
            self._exchange.let_go(shard)
            self._publisher.let_go(shard)
            self._checkpointer.leave(held.lane.shard)
        return held
