"""The shard flow's feed in a replay: streams take the place of the live log."""

import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from alerting.decision import PolicyActivated
from flows.codec import BadRecord, Event
from flows.dataflow import ONLY_SHARD, Work
from flows.log import Appended, LogRecord, NewRecord
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

APPEND_AT_ONCE: Final = 2_048
COMMIT_EVERY: Final = 16_384
Progress = Callable[[int, int | None], None]


@dataclass(slots=True)
class FeedCounts:
    """What came in: records read, and how many of them were there before or could not be used."""

    read: int = 0
    duplicates: int = 0
    refused: int = 0


class Pace:
    """Waits until an event's time has come.

    Parameters
    ----------
    speed
        Seconds of event time per second.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun: tuple[float, float] | None = None

    def wait(self, event_s: float) -> None:
        """Sleep until ``event_s``, counted from the first event."""
        now = time.monotonic()
        if self._begun is None or event_s < self._begun[1]:
            self._begun = (now, event_s)
        due = self._begun[0] + (event_s - self._begun[1]) / self._speed
        if due > now:
            time.sleep(due - now)


class StreamFeed:
    """Gives events their log positions and hands them on.

    Records are appended and state is stored by large pieces of its own, so that ``batch_size`` only sets how
    many records the flow takes at once.

    Parameters
    ----------
    shard, task
        Where events are appended, and the task whose finished work is stored.
    events
        In the order of the log to be, each with its place.
    origin_of
        Says in words where a place is.
    pace
        When given, each record waits for its time.
    refuse
        Gets what can't be used.
    progress
        Called with the number of records read.
    """

    def __init__(
        self,
        shard: SqliteShard,
        task: ShardTask,
        events: Iterator[tuple[int, Event | BadRecord]],
        batch_size: int = 256,
        pace: Pace | None = None,
        refuse: Callable[[BadRecord], None] = lambda _: None,
        progress: Progress = lambda _done, _total: None,
        origin_of: Callable[[int], str] = "stream record {}".format,
    ) -> None:
        self._shard = shard
        self._task = task
        self._events = events
        self._batch_size = batch_size if pace is None else 1
        self._pace = pace
        self._refuse = refuse
        self._progress = progress
        self._origin_of = origin_of
        # By log position, which begins with 1 here: eight bytes each, for the message of a conflict.
        self._places = array("Q")
        self._ready: list[LogRecord] = []
        self._at = 0
        self._committed = 0
        self.counts = FeedCounts()

    def next_batch(self) -> list[Work]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        if self._at >= len(self._ready):
            self._append_more()
        batch = self._ready[self._at : self._at + self._batch_size]
        self._at += len(batch)
        if self._pace is not None:
            for record in batch:
                if not isinstance(record.event, PolicyActivated):
                    self._pace.wait(record.event.event_time.timestamp())
        task = self._task
        return [(ONLY_SHARD, (task, record)) for record in batch]

    def _append_more(self) -> None:
        events = list(islice(self._events, APPEND_AT_ONCE))
        if not events:
            self._shard.commit(self._task.changes())
            raise StopIteration
        self.counts.read += len(events)
        kept = [(place, NewRecord.of(event)) for place, event in events if not self._is_bad(event)]  # type: ignore[arg-type]
        work = None
        if self._task.position - self._committed >= COMMIT_EVERY:
            work = self._task.changes()
            self._committed = self._task.position
        appended = self._shard.append_and_commit([record for _, record in kept], work)
        self._ready = [
            LogRecord(at.position, record.event)
            for (place, record), at in zip(kept, appended, strict=True)
            if not self._is_known(record, at, place)
        ]
        self._at = 0
        self._progress(self.counts.read, None)

    def _is_bad(self, event: Event | BadRecord) -> bool:
        if not isinstance(event, BadRecord):
            return False
        self.counts.refused += 1
        self._refuse(event)
        return True

    def _is_known(self, record: NewRecord, at: Appended, place: int) -> bool:
        if not at.duplicate:
            self._places.append(place)
        elif at.conflict:
            self.counts.refused += 1
            first = f"{self._origin_of(self._places[at.position - 1])}, log position {at.position}"
            reason = f"{record.event.event_id}: the id came before with other content: {first}"
            self._refuse(BadRecord(reason, self._origin_of(place), record.payload))
        else:
            self.counts.duplicates += 1
        return at.duplicate
