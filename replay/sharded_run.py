"""Replay by several shards in one process: what a deployment with so many shards would decide.

Streams are merged by event time and each event goes into the log of the shard that it belongs to, each a file
of its own. What a shard tells the others stands in their logs right behind the record that caused it, so the
run is a function of the streams. Decisions are written in the order of the events; their ``log_position`` is
that in the log of the user's shard, which :func:`flows.sharding.shard_of` names.

Knowledge in a recorded stream is left out: it was told among as many shards as there were then, and is told
anew.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

from detectors.knowledge import ShardKnowledge
from flows.codec import BadRecord, Event
from flows.dataflow import Work, run_plain
from flows.log import LogRecord, NewRecord
from flows.outputs import AlertRaised, Decided, Output, Shared
from flows.sharding import shards_of
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask
from replay.alerts import candidate_line
from replay.stream_feed import COMMIT_EVERY, FeedCounts, Progress
from replay.streams import Placed

_PROGRESS_EVERY: Final = 2_048


class _Effects(Protocol):
    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        ...


@dataclass(slots=True)
class ReplayedShard:
    """One shard of a sharded replay, where its outputs go, and what it did."""

    name: str
    file: SqliteShard
    task: ShardTask
    effects: _Effects
    decisions: int = 0
    knowledge: int = 0
    knowledge_bytes: int = 0
    digest: Any = field(default_factory=sha256)
    alerts_digest: Any = field(default_factory=sha256)

    def summary(self) -> dict[str, Any]:
        """What a run's summary says of the shard; the digests are as a run's."""
        return {
            "shard": self.name,
            "log_end": self.file.end,
            "decisions": self.decisions,
            "knowledge_events": self.knowledge,
            "knowledge_bytes": self.knowledge_bytes,
            "decisions_sha256": self.digest.hexdigest(),
            "alerts_sha256": self.alerts_digest.hexdigest(),
        }


class ShardedFeed:
    """The feed and the effects of all shards: what one of them tells goes to the others at once.

    Parameters
    ----------
    shards
        By number.
    events
        In the order of event time, each with its place.
    refuse
        Gets what can't be used.
    origin_of
        Says in words where a place is.
    """

    def __init__(
        self,
        shards: Sequence[ReplayedShard],
        events: Iterator[Placed],
        refuse: Callable[[BadRecord], None],
        progress: Progress,
        origin_of: Callable[[int], str],
    ) -> None:
        self._shards = shards
        self._by_name = {shard.name: shard for shard in shards}
        self._events = events
        self._refuse = refuse
        self._progress = progress
        self._origin_of = origin_of
        self._told: deque[ShardKnowledge] = deque()
        self.counts = FeedCounts()

    def run(self) -> None:
        """Replay to the end of the stream."""
        run_plain(self, self)

    def next_batch(self) -> list[Work]:
        """One event, for each shard whose log is to hold it."""
        if self._told:
            return self._put(self._told.popleft(), 0)
        try:
            place, event = next(self._events)
        except StopIteration:
            for shard in self._shards:
                shard.file.commit(shard.task.changes())
            raise
        self.counts.read += 1
        if self.counts.read % _PROGRESS_EVERY == 0:
            self._progress(self.counts.read, None)
        if isinstance(event, BadRecord):
            self.counts.refused += 1
            self._refuse(event)
            return []
        return [] if isinstance(event, ShardKnowledge) else self._put(event, place)

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for name, output in outputs:
            shard = self._by_name[name]
            if isinstance(output, Shared):
                self._told.append(output.event)
                continue
            if isinstance(output, Decided):
                shard.decisions += 1
                shard.digest.update(output.encoded + b"\n")
            elif isinstance(output, AlertRaised):
                shard.alerts_digest.update(candidate_line(output.encoded, output.suppressed))
            shard.effects.take([(name, output)])

    def _put(self, event: Event, place: int) -> list[Work]:
        record = NewRecord.of(event)
        if isinstance(event, ShardKnowledge):
            teller = self._shards[event.shard]
            teller.knowledge += 1
            teller.knowledge_bytes += len(record.payload)
        work: list[Work] = []
        for number in shards_of(event, len(self._shards)):
            shard = self._shards[number]
            finished = shard.task.changes() if shard.file.end % COMMIT_EVERY == COMMIT_EVERY - 1 else None
            (at,) = shard.file.append_and_commit([record], finished)
            if at.conflict:
                where = f"log position {at.position} of shard {shard.name}"
                reason = f"{event.event_id}: the id came before with other content: {where}"
                self.counts.refused += 1
                self._refuse(BadRecord(reason, self._origin_of(place), record.payload))
            elif at.duplicate:
                self.counts.duplicates += 1
            else:
                work.append((shard.name, (shard.task, LogRecord(at.position, event))))
        return work
