"""Asks the brokers whether this process is what it takes itself for: a member of the group, and up to date.

The client can lose its membership, or cease to fetch, without noticing: a heartbeat that nobody answers is
waited for without end. An owner who is none does no harm, since the log decides; but nobody serves its shards
then. So the brokers are asked by another connection, and a client that is wrong about itself is replaced.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

import structlog
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from flows.broker.committed import shard_group, shard_partition
from flows.broker.connection import BrokerError, make_admin, make_consumer
from flows.broker.params import KafkaParams

STALLED_S: Final = 15.0
"""A shard whose partition goes on, and of which nothing was fetched for so long, is not fetched any more."""
_LOOKS: Final = 2
"""So often in a row the group must not know us: it may be looking for members just then."""

_log = structlog.get_logger(__name__)


class Membership:
    """Looks at the group and at the partitions now and then, on a thread of its own.

    Parameters
    ----------
    member_id
        What the client takes itself for; empty while it is joining.
    offsets
        Up to where the shards that we own were fetched.
    """

    def __init__(
        self, params: KafkaParams, member_id: Callable[[], str], offsets: Callable[[], Mapping[int, int]]
    ) -> None:
        self._params = params
        self._member_id = member_id
        self._offsets = offsets
        self._ended = threading.Event()
        self._missed = 0
        self._moved: dict[int, tuple[int, float]] = {}
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
        with closing(make_admin(self._params)) as admin, closing(make_consumer(self._params)) as consumer:
            while not self._ended.wait(self._params.session_timeout_s / 2):
                reason = self._not_a_member(admin) or self._stalled(consumer)
                if reason is not None and not self.gone.is_set():
                    _log.error("membership_lost", reason=reason)
                    self._missed = 0
                    self._moved.clear()
                    self.gone.set()

    def _not_a_member(self, admin: KafkaAdminClient) -> str | None:
        group, ours = shard_group(self._params), self._member_id()
        found = admin.describe_groups([group])[group]
        known = not ours or any(member["member_id"] == ours for member in found["members"])
        self._missed = 0 if known else self._missed + 1
        return f"the group {group} does not know {ours}" if self._missed >= _LOOKS else None

    def _stalled(self, consumer: KafkaConsumer) -> str | None:
        offsets, now = self._offsets(), time.monotonic()
        places = {shard: shard_partition(self._params, shard) for shard in offsets}
        ends = consumer.end_offsets(list(places.values())) if places else {}
        moved: dict[int, tuple[int, float]] = {}
        for shard, offset in offsets.items():
            before, since = self._moved.get(shard, (offset, now))
            moved[shard] = (offset, since if before == offset < ends[places[shard]] else now)
        self._moved = moved
        slow = [shard for shard, (_, since) in moved.items() if now - since >= STALLED_S]
        return f"nothing was fetched of shards {slow}, whose logs go on" if slow else None
