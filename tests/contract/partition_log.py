"""A shard log whose truth is a partition: appended to by any process, followed by one into a file."""

from collections.abc import Sequence
from pathlib import Path

from flows.broker.committed import shard_partition
from flows.broker.connection import make_consumer, make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.wire import LogMessage, Origin, message_headers, message_key, read_message
from flows.codec import BadRecord
from flows.frames import Kind, Noted
from flows.inbox import Request
from flows.lane import Lane
from flows.log import Appended, LogRecord, NewRecord
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

PROCESS = bytes(16)


class PartitionLog:
    """Follows shard 0 into a file that is new, from the first message on: nothing else is remembered."""

    def __init__(self, params: KafkaParams, file: Path) -> None:
        self._topic = topic(params, SHARD_LOG)
        self._places: dict[int, Appended] = {}
        self._tickets = 0
        self._producer = make_producer(params)
        self._consumer = make_consumer(params)
        place = shard_partition(params, 0)
        self._consumer.assign([place])
        self._consumer.seek(place, 0)
        shard = SqliteShard(file, follows=True)
        self._lane = Lane[Origin | None]("0", shard, ShardTask(shard, shard.find), self)
        self._follow(self._consumer.end_offsets([place])[place])

    def append(self, records: Sequence[NewRecord]) -> list[Appended]:
        """See :meth:`flows.log.ShardLog.append`: as events, whose places the owner tells."""
        asked = range(self._tickets, self._tickets + len(records))
        self._tickets = asked.stop
        sent = []
        for ticket, record in zip(asked, records, strict=True):
            message = LogMessage(Kind.EVENT, record, Origin(PROCESS, ticket))
            key, headers = message_key(record.event), message_headers(message)
            sent.append(self._producer.send(self._topic, record.payload, key, headers, 0))
        last = [each.get(60.0).offset for each in sent][-1]  # type: ignore[no-untyped-call]
        self._follow(last + 1)
        return [self._places[ticket] for ticket in asked]

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See :meth:`flows.log.ShardLog.read`."""
        return self._lane.shard.read(after, limit)

    def find(self, event_id: str) -> int | None:
        """See :meth:`flows.log.ShardLog.find`."""
        return self._lane.shard.find(event_id)

    @property
    def end(self) -> int:
        """See :attr:`flows.log.ShardLog.end`."""
        return self._lane.shard.end

    def close(self) -> None:
        """Close file and connections."""
        self._lane.close()
        self._producer.close()
        self._consumer.close()

    def decided(self, asker: Origin | None, decision: bytes) -> None:
        """See :meth:`flows.lane.Answers.decided`."""
        raise AssertionError(f"nothing is decided here: {asker}, {decision!r}")

    def noted(self, asker: Origin | None, noted: Noted) -> None:
        """See :meth:`flows.lane.Answers.noted`."""
        assert asker is not None
        self._places[asker.ticket] = Appended(*noted)

    def _follow(self, up_to: int) -> None:
        shard = self._lane.shard
        while shard.offset_at(shard.end) < up_to:
            for messages in self._consumer.poll(timeout_ms=1_000).values():
                requests = []
                for each in messages:
                    message = read_message(each.value, each.headers, f"offset {each.offset}")
                    assert not isinstance(message, BadRecord)
                    requests.append(Request(message.kind, message.origin, message.record))
                self._lane.take_in(requests, messages[-1].offset + 1)
