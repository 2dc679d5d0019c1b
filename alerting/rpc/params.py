"""What an operator can set of the gRPC edge."""

from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Final

_LOWEST: Final = {
    "alert_poll_s": 0.001,
    "stream_window": 1,
    "stream_idle_s": 0.001,
    "publish_window": 1,
    "reader_threads": 1,
    "max_calls": 1,
    "max_calls_per_caller": 1,
    "message_timeout_s": 0.001,
    "max_message_bytes": 1_024,
    "health_poll_s": 0.001,
    "handshake_timeout_s": 0.001,
    "max_connection_idle_s": 0.001,
    "max_connection_age_s": 0.001,
}


@dataclass(frozen=True, slots=True)
class EdgeParams:
    """Limits and defaults of the gRPC edge.

    Parameters
    ----------
    default_deadline_s
        Longest time that a payment may take; the call's deadline and the request's budget only shorten it.
    margin_s
        Part of every deadline kept for making the fallback answer and for its way back.
    max_ahead_s
        How far an event time may be ahead of the engine's clock.
    max_device_ahead_s
        How far that of a location or a visit may be: one phone with a fast clock would make the positions of
        all others look late.
    max_in_flight
        Payments of unary calls that may wait at a time; the next one gets the fallback at once.
    max_streams
        Streams of payments and events open at a time; the next one is refused, so that streams can't crowd
        out ``Decide``. As many again may watch health or read the schema.
    max_streams_per_caller
        How many of either kind one caller may have open. A caller is the owner of its certificate where
        callers must show one, otherwise the address that it calls from.
    max_subscribers, max_subscribers_per_caller
        The same for subscribers of alerts, which are counted apart.
    alert_poll_s
        How often to look for new alerts while the log goes on and somebody subscribes.
    stream_window
        Payments of one stream that may wait at a time; a faster sender is held back.
    stream_idle_s
        How long a stream may wait for its caller to send a message or to take a reply; it is then ended
        (DEADLINE_EXCEEDED, reason STREAM_IDLE) after this time to twice this time.
    publish_window
        Events of one ``Publish`` that may be on their way into the log at a time.
    publish_timeout_s
        How long an outcome or an event may take until it is durable; then the caller is told to try again.
    reader_threads
        Threads that look up stored decisions, so that files never hold up ``Decide``.
    max_calls
        Calls open at a time, of all kinds; more are refused, so that memory stays bounded.
    max_calls_per_caller
        How many of them one caller may have open, so that one alone can't lock out the others; one
        connection may not have more either. Set it to ``max_calls`` where all callers come through one proxy.
    message_timeout_s
        How long a call of one message may keep the server waiting for it; it is then ended
        (DEADLINE_EXCEEDED, reason MESSAGE_MISSING) after this time to twice this time.
    max_message_bytes
        Longest request; the longest valid one is about a tenth of the default.
    max_publish_errors
        Refused events of one ``Publish`` that the reply explains; all are counted.
    retry_after_s
        What callers are told to wait when the engine can't take an event.
    health_poll_s
        How often watchers of the health service are brought up to date.
    keepalive_time_s, keepalive_timeout_s
        A connection silent for the first is probed and closed when it stays silent for the second.
    min_ping_interval_s
        Callers that probe more often than this are disconnected.
    handshake_timeout_s
        How long a new connection may take until it can carry calls.
    max_connection_idle_s
        A connection without calls is closed after this time.
    max_connection_age_s, max_connection_grace_s
        A connection this old takes no more calls, which well-behaved callers don't notice: they open another.
        Calls under way then have the grace to end. Nothing else frees a call whose caller keeps the
        connection alive but never reads its reply.
    reflection
        Whether the server describes its schema to tools.

    Raises
    ------
    ValueError
        When a limit is out of its range.
    """

    default_deadline_s: float = 0.1
    margin_s: float = 0.01
    max_ahead_s: float = 86_400.0
    max_device_ahead_s: float = 120.0
    max_in_flight: int = 256
    max_streams: int = 16
    max_streams_per_caller: int = 4
    max_subscribers: int = 512
    max_subscribers_per_caller: int = 256
    alert_poll_s: float = 0.02
    stream_window: int = 16
    stream_idle_s: float = 120.0
    publish_window: int = 256
    publish_timeout_s: float = 10.0
    reader_threads: int = 4
    max_calls: int = 4_096
    max_calls_per_caller: int = 1_024
    message_timeout_s: float = 5.0
    max_message_bytes: int = 65_536
    max_publish_errors: int = 100
    retry_after_s: float = 0.25
    health_poll_s: float = 0.5
    keepalive_time_s: float = 30.0
    keepalive_timeout_s: float = 10.0
    min_ping_interval_s: float = 10.0
    handshake_timeout_s: float = 10.0
    max_connection_idle_s: float = 900.0
    max_connection_age_s: float = 3_600.0
    max_connection_grace_s: float = 60.0
    reflection: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value, lowest = getattr(self, field.name), _LOWEST.get(field.name, 0)
            if not (value >= lowest and isfinite(value)):
                raise ValueError(f"{field.name}: {value!r} is out of range; allowed: {lowest} or more")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the server; with ``client_ca``, callers must show a certificate signed by it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
