"""Writes events into the shard log and refused records into the dead letters, and knows when both are safe.

The producer is idempotent and tries for ever, so that an outage of the brokers neither loses, doubles nor
reorders anything: it only takes longer.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from kafka.errors import KafkaError, KafkaTimeoutError

from flows.broker.connection import make_producer, topic
from flows.broker.ingest.dead_letters import write_letter
from flows.broker.ingest.inputs import Received, Refusal
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import DEAD_LETTERS, SHARD_LOG
from flows.broker.wire import Headers, LogMessage, message_headers, message_key
from flows.codec import Event
from flows.sharding import shards_of

FOR_EVER_MS: Final = 2**31 - 1
_LOOK_UP_S: Final = 0.5
_START_S: Final = 5.0
_SILENT_AFTER_S: Final = 5.0
_SAY_EVERY_S: Final = 30.0

Sent = list[Any]
"""Futures of records, in the order in which they were sent."""

_log = structlog.get_logger(__name__)


class WriteError(Exception):
    """The brokers refuse what is written, or the topics are not as they must be."""


class GivenUpError(Exception):
    """The brokers did not acknowledge in time what was written before the end."""


class LogWriter:
    """See the module.

    Parameters
    ----------
    kafka
        Where the topics are.
    give_up
        Asked while the brokers are silent: whether to wait no longer.

    Raises
    ------
    WriteError
        When a topic is missing, or the shard log has another number of partitions than there are shards.
    """

    def __init__(self, kafka: KafkaParams, give_up: Callable[[], bool]) -> None:
        self._shards = kafka.shards
        self._give_up = give_up
        self._shard_log, self._dead_letters = topic(kafka, SHARD_LOG), topic(kafka, DEAD_LETTERS)
        self._producer = make_producer(
            kafka,
            linger_ms=10,  # the first batch of a burst fills up instead of leaving with one record
            batch_size=262_144,
            max_block_ms=round(_LOOK_UP_S * 1_000),
            delivery_timeout_ms=FOR_EVER_MS,
            metrics_enabled=False,
        )
        self._sent: Sent = []
        self._silent_since: float | None = None
        self._said_at = 0.0
        try:
            self._check(self._shard_log, kafka.shards)
            self._check(self._dead_letters, None)
        except BaseException:
            self.close()
            raise

    def event(self, event: Event, arrival_us: int) -> int:
        """Send an event to the logs that hold it; says how many those are."""
        message = LogMessage.of(event, arrival_us)
        key, headers, value = message_key(event), message_headers(message), message.record.payload
        shards = shards_of(event, self._shards)
        for shard in shards:
            self._send(self._shard_log, key, value, headers, shard)
        return len(shards)

    def letter(self, received: Received, refusal: Refusal, refused_at: datetime) -> None:
        """Send a refused record to the dead letters."""
        letter = write_letter(received, refusal, refused_at)
        self._send(self._dead_letters, letter.key, letter.value, letter.headers, None)

    def sent(self) -> Sent:
        """What was sent since the last call, on its way to the brokers."""
        sent, self._sent = self._sent, []
        return sent

    def settle(self, sent: Sent) -> None:
        """Wait until all of it is acknowledged.

        Raises
        ------
        WriteError
            When the brokers refuse some of it.
        GivenUpError
            When they are silent and there is no more time.
        """
        while not all(future.is_done for future in sent):
            try:
                self._producer.flush(timeout=_LOOK_UP_S)
            except KafkaError:
                self._wait(len(sent))
        self._heard()
        for future in sent:
            if future.failed():
                raise WriteError(f"a record could not be written: {future.exception}")

    def close(self) -> None:
        """Leave the brokers; what they have not acknowledged by now is not waited for."""
        try:
            self._producer.close(timeout=_LOOK_UP_S)
        except KafkaError:
            _log.warning("producer_closed_early", reason="the brokers are silent")

    def _send(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, partition: int | None
    ) -> None:
        while True:
            try:
                future = self._producer.send(name, value, key, headers, partition)
            except KafkaTimeoutError:
                self._wait(len(self._sent))
            else:
                self._sent.append(future)
                return

    def _wait(self, records: int) -> None:
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        silent_s = now - self._silent_since
        if silent_s >= _SILENT_AFTER_S and now >= self._said_at + _SAY_EVERY_S:
            self._said_at = now
            _log.warning("brokers_silent", seconds=round(silent_s), records=records)
        if self._give_up():
            raise GivenUpError(f"{records} records were not acknowledged")

    def _heard(self) -> None:
        if self._silent_since is not None and self._said_at >= self._silent_since:
            _log.info("brokers_back", seconds=round(time.monotonic() - self._silent_since))
        self._silent_since = None

    def _check(self, name: str, partitions: int | None) -> None:
        found = self._partitions(name)
        hint = "see `tapwatch topics diff`"
        if found == 0:
            raise WriteError(f"{name}: there is no such topic; {hint}")
        if partitions is not None and found != partitions:
            raise WriteError(f"{name}: has {found} partitions; allowed: {partitions}; {hint}")

    def _partitions(self, name: str) -> int:
        until = time.monotonic() + _START_S
        while True:
            try:
                return len(self._producer.partitions_for(name) or ())
            except KafkaError:
                if time.monotonic() > until:
                    return 0
