"""A producer whose messages and commits become visible together or not at all."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata

from flows.broker.committed import Published, commit_of, shard_partition
from flows.broker.connection import make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.publishing.outbox import Row
from flows.broker.topic_specs import ALERTS, DECISIONS, STEP_UP_REQUESTS

TRANSACTION_TIMEOUT_MS: Final = 10_000
"""After this the brokers end the transaction of a process that died, so that its successor can go on."""
COMMIT_TIMEOUT_S: Final = 15.0
"""Longer than the brokers let a transaction be: by then it has ended one way or the other."""
BATCH_BYTES: Final = 262_144
REST_EVERY: Final = 8
REST_S: Final = 0.000_1
"""The flow shares the interpreter, and its callers wait: it is left alone for a moment every few rows."""
CLOSE_S: Final = 1.0


class TransactionalOutlet:
    """Publishes rows of shards in transactions.

    Made anew it ends what another one of the same name left open, and locks that one out.

    Raises
    ------
    KafkaError
        From every method: nothing is known then of the transaction under way, and this outlet is done with.
        A :class:`kafka.errors.CommitFailedError` is different: the group refused, and after an :meth:`abort`
        the outlet can be used.
    """

    def __init__(self, params: KafkaParams, transactional_id: str) -> None:
        self._params = params
        self._topics = {kind: topic(params, kind) for kind in (DECISIONS, STEP_UP_REQUESTS, ALERTS)}
        self._transactional_id = transactional_id
        self._producer = self._begin()

    def publish(
        self,
        rows: Sequence[tuple[int, Row]],
        published: Mapping[int, Published],
        member: ConsumerGroupMetadata,
    ) -> None:
        """Publish rows of shards, each with its number, and say how far each shard is published then."""
        producer = self._producer
        producer.begin_transaction()
        sent = []
        for number, (shard, row) in enumerate(rows, start=1):
            for message in row.messages:
                future = producer.send(
                    self._topics[message.kind],
                    message.value,
                    message.key,
                    headers=message.headers,
                    partition=shard,
                )
                sent.append(future)
            if number % REST_EVERY == 0:
                time.sleep(REST_S)
        commits = {shard_partition(self._params, shard): commit_of(at) for shard, at in published.items()}

        def commit() -> None:
            producer.flush()
            # The client commits all the same where a message was given up.
            for future in sent:
                if future.exception is not None:
                    raise future.exception
            producer.send_offsets_to_transaction(commits, member)
            producer.commit_transaction()

        _within(COMMIT_TIMEOUT_S, commit)

    def abort(self) -> None:
        """Take back what the transaction under way has published."""
        _within(COMMIT_TIMEOUT_S, self._producer.abort_transaction)
        # The client keeps commits that the group refused, and makes them in its next transaction: a shard
        # that has gone to another process would count as published further than it is. So it is made anew.
        self.close()
        self._producer = self._begin()

    def close(self) -> None:
        """End, whatever is under way."""
        _close(self._producer)

    def _begin(self) -> KafkaProducer:
        producer = make_producer(
            self._params,
            transactional_id=self._transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            delivery_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=TRANSACTION_TIMEOUT_MS // 2,
            max_block_ms=TRANSACTION_TIMEOUT_MS,
            batch_size=BATCH_BYTES,
            linger_ms=5,
            retry_backoff_ms=20,
            metrics_enabled=False,
        )
        try:
            producer.init_transactions()
        except KafkaError:
            _close(producer)
            raise
        return producer


def _within(seconds: float, call: Callable[[], None]) -> None:
    """Call; raise KafkaTimeoutError when it takes longer, and leave it to its fate.

    The client waits for these without end, and one whose broker was killed at a bad moment does so for ever.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            errors.append(error)

    thread = threading.Thread(target=run, name="transaction", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise KafkaTimeoutError(f"a transaction did not end within {seconds:g} s")


def _close(producer: KafkaProducer) -> None:
    # The client waits for what it has not sent, also where nobody will take it; we go on meanwhile.
    ending = threading.Thread(target=_end, args=(producer,), daemon=True)
    ending.start()
    ending.join(CLOSE_S)


def _end(producer: KafkaProducer) -> None:
    with suppress(KafkaError):  # what was not sent is published again, from what is on record
        producer.close()
