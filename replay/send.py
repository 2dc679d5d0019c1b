"""Recorded streams into Kafka: as outside producers send, or straight into the log of the shards."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alerting.decision import PolicyActivated
from flows.broker.destination import Destination
from flows.broker.event_sender import EventSender
from flows.broker.first_policy import ensure_first_policy
from flows.broker.params import KafkaParams
from flows.codec import BadRecord, Event
from replay.damage import StreamDamage
from replay.stream_feed import Progress
from replay.streams import merge_streams

_REPORT_EVERY: Final = 1_000
_SHORTEST_WAIT_S: Final = 0.001


@dataclass(slots=True)
class SendSummary:
    """What was sent; ``records`` by topic, where a broadcast event is one per shard.

    ``refused`` are records of the streams that can't be used, ``left_out`` events that the destination is not
    for, by kind.
    """

    to: str
    events: int = 0
    records: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    damage: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    events_per_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def send_streams(
    streams: Sequence[Path],
    params: KafkaParams,
    to: Destination,
    rate_per_s: float | None = None,
    progress: Progress = lambda _done, _total: None,
    policy_text: str | None = None,
) -> SendSummary:
    """Send recorded streams, merged by event time; returns when the brokers have stored everything.

    ``policy_text`` is the policy that shard logs begin with which are empty, where the streams, sent straight
    into the log, begin with none.

    Raises
    ------
    StreamError
        When a stream can't be read at all.
    BrokerError
        When the brokers can't be used; what was sent may be sent again.
    """
    return send_events(merge_streams(streams), params, to, rate_per_s, progress, policy_text)


def send_events(
    events: Iterable[Event | BadRecord],
    params: KafkaParams,
    to: Destination,
    rate_per_s: float | None = None,
    progress: Progress = lambda _done, _total: None,
    policy_text: str | None = None,
) -> SendSummary:
    """Send ``events`` that are in no file; see :func:`send_streams`."""
    summary = SendSummary(str(to))
    left_out: Counter[str] = Counter()
    begun = time.monotonic()
    # At a rate, a record that waits for company only comes late.
    with EventSender(params, to, linger_ms=50 if rate_per_s is None else 0) as sender:
        for event in events:
            if isinstance(event, BadRecord):
                summary.refused += 1
                if isinstance(event, StreamDamage):
                    summary.damage.append(event.as_dict())
                continue
            if not sender.takes(event):
                left_out[event.kind] += 1
                continue
            if not summary.events and policy_text is not None and _needs_policy(to, event):
                ensure_first_policy(params, policy_text)
            if rate_per_s is not None:
                _wait_until(begun + summary.events / rate_per_s)
            sender.send(event, time.time_ns() // 1_000)
            summary.events += 1
            if summary.events % _REPORT_EVERY == 0:
                progress(summary.events, None)
    summary.records, summary.left_out = dict(sender.records), dict(left_out)
    summary.seconds = round(time.monotonic() - begun, 3)
    summary.events_per_s = round(summary.events / summary.seconds, 1) if summary.seconds else 0.0
    return summary


def _needs_policy(to: Destination, first: Event) -> bool:
    return to is Destination.SHARD_LOG and not isinstance(first, PolicyActivated)


def _wait_until(due: float) -> None:
    wait = due - time.monotonic()
    if wait > _SHORTEST_WAIT_S:
        time.sleep(wait)
