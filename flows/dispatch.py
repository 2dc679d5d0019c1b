"""The serving process's end of the line: what waits for the shard process, and what that has not answered."""

import threading
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Final

from flows.frames import Line, Worked, record_frame
from flows.pacing import Pacing
from flows.pending import Entry, FallbackEntry, Publication, Submission
from flows.sharding import shard_of

_BUFFER_SHARE: Final = 0.5
"""How much of the socket's buffer is used: a send must not block while the shard process stands still."""
_FRAME_COST: Final = 1_536
"""What the kernel charges a small frame to the socket's buffer, beside its bytes."""
_MAX_EVENTS: Final = 16
"""Events under way at once that nobody waits for inline: payments must not stand in line behind a flood."""


class Dispatch:
    """Hands entries to the shard process, no more payments than it decides in two short batches.

    Payments and the fallback's answers go in their order; events that nobody waits for inline come behind.
    Where there are several shards, each has a queue and a window of its own: one without an owner takes no
    room from the others.

    What waits here can still be answered by the fallback without troubling the flow; what was sent will stand
    in the log.

    Parameters
    ----------
    max_batch
        Records that the flow takes at once, at most.
    max_batch_s
        How long the flow may work on a batch.
    shards
        How many shards there are.
    fewest
        Payments of each shard under way at least, however slow the flow is: where the log is far away, most
        of their time they are on their way.
    """

    def __init__(self, max_batch: int, max_batch_s: float, shards: int = 1, fewest: int = 2) -> None:
        self._fewest = fewest
        self._shards = shards
        self._max_batch = max_batch
        self._max_batch_s = max_batch_s
        self._lock = threading.Lock()
        self._line: Line | None = None
        # By shard, the one whose turn it is first; a shard of which nothing waits is not there.
        self._queues: dict[int, deque[Submission | FallbackEntry]] = {}
        self._events: deque[Publication] = deque()
        self._sent: dict[int, tuple[Entry, float]] = {}
        self._sent_cost = 0
        self._sent_payments: Counter[int] = Counter()
        self._sent_events = 0
        self._window = 2 * max_batch
        self._next_ticket = 1
        self._finishing = False
        self._payments: Counter[int] = Counter()
        self.pacing = Pacing()

    def put(self, entry: Entry) -> None:
        """Send an entry as soon as the shard process has room for it."""
        with self._lock:
            if isinstance(entry, Publication):
                self._events.append(entry)
            else:
                shard = self._shard_of(entry)
                self._payments[shard] += isinstance(entry, Submission)
                self._queues.setdefault(shard, deque()).append(entry)
            self._pump()

    @property
    def queued(self) -> int:
        """Entries of all kinds that are not sent."""
        return sum(map(len, self._queues.values())) + len(self._events)

    @property
    def payments(self) -> int:
        """Payments that the flow has not dealt with yet."""
        return self._payments.total()

    def payments_beside(self, entry: Submission) -> int:
        """How many of them are of the shard of ``entry``."""
        return self._payments[self._shard_of(entry)]

    def _shard_of(self, entry: Submission | FallbackEntry) -> int:
        if self._shards == 1:
            return 0
        payment = entry.payment if isinstance(entry, Submission) else entry.submission.payment
        return shard_of(payment.tenant, payment.user_id, self._shards)

    def attach(self, line: Line) -> None:
        """A shard process is there."""
        with self._lock:
            self._line = line
            self._pump()

    def detach(self) -> list[Submission | Publication]:
        """The shard process is gone: the entries that it may or may not have logged.

        Fallback answers among them are not given back: they are sent again, until one is in the log.
        """
        with self._lock:
            self._line = None
            sent, self._sent = [entry for entry, _ in self._sent.values()], {}
            self._sent_cost = self._sent_events = 0
            self._payments -= self._sent_payments
            self._sent_payments.clear()
            for entry in reversed(sent):
                if isinstance(entry, FallbackEntry):
                    self._queues.setdefault(self._shard_of(entry), deque()).appendleft(entry)
            return [entry for entry in sent if not isinstance(entry, FallbackEntry)]

    def settle(self, ticket: int) -> Entry | None:
        """The entry that has been dealt with; None when it was before, by a former owner of its shard."""
        with self._lock:
            return self._settle(ticket)

    def _settle(self, ticket: int) -> Entry | None:
        found = self._sent.pop(ticket, None)
        if found is None:
            return None
        entry, _ = found
        self._sent_cost -= _cost(entry)
        self._sent_events -= isinstance(entry, Publication)
        if isinstance(entry, Submission):
            shard = self._shard_of(entry)
            self._sent_payments[shard] -= 1
            self._payments[shard] -= 1
        return entry

    def overdue(self, answered_s: float, patience_s: float) -> list[Submission | Publication]:
        """Expect no more to hear of entries that were sent so long ago; gives those.

        Who would have told of them may be gone: they must not take others' room for ever.

        Parameters
        ----------
        answered_s
            How long to expect news of a payment that the fallback has answered meanwhile.
        patience_s
            How long to expect news of anything else but the fallback's answers.
        """
        now, late = time.monotonic(), []
        with self._lock:
            for ticket, (entry, sent_at) in list(self._sent.items()):
                if isinstance(entry, FallbackEntry):
                    continue
                answered = isinstance(entry, Submission) and entry.decision is not None
                if now - sent_at >= (answered_s if answered else patience_s):
                    self._settle(ticket)
                    late.append(entry)
            self._pump()
        return late

    def worked(self, worked: Worked) -> None:
        """Note how long a batch took and send what has room now."""
        with self._lock:
            if worked.payments:
                self.pacing.worked(worked.payments, worked.seconds)
            self._window = max(self._fewest, 2 * self.pacing.fitting(self._max_batch_s, self._max_batch))
            self._pump()

    def say(self, frames: bytes) -> None:
        """Send what is no entry, now; nothing happens where there is nobody to hear it."""
        with self._lock, suppress(OSError):
            if self._line is not None:
                self._line.send(frames)

    def finish(self) -> None:
        """Nothing more will be put: end the line once everything is settled."""
        with self._lock:
            self._finishing = True
            self._pump()

    def _pump(self) -> None:
        line = self._line
        if line is None:
            return
        frames = []
        while (entry := self._next(_BUFFER_SHARE * line.buffer_bytes)) is not None:
            self._sent[self._next_ticket] = entry, time.monotonic()
            self._sent_cost += _cost(entry)
            if isinstance(entry, Submission):
                self._sent_payments[self._shard_of(entry)] += 1
            self._sent_events += isinstance(entry, Publication)
            frames.append(record_frame(entry.frame_kind, self._next_ticket, entry.record))
            self._next_ticket += 1
        try:
            if frames:
                line.send(b"".join(frames))
            if self._finishing and not self.queued and not self._sent:
                line.finish()
                self._line = None
        except OSError:
            self._line = None  # whoever reads the line hears of its end and detaches

    def _next(self, room: float) -> Entry | None:
        """Take the entry that is to be sent next, if there is room; payments answered meanwhile go."""
        events, shard = self._events, self._ready_shard()
        head: Entry | None = None if shard is None else self._queues[shard][0]
        if events and (not self._sent_events or (head is None and self._sent_events < _MAX_EVENTS)):
            head = events[0]
        # A lone record is always sent: the buffer holds the largest one.
        if head is None or (self._sent and self._sent_cost + _cost(head) > room):
            return None
        if isinstance(head, Publication):
            return events.popleft()
        assert shard is not None  # it has the head
        queue = self._queues.pop(shard)
        queue.popleft()
        if queue:
            self._queues[shard] = queue  # behind the others
        return head

    def _ready_shard(self) -> int | None:
        """The next shard with something to send and room for it."""
        for shard, queue in list(self._queues.items()):
            while queue and isinstance(queue[0], Submission) and queue[0].decision is not None:
                queue.popleft()  # the fallback was quicker, and its record says so
                self._payments[shard] -= 1
            if not queue:
                del self._queues[shard]
            elif not isinstance(queue[0], Submission) or self._sent_payments[shard] < self._window:
                return shard
        return None


def _cost(entry: Entry) -> int:
    return 2 * len(entry.record.payload) + _FRAME_COST
