"""A running ingest flow for tests, what is put before it and what comes out."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from flows.broker.connection import make_producer, topic
from flows.broker.ingest.dead_letters import Letter, read_letter
from flows.broker.ingest.ingest import Ingest
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DEAD_LETTERS, SHARD_LOG
from flows.broker.wire import Headers, LogMessage, read_message
from flows.codec import BadRecord, Event, encode_event
from flows.sharding import BROADCAST

PATIENCE_S = 90.0


class Input(NamedTuple):
    """A record for an input topic."""

    value: bytes | None
    key: bytes | None = b"k"
    headers: Headers = []  # noqa: RUF012  (never changed)
    partition: int | None = None


def of(event: Event) -> Input:
    """An event as its sender would put it."""
    user = None if isinstance(event, BROADCAST) else f"{event.tenant}/{event.user_id}"
    return Input(encode_event(event), (user or event.event_id).encode())


def send(params: KafkaParams, kind: str, inputs: Sequence[Input]) -> None:
    """Put records into an input topic; they are stored when this returns."""
    with closing(make_producer(params, linger_ms=20, batch_size=262_144)) as producer:
        futures = [
            producer.send(topic(params, kind), each.value, each.key, each.headers, each.partition)
            for each in inputs
        ]
        producer.flush()
        for future in futures:
            assert future.succeeded(), future.exception


@contextmanager
def running(params: KafkaParams, settings: IngestParams | None = None) -> Iterator[Ingest]:
    """An ingest flow on a thread of its own; stopped at the end, and whatever it raised is raised."""
    ingest = Ingest(params, settings or IngestParams())
    raised: list[BaseException] = []

    def run() -> None:
        try:
            ingest.run()
        except BaseException as error:  # noqa: BLE001  (raised again below)
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ingest
    finally:
        ingest.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Come back when it holds."""
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def shard_logs(params: KafkaParams) -> list[list[LogMessage]]:
    """What stands in the log of each shard, in order."""
    logs: list[list[LogMessage]] = [[] for _ in range(params.shards)]
    for record in read_topic(params, SHARD_LOG):
        message = read_message(record.value, record.headers, "log")
        assert not isinstance(message, BadRecord)
        logs[record.partition].append(message)
    return logs


def events(log: Sequence[LogMessage]) -> list[Event]:
    """The events of a log, as its owner counts them: each id once."""
    return list({message.record.event.event_id: message.record.event for message in log}.values())


def letters(params: KafkaParams) -> list[Letter]:
    """All dead letters."""
    found = [read_letter(record) for record in read_topic(params, DEAD_LETTERS)]
    return [each for each in found if isinstance(each, Letter)]
