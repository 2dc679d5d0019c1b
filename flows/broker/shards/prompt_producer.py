"""A producer for what is worth nothing after some seconds, that always gets over an outage."""

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

import structlog
from kafka import KafkaProducer
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from flows.broker.connection import BrokerError, make_producer
from flows.broker.params import KafkaParams
from flows.broker.wire import Headers

DELIVERY_S: Final = 4.0
"""How long a message is tried."""
_BLOCK_S: Final = 2.0
_STALL_S: Final = DELIVERY_S + 2.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
"""The fault of a message, not of the client."""

Done = Callable[[Exception | None], None]

_log = structlog.get_logger(__name__)


class PromptProducer:
    """Sends, and says of each message whether the brokers have it.

    The client can stand still for ever when an outage comes at the wrong moment: after a batch that expired
    it asks for a new producer id and may wait for that answer without end. So a client that failed, or that
    has not finished anything for long, is replaced; its messages fail, and whoever sent them may repeat them.

    Parameters
    ----------
    linger_ms
        How long a message waits for company: a request costs as much as several messages, at both ends.
    """

    def __init__(self, params: KafkaParams, linger_ms: int = 0) -> None:
        self._params = params
        self._linger_ms = linger_ms
        self._lock = threading.Lock()
        self._tokens = count()
        self._under_way: dict[int, Done] = {}
        self._moved_at = time.monotonic()
        self._failed = False
        self._client = self._connect()

    def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has; 0 when there is none."""
        return len(self._client.partitions_for(topic) or ())

    def send(
        self,
        topic: str,
        value: bytes,
        partition: int,
        key: bytes | None = None,
        headers: Headers | None = None,
        done: Done = lambda _: None,
    ) -> None:
        """Send a message; ``done`` is told, on any thread, when it is there (None) or given up."""
        token = next(self._tokens)
        with self._lock:
            if not self._under_way:
                self._moved_at = time.monotonic()
            self._under_way[token] = done
        try:
            sent = self._client.send(topic, value, key, headers or [], partition)
        except (KafkaError, AssertionError, RuntimeError) as error:
            self._end(token, error)
        else:
            sent.add_callback(partial(self._arrived, token))
            sent.add_errback(partial(self._end, token))

    def tend(self) -> None:
        """Replace a client that is of no more use; to be called now and then, by one thread."""
        with self._lock:
            stalled = bool(self._under_way) and time.monotonic() > self._moved_at + _STALL_S
            if not (self._failed or stalled):
                return
            self._failed, self._moved_at = False, time.monotonic()
        _log.warning("producer_replaced", stalled=stalled)
        old = self._client
        try:
            self._client = self._connect()
        except (BrokerError, KafkaError) as error:
            _log.warning("producer_not_made", reason=str(error))
            with self._lock:
                self._failed = True
            return
        with self._lock:
            left, self._under_way = list(self._under_way.values()), {}
        for done in left:  # the old client may never say what became of them
            done(KafkaTimeoutError("the client was replaced"))
        _close(old, 0.0)

    def close(self) -> None:
        """Send what waits, for a moment, and end."""
        _close(self._client, _BLOCK_S)

    def _connect(self) -> KafkaProducer:
        return make_producer(
            self._params,
            linger_ms=self._linger_ms,
            delivery_timeout_ms=round(DELIVERY_S * 1_000),
            request_timeout_ms=round(DELIVERY_S * 500),
            max_block_ms=round(_BLOCK_S * 1_000),
            bootstrap_timeout_ms=round(_BLOCK_S * 1_000),
        )

    def _arrived(self, token: int, _metadata: object) -> None:
        self._end(token, None)

    def _end(self, token: int, error: Exception | None) -> None:
        with self._lock:
            done = self._under_way.pop(token, None)
            if done is None:
                return  # of a client that was replaced: what it says now is no news of the present one
            self._moved_at = time.monotonic()
            self._failed |= error is not None and not isinstance(error, _TOO_LARGE)
        done(error)


def _close(client: KafkaProducer, patience_s: float) -> None:
    try:
        client.close(timeout=patience_s)
    except KafkaError as error:
        _log.warning("producer_not_closed", reason=str(error))
        # Messages are left, so the client has not come to the end of its own closing: its thread would stay.
        client._sender.force_close()  # type: ignore[attr-defined]  # its only end without a wait
