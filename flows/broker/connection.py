"""Clients of the brokers, made in one place: no other module knows how a connection is set up.

What they raise later goes through :func:`~flows.broker.errors.in_words` where they are used.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.net.compat import KafkaNetClient

from flows.broker.client_log import CLIENT_LOG, tone_down
from flows.broker.errors import BrokerError, BrokerUnreachableError, in_words, tls_context
from flows.broker.header_names import read_leniently
from flows.broker.params import KafkaParams

__all__ = [
    "BrokerError",
    "abandon",
    "in_words",
    "make_admin",
    "make_consumer",
    "make_producer",
    "topic",
    "wait_for_brokers",
]

_Client = TypeVar("_Client")
_CONNECT_TIMEOUT_MS: Final = 10_000
_MAX_BACKOFF_MS: Final = 1_000
_HEARTBEATS_PER_TIMEOUT: Final = 3
_LOOK_AGAIN_S: Final = 0.2


def topic(params: KafkaParams, kind: str) -> str:
    """The name of a topic.

    >>> topic(KafkaParams(prefix="shop"), "shard-log")
    'shop.shard-log.v1'
    """
    return f"{params.prefix}.{kind}.v1"


def make_producer(params: KafkaParams, **more: Any) -> KafkaProducer:
    """A producer whose records are stored once and by all in-sync brokers before they count as sent.

    Parameters
    ----------
    more
        Settings of the Kafka client that differ from these.

    Raises
    ------
    BrokerError
        When no broker can be used.
    """
    settings = {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": None if params.compression == "none" else params.compression,
        "linger_ms": 0,
        "allow_auto_create_topics": False,
    }
    return _connected(KafkaProducer, params, settings | more)


def make_consumer(params: KafkaParams, *topics: str, **more: Any) -> KafkaConsumer:
    """A consumer that starts at the beginning, commits only when told, and reads what is committed.

    See :func:`make_producer`.
    """
    timeout_ms = round(params.session_timeout_s * 1_000)
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "session_timeout_ms": timeout_ms,
        "heartbeat_interval_ms": timeout_ms // _HEARTBEATS_PER_TIMEOUT,
        "allow_auto_create_topics": False,
    }
    return _connected(lambda **all_: KafkaConsumer(*topics, **all_), params, settings | more)


def abandon(consumer: KafkaConsumer) -> None:
    """Have nothing more to do with a consumer that may hang for long when it is closed."""

    def close() -> None:
        with suppress(Exception):
            consumer.close(autocommit=False)

    threading.Thread(target=close, name="old-client", daemon=True).start()


def wait_for_brokers(params: KafkaParams, patience_s: float) -> None:
    """Return once a broker answers.

    Raises
    ------
    BrokerError
        When none does within ``patience_s`` seconds, or when it refuses this client.
    """
    over = time.monotonic() + patience_s
    while True:
        try:
            make_admin(params, bootstrap_timeout_ms=2_000).close()
        except BrokerUnreachableError:
            if time.monotonic() > over:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def make_admin(params: KafkaParams, **more: Any) -> KafkaAdminClient:
    """A client that looks after topics; see :func:`make_producer`."""
    return _connected(KafkaAdminClient, params, more)


def _connected(make: Callable[..., _Client], params: KafkaParams, settings: dict[str, Any]) -> _Client:
    tone_down()
    read_leniently()
    begun: list[KafkaNetClient] = []

    def network(**given: Any) -> KafkaNetClient:
        begun.append(KafkaNetClient(**given))
        return begun[-1]

    try:
        with in_words(params, "connect"), CLIENT_LOG.connecting():
            return make(**{**_common(params), "kafka_client": network, **settings})
    except BaseException:
        # A client that could not be made has left its thread behind.
        for each in begun:
            each.close()
        raise


def _common(params: KafkaParams) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bootstrap_servers": list(params.bootstrap),
        "client_id": params.prefix,
        "security_protocol": params.security,
        "bootstrap_timeout_ms": _CONNECT_TIMEOUT_MS,
        "reconnect_backoff_max_ms": _MAX_BACKOFF_MS,
    }
    if params.authenticated:
        found |= {
            "sasl_mechanism": params.sasl_mechanism,
            "sasl_plain_username": params.sasl_username,
            "sasl_plain_password": params.sasl_password,
        }
    if params.encrypted:
        found["ssl_context"] = tls_context(params)
    return found
