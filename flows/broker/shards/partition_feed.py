"""The live end of the shard flow on Kafka: the partitions of our shards are the requests, in their order.

The same messages, in the same order, give each shard the same file on every machine, wherever batches end.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from alerting.decision import PolicyActivated
from flows import keys
from flows.broker.connection import BrokerError
from flows.broker.membership import Membership
from flows.broker.shards.fetching import Fetching, Found
from flows.broker.shards.group import Listener, ShardGroup
from flows.broker.shards.holding import Held, Holding
from flows.broker.wire import Fetched, Origin, read_message
from flows.codec import BadRecord
from flows.dataflow import Work
from flows.frames import Kind, Worked, frame
from flows.inbox import Inbox, Request
from flows.log import LogRecord
from flows.outputs import Decided, Output, Shared, TaskFault
from flows.pacing import Pacing

IDLE_COMMIT_S: Final = 0.02
"""How long finished work waits for a new record to share its transaction with."""
IDLE_WAIT_S: Final = 0.2
BUSY_WAIT_S: Final = 0.0
REPORT_S: Final = 1.0
FEWEST: Final = 16
"""Messages taken at once even where they are slow: a poll costs as much as some payments."""
BULK: Final = 256
"""Messages taken at once while nobody waits inline."""
LATE_S: Final = 0.2
"""So long after its arrival hardly anybody waits for the answer to a payment: most deadlines are shorter."""
SLICE: Final = 32
"""Messages taken at once of a shard that catches up, while callers of others wait."""
_FIRST_ASSIGNMENT_S: Final = 10.0

_log = structlog.get_logger(__name__)


class PartitionFeed:
    """The flow's feed and its effects over the shards that the group gives us.

    Parameters
    ----------
    group
        Where messages come from, and shards.
    membership
        Says when the group's client must be replaced.
    fetching
        Gets hold of shards that come.
    holding
        The shards that we own.
    inbox
        Where our own edge is told how work goes on.
    finished
        Set when nothing more is to be done.
    max_batch, max_batch_s, before_batch
        See :class:`flows.live_feed.LiveFeed`.
    """

    def __init__(
        self,
        group: ShardGroup,
        membership: Membership,
        fetching: Fetching,
        holding: Holding,
        inbox: Inbox,
        finished: threading.Event,
        max_batch: int,
        max_batch_s: float,
        before_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._group = group
        self._membership = membership
        self._listener = Listener(self.given, self.taken, self.lost)
        self._fetching = fetching
        self._holding = holding
        self._inbox = inbox
        self._finished = finished
        self._max_batch = max_batch
        self._max_batch_s = max_batch_s
        self._before_batch = before_batch
        # Held by the flow but while it waits for messages: shards come and go then, on the client's thread.
        self._at_work = threading.Lock()
        self._at_work.acquire()
        self._wanted: list[int] = []
        self._assigned = False
        self._patient_until = time.monotonic() + _FIRST_ASSIGNMENT_S
        self._running = False
        self._turn = 0
        self._payments, self._begun, self._faults = 0, 0.0, 0
        self._awaited = False
        self._decided, self._report_at = 0, 0.0
        self._pacing = Pacing()
        self.publish_again = threading.Event()
        """Set when the publisher let go of shards that may still be ours."""

    # Membership.

    def join(self) -> None:
        """Become a member of the group: shards come from now on."""
        self._group.join(self._listener)

    def _join_anew(self) -> None:
        """Our client is wrong about itself: begin as somebody else, who owns nothing yet."""
        self._listener.mute()
        self._wanted.clear()
        self._fetching.forget_all()
        self._holding.drop_all()
        self._listener = Listener(self.given, self.taken, self.lost)
        try:
            self._group.renew(self._listener)
        except BrokerError as error:
            _log.warning("group_not_joined", reason=str(error))
        else:
            self._membership.gone.clear()

    # Ownership; called while the flow waits for messages.

    def given(self, shards: Sequence[int]) -> None:
        """These shards are ours from now on."""
        with self._at_work:
            self._assigned = True
            self._group.hold(shards)
            self._wanted += shards

    def taken(self, shards: Sequence[int]) -> None:
        """These shards go to another process as soon as this returns."""
        with self._at_work:
            for shard in shards:
                self._forget(shard)
                # Who leaves for good has time for a copy; otherwise our other shards' callers would wait.
                self._holding.hand_over(shard, patient=self._finished.is_set())

    def lost(self, shards: Sequence[int]) -> None:
        """These shards have another owner already."""
        with self._at_work:
            for shard in shards:
                self._forget(shard)
                self._holding.drop(shard)

    def rest(self) -> None:
        """The flow has ended: shards may go while the client closes."""
        self._at_work.release()

    def _forget(self, shard: int) -> None:
        if shard in self._wanted:
            self._wanted.remove(shard)
        self._fetching.forget(shard)

    # The feed.

    def next_batch(self) -> list[Work]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        for held in self._holding.held.values():
            held.lane.task.settle()
        if self._finished.is_set():  # others write to our shards for ever: that is not to be waited for
            self._commit()
            raise StopIteration
        self._report()
        if self._membership.gone.is_set():
            self._join_anew()
        self._open_what_came()
        self._holding.answer_from_live()
        if self.publish_again.is_set():
            self.publish_again.clear()
            self._holding.publish_again()
        work = self._re_read() or self._catch_up()
        messages = self._poll(BUSY_WAIT_S if work else IDLE_COMMIT_S)
        if not messages and not work:
            self._commit()
            self._say_running()
            expecting = self._fetching or self._wanted or self._holding.behind
            messages = self._poll(BUSY_WAIT_S if expecting else IDLE_WAIT_S)
        if messages:
            self._begun = time.monotonic()
            work += self._take_in(messages)
            self._awaited = self._payments > 0 and not self._is_late(messages)
        return work

    def _poll(self, timeout_s: float) -> dict[int, list[Fetched]]:
        fitting = self._pacing.fitting(self._max_batch_s, self._max_batch)
        most = max(FEWEST, fitting) if self._awaited else BULK
        self._at_work.release()
        try:
            return self._group.poll(timeout_s, most)
        finally:
            self._at_work.acquire()

    def _open_what_came(self) -> None:
        wanted, self._wanted = self._wanted, []
        for shard in wanted:
            self._fetching.begin(shard)
        for shard, found in self._fetching.done().items():
            if isinstance(found, Found):
                self._holding.open(shard, found, self._group.begin)
                self._tell_policy(shard)
            else:  # the brokers are away: once more, when they may be back
                _log.warning("shard_not_opened", shard=shard, error=str(found))
                self._wanted.append(shard)

    def _re_read(self) -> list[Work]:
        """A part of what an earlier run took in and did not finish, of one shard at a time."""
        behind = [held for held in self._holding.held.values() if held.lane.is_behind]
        if not behind:
            return []
        self._turn += 1
        held = behind[self._turn % len(behind)]
        return _work(held, held.lane.re_read())

    def _catch_up(self) -> list[Work]:
        """A part of what came to a shard before it was ours, of one shard at a time."""
        behind = self._holding.behind
        if not behind:
            return []
        self._turn += 1
        held = behind[self._turn % len(behind)]
        assert held.backlog is not None  # it is behind
        fetched = held.backlog.read(SLICE if self._awaited else BULK)
        self._begun = time.monotonic()
        work = self._take_in({held.shard: fetched}) if fetched else []
        self._holding.go_live_if_due(held.shard, self._group.begin)
        return work

    def _take_in(self, messages: dict[int, list[Fetched]]) -> list[Work]:
        work: list[Work] = []
        for shard, fetched in messages.items():
            held = self._holding.held.get(shard)
            if held is None:
                continue  # taken from us; its next owner reads them too
            while held.lane.is_behind:
                work += _work(held, held.lane.re_read())
            work += _work(held, self._take_in_of(held, fetched))
        self._payments = sum(held.lane.awaited for held in self._holding.held.values())
        if self._before_batch is not None:
            self._before_batch(self._payments)
        if not self._payments:
            self._send()  # nothing will come out of the tasks that these answers could leave with
        return work

    def _is_late(self, messages: dict[int, list[Fetched]]) -> bool:
        """Whether even the newest of live messages are so old that nobody waits for them any more.

        Then a queue has built up, and is worked off fastest in large batches.
        """
        arrived_us = max(
            (held.arrival_us for held in map(self._holding.held.get, messages) if held), default=0
        )
        return time.time() - arrived_us / 1e6 > LATE_S

    def _take_in_of(self, held: Held, fetched: list[Fetched]) -> list[LogRecord]:
        requests: list[Request[Origin | None]] = []
        for each in fetched:
            place = f"shard {held.shard}, offset {each.offset}"
            message = read_message(each.value, each.headers, place)
            if isinstance(message, BadRecord):
                _log.error("record_skipped", place=place, reason=message.reason)
                self._faults += 1
            else:
                requests.append(Request(message.kind, message.origin, message.record))
        held.next_offset = fetched[-1].offset + 1
        if requests:
            held.arrival_us = requests[-1].record.arrival_us
        records = held.lane.take_in(requests, held.next_offset)
        for record in records:
            if isinstance(record.event, PolicyActivated):
                self._inbox.say(Kind.POLICY, record.event.text)
        return records

    def _report(self) -> None:
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + REPORT_S
            figures = self._holding.figures(self._group.known_end, self._decided)
            self._inbox.pass_on(frame(Kind.FIGURES, body=figures.encode()))

    def _commit(self) -> None:
        for held in self._holding.held.values():
            held.lane.commit_if_any()

    def _say_running(self) -> None:
        """Ready is who has caught up with the shards of the first assignment, be they none."""
        if self._running:
            return
        waited = self._assigned or time.monotonic() >= self._patient_until
        opening = self._fetching or self._wanted
        if waited and not opening and all(held.is_live for held in self._holding.held.values()):
            self._running = True
            self._inbox.say(Kind.RUNNING)
            self._send()

    def _tell_policy(self, shard: int) -> None:
        held = self._holding.held.get(shard)
        stored = None if held is None else held.lane.shard.load(keys.POLICY)
        if stored is not None:
            self._inbox.say(Kind.POLICY, stored[1:].decode())

    # The effects.

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for shard, output in outputs:
            held = self._holding.held.get(int(shard))
            if held is None:
                continue
            if isinstance(output, Decided):
                self._decided += 1
                held.lane.answer(output)
            elif isinstance(output, Shared):
                if output.position > held.shared_to:
                    self._holding.share(output.event)
            elif isinstance(output, TaskFault):
                self._faults += 1
                _log.error("record_failed", shard=shard, position=output.position, reason=output.reason)
        if self._running:
            self._send()

    def _send(self) -> None:
        seconds = time.monotonic() - self._begun
        if self._payments:
            self._pacing.worked(self._payments, seconds)
        position = max((held.lane.read for held in self._holding.held.values()), default=0)
        self._inbox.send(Worked(position, self._payments, seconds, self._faults))
        self._payments, self._faults = 0, 0


def _work(held: Held, records: list[LogRecord]) -> list[Work]:
    lane = held.lane
    return [(lane.name, (lane, record)) for record in records]
