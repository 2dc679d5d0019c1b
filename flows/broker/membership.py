"""Asks the brokers whether this process is what it takes itself for: a member of the group, and up to date.

The client can lose its membership, or cease to fetch, without noticing: a heartbeat that nobody answers is
waited for without end. An owner who is none does no harm, since the log decides; but nobody reads its
partitions then. So the brokers are asked by another connection, and a client that is wrong about itself is
replaced.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

import structlog
from kafka import ConsumerGroupMetadata, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from flows.broker.connection import BrokerError, make_admin, make_consumer
from flows.broker.params import KafkaParams

STALLED_S: Final = 15.0
"""A partition that goes on, and of which nothing was read for so long, is not fetched any more."""
_LOOKS: Final = 2
"""So often in a row the group must not know us: it may be looking for members just then."""

Offsets = Mapping[TopicPartition, int | None]

_log = structlog.get_logger(__name__)


def member_id(consumer: KafkaConsumer) -> str:
    """What the group calls this client; empty while it is not in it."""
    member: ConsumerGroupMetadata = consumer.group_metadata()  # type: ignore[no-untyped-call]
    return member.member_id if member.generation_id >= 0 else ""


class Membership:
    """Looks at the group and at the partitions now and then, on a thread of its own.

    Parameters
    ----------
    group
        The consumer group.
    member_id
        What the client takes itself for; empty while it is joining.
    read
        Up to which offset each of our partitions was read; None where nothing was since it is ours.
    """

    def __init__(
        self, params: KafkaParams, group: str, member_id: Callable[[], str], read: Callable[[], Offsets]
    ) -> None:
        self._params = params
        self._group = group
        self._member_id = member_id
        self._read = read
        self._ended = threading.Event()
        self._missed = 0
        self._moved: dict[TopicPartition, tuple[int | None, float]] = {}
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self.gone = threading.Event()
        """Set when the client must be replaced; cleared by whoever does."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, sometime soon."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._params.session_timeout_s / 2):
            try:
                self._look_until_it_fails()
            except (BrokerError, KafkaError):
                pass  # brokers that are away, or say nothing, are no reason: the client waits for them, too
            except Exception as error:  # noqa: BLE001  (the edge of the thread: nobody else looks)
                _log.error("membership_not_looked_at", error=repr(error))

    def _look_until_it_fails(self) -> None:
        with (
            closing(make_admin(self._params)) as admin,
            closing(make_consumer(self._params, group_id=self._group)) as consumer,
        ):
            while not self._ended.wait(self._params.session_timeout_s / 2):
                reason = self._not_a_member(admin) or self._stalled(consumer)
                if reason is not None and not self.gone.is_set():
                    _log.error("membership_lost", reason=reason)
                    self._missed = 0
                    self._moved.clear()
                    self.gone.set()

    def _not_a_member(self, admin: KafkaAdminClient) -> str | None:
        ours = self._member_id()
        found = admin.describe_groups([self._group])[self._group]
        known = not ours or any(member["member_id"] == ours for member in found["members"])
        self._missed = 0 if known else self._missed + 1
        return f"the group {self._group} does not know {ours}" if self._missed >= _LOOKS else None

    def _stalled(self, consumer: KafkaConsumer) -> str | None:
        offsets, now = self._read(), time.monotonic()
        ends = consumer.end_offsets(list(offsets)) if offsets else {}
        moved: dict[TopicPartition, tuple[int | None, float]] = {}
        for place, offset in offsets.items():
            before, since = self._moved.get(place, (offset, now))
            # The last one may be the mark of a transaction, which nobody gets to see.
            waits = before == offset and _begin(consumer, place, offset) < ends[place] - 1
            moved[place] = (offset, since if waits else now)
        self._moved = moved
        slow = [f"{at.topic}/{at.partition}" for at, (_, since) in moved.items() if now - since >= STALLED_S]
        return f"nothing was read of {', '.join(slow)}, which went on" if slow else None


def _begin(consumer: KafkaConsumer, place: TopicPartition, offset: int | None) -> int:
    """Where reading goes on: behind what was read, where the group left off, or where the records begin."""
    if offset is not None:
        return offset
    committed = consumer.committed(place)
    assert not isinstance(committed, OffsetAndMetadata)
    return consumer.beginning_offsets([place])[place] if committed is None else committed
