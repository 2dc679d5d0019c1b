"""Fallback answers that an earlier run gave and did not log: into the shard logs before anything else."""

from contextlib import closing
from pathlib import Path
from typing import Final

from flows.answer_journal import AnswerJournal
from flows.broker.connection import make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.wire import LogMessage, message_headers, message_key
from flows.codec import BadRecord, decode_event
from flows.frames import Kind
from flows.log import NewRecord
from flows.sharding import shards_of
from flows.sqlite_shard import ShardFileError

_TIMEOUT_S: Final = 30.0


def send_left_answers(params: KafkaParams, path: Path) -> int:
    """Send what the journal at ``path`` holds, and leave it empty; gives how many there were.

    Raises
    ------
    ShardFileError
        When the journal can't be read.
    kafka.errors.KafkaError
        When the brokers don't take an answer; the journal keeps all of them.
    """
    with closing(AnswerJournal(path)) as journal:
        left = journal.read()
        if not left:
            return 0
        with closing(make_producer(params)) as producer:
            sent = []
            for payload, arrival_us in left:
                event = decode_event(payload, str(path))
                if isinstance(event, BadRecord):
                    raise ShardFileError(f"{path}: holds an answer that can't be read: {event.reason}")
                message = LogMessage(Kind.FALLBACK, NewRecord.of(event, arrival_us))
                (shard,) = shards_of(event, params.shards)
                key, headers = message_key(event), message_headers(message)
                sent.append(producer.send(topic(params, SHARD_LOG), payload, key, headers, shard))
            for each in sent:
                each.get(_TIMEOUT_S)  # type: ignore[no-untyped-call]
        journal.clear()
    return len(left)
