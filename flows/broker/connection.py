"""Clients of the brokers, made in one place: no other module knows how a connection is set up."""

import logging
import ssl
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from flows.broker.params import KafkaParams


class BrokerError(Exception):
    """A broker can't be used; the message says which, what failed and what to check."""


def topic(params: KafkaParams, kind: str) -> str:
    """The name of a topic.

    >>> topic(KafkaParams(prefix="shop"), "shard-log")
    'shop.shard-log.v1'
    """
    return f"{params.prefix}.{kind}.v1"


def make_producer(params: KafkaParams, **more: Any) -> KafkaProducer:
    """A producer whose records are stored once and by all in-sync brokers before they count as sent."""
    settings = {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": None if params.compression == "none" else params.compression,
        "linger_ms": 0,
        "allow_auto_create_topics": False,
    }
    return KafkaProducer(**{**_common(params), **settings, **more})


def make_consumer(params: KafkaParams, *topics: str, **more: Any) -> KafkaConsumer:
    """A consumer that starts at the beginning, commits only when told, and reads what is committed."""
    timeout_ms = round(params.session_timeout_s * 1_000)
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "session_timeout_ms": timeout_ms,
        "heartbeat_interval_ms": timeout_ms // 3,
        "allow_auto_create_topics": False,
    }
    return KafkaConsumer(*topics, **{**_common(params), **settings, **more})


def make_admin(params: KafkaParams, **more: Any) -> KafkaAdminClient:
    """A client that looks after topics."""
    try:
        return KafkaAdminClient(**{**_common(params), **more})
    except KafkaError as error:
        raise BrokerError(f"{', '.join(params.bootstrap)}: {error}") from None


def _common(params: KafkaParams) -> dict[str, Any]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    found: dict[str, Any] = {
        "bootstrap_servers": list(params.bootstrap),
        "client_id": params.prefix,
        "security_protocol": params.security,
        "bootstrap_timeout_ms": 10_000,
        "reconnect_backoff_max_ms": 1_000,
    }
    if params.authenticated:
        found |= {
            "sasl_mechanism": params.sasl_mechanism,
            "sasl_plain_username": params.sasl_username,
            "sasl_plain_password": params.sasl_password,
        }
    if params.encrypted:
        context = ssl.create_default_context(cafile=params.ca)
        if params.certificate is not None:
            context.load_cert_chain(params.certificate, params.key)
        found["ssl_context"] = context
    return found
