"""What was decided becomes messages for others: each row of a shard's outbox once, in order, in transactions.

A transaction holds the messages of all shards of the process, and with them, as the commit of the shards'
group, how far each is published: both become visible or neither. The brokers refuse the commit of a process
that has lost its shards without knowing it; the one that has them goes on where the last commit left off.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import structlog
from kafka.errors import CommitFailedError, FencedInstanceIdError, KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata

from flows.broker.committed import Published, read_published
from flows.broker.params import KafkaParams
from flows.broker.publishing.outbox import Batch, Outbox
from flows.broker.publishing.transactions import TRANSACTION_TIMEOUT_MS, TransactionalOutlet
from flows.sqlite_shard import SqliteShard

ROWS: Final = 1_000
"""How many rows a transaction holds at most, of all shards together."""
ROUND_S: Final = 0.25
"""How long to wait between transactions while little is to be published: each costs as much as fifty rows."""
QUIET_COMMIT_S: Final = 1.0
"""How often to commit that a shard went on where nothing was decided."""
READ_TIMEOUT_S: Final = 0.5
"""A shard whose last transaction is still open is asked about again, and holds up no other meanwhile."""
HANGING_S: Final = 6 * TRANSACTION_TIMEOUT_MS / 1_000
"""A transaction that is open for so long will never end: the brokers were to end it long before."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 3.0

GroupMetadata = Callable[[], ConsumerGroupMetadata | None]

_log = structlog.get_logger(__name__)
_REFUSED: Final = (CommitFailedError, FencedInstanceIdError)


class _Owned:
    """One time that this process owns a shard; owned again it is another one."""

    def __init__(self, shard: int, file: Path) -> None:
        self.shard = shard
        self.file = file
        self.outbox: Outbox | None = None
        self.asked_since: float | None = None
        self.committed_at = 0.0
        self.committed_offset = 0


class Publisher:
    """Publishes what the shards of this process decided, on a thread of its own.

    Parameters
    ----------
    params
        How to reach the brokers.
    process_id
        Names this process among all, and should outlive a restart: the transaction that a killed process left
        open is ended at once by its successor of the same name, otherwise after some seconds.
    group_metadata
        What this process is in the group of the shard processes; None while it is not in it. A new generation
        may show only after the shards that went with it were let go.
    fenced
        Told, on the publisher's thread, that the brokers refuse this membership: others may have the shards.
        Nothing is published until the group knows this process anew; then what it still owns goes on.
    """

    def __init__(
        self,
        params: KafkaParams,
        process_id: str,
        group_metadata: GroupMetadata,
        fenced: Callable[[str], None],
    ) -> None:
        self._params = params
        self._transactional_id = f"{params.prefix}-publisher-{process_id}"
        self._group_metadata = group_metadata
        self._tell_fenced = fenced
        self._lock = threading.Lock()
        self._owned: dict[int, _Owned] = {}
        self._open: dict[int, _Owned] = {}
        self._wake = threading.Event()
        self._stopping, self._ended = False, False
        self._outlet: TransactionalOutlet | None = None
        self._refused_as: tuple[int, str] | None = None
        self._pause_s = FIRST_PAUSE_S
        self._published, self._transactions, self._aborted, self._fenced = 0, 0, 0, 0
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def own(self, shard: int, file: Path) -> None:
        """Publish a shard from now on, behind what the group has on record."""
        with self._lock:
            self._owned[shard] = _Owned(shard, file)
        self._wake.set()

    def let_go(self, shard: int) -> None:
        """Publish no more of a shard; a transaction under way ends, and the brokers judge it."""
        with self._lock:
            self._owned.pop(shard, None)
        self._wake.set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Publish what is stored and end; says whether that was done in time."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_s)
        drained = not self._thread.is_alive()
        if not drained:
            _log.warning("publisher_not_drained", behind=self.figures()["behind"])
            self._ended = True
            self._wake.set()
        return drained

    def figures(self) -> dict[str, int | dict[int, int]]:
        """Counts since the start, and how many log records each shard is behind, for metrics."""
        with self._lock:
            owned = list(self._owned.values())
        return {
            "published": self._published,
            "transactions": self._transactions,
            "aborted": self._aborted,
            "fenced": self._fenced,
            "behind": {each.shard: _behind(each) for each in owned},
        }

    # The thread.

    def _run(self) -> None:
        while not self._ended:
            pause_s = self._round()
            self._wake.wait(pause_s)
            self._wake.clear()
        self._close()

    def _round(self) -> float:
        """Publish what waits; returns after how many seconds to look again."""
        begun, draining = time.monotonic(), self._stopping
        try:
            more = self._publish_all()
        except Exception as error:  # noqa: BLE001  (the edge of the thread: what waits must go out some day)
            self._doubt(error)
            return self._pause_s
        self._pause_s = FIRST_PAUSE_S
        self._ended = self._ended or (draining and not more)
        return 0.0 if more or self._ended else max(0.0, begun + ROUND_S - time.monotonic())

    def _publish_all(self) -> bool:
        # Asked before the shards are: what is let go afterwards, the brokers refuse to this membership.
        member = self._group_metadata()
        with self._lock:
            owned = dict(self._owned)
        self._settle(owned)
        if member is None or not _joined(member) or _membership(member) == self._refused_as:
            return False
        batches = self._waiting()
        if not batches:
            return self._stopping and len(self._open) < len(owned)
        try:
            self._publish(batches, member)
        except _REFUSED as error:
            self._refused(error, member)
            return True
        return self._stopping or any(batch.full for batch in batches.values())

    def _publish(self, batches: Mapping[_Owned, Batch], member: ConsumerGroupMetadata) -> None:
        assert self._outlet is not None  # _settle has made it
        published = {
            each: Published(batch.position, _outbox(each).offset_at(batch.position))
            for each, batch in batches.items()
        }
        rows = [(each.shard, row) for each, batch in batches.items() for row in batch.rows]
        self._outlet.publish(rows, {each.shard: at for each, at in published.items()}, member)
        now = time.monotonic()
        for each, at in published.items():
            _outbox(each).published = at.position
            each.committed_at, each.committed_offset = now, at.offset
        self._published += len({(shard, row.position) for shard, row in rows})
        self._transactions += 1

    def _settle(self, owned: Mapping[int, _Owned]) -> None:
        """Open the outboxes of shards that are new, and close those of shards that are gone."""
        for shard, each in list(self._open.items()):
            if owned.get(shard) is not each:
                del self._open[shard]
                _outbox(each).close()
        new = [each for shard, each in owned.items() if shard not in self._open]
        if not new:
            return
        if self._outlet is None:
            # First of all: it ends what an earlier run left open, so that what is published is certain.
            self._outlet = TransactionalOutlet(self._params, self._transactional_id)
        for each in new:
            each.asked_since = each.asked_since or time.monotonic()
            certain = time.monotonic() < each.asked_since + HANGING_S
            if not certain:
                _log.warning(
                    "transaction_hangs", shard=each.shard, then="what it may hold is published again"
                )
            with suppress(KafkaTimeoutError):
                published = read_published(self._params, [each.shard], READ_TIMEOUT_S, certain=certain)
                each.asked_since = None
                each.outbox = Outbox(each.file, published[each.shard].position)
                each.committed_offset = published[each.shard].offset
                self._open[each.shard] = each

    def _waiting(self) -> dict[_Owned, Batch]:
        limit = max(1, ROWS // max(1, len(self._open)))
        now = time.monotonic()
        found = {}
        for each in self._open.values():
            batch = _outbox(each).waiting(limit)
            # Repeats and broadcast knowledge have offsets, and maybe no position of their own.
            offset = _outbox(each).offset_at(batch.position)
            moved = batch.position > _outbox(each).published or offset > each.committed_offset
            if batch.rows or (moved and (self._stopping or now >= each.committed_at + QUIET_COMMIT_S)):
                found[each] = batch
        return found

    def _refused(self, error: KafkaError, member: ConsumerGroupMetadata) -> None:
        assert self._outlet is not None
        self._outlet.abort()
        self._aborted += 1
        self._close_outboxes()  # what is out by now, the brokers know
        now = self._group_metadata()
        if now is not None and _membership(now) != _membership(member):
            return  # the group has gone on since it was asked: what is ours is published as its member now
        self._fenced += 1
        self._refused_as = _membership(member)
        _log.warning("publisher_fenced", shards=sorted(self._owned), generation=member.generation_id)
        self._tell_fenced(str(error))

    def _doubt(self, error: Exception) -> None:
        """Begin anew with what the brokers know: whether the last transaction took effect can't be told."""
        self._aborted += 1
        _log.warning("publisher_begins_anew", error=f"{type(error).__name__}: {error}", pause_s=self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._close()

    def _close_outboxes(self) -> None:
        for each in self._open.values():
            _outbox(each).close()
        self._open.clear()

    def _close(self) -> None:
        self._close_outboxes()
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None


def _joined(member: ConsumerGroupMetadata) -> bool:
    """Whether the brokers have something to check: they take a commit of nobody in particular as it is."""
    return member.generation_id >= 0 and member.member_id != ""


def _membership(member: ConsumerGroupMetadata) -> tuple[int, str]:
    return member.generation_id, member.member_id


def _outbox(owned: _Owned) -> Outbox:
    assert owned.outbox is not None  # _settle has opened it
    return owned.outbox


def _behind(owned: _Owned) -> int:
    """How many log records that are applied are not published."""
    outbox = owned.outbox
    published = 0 if outbox is None else outbox.published
    with closing(SqliteShard.open_reader(owned.file)) as shard:
        return max(0, shard.position - published)
