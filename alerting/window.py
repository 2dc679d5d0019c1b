"""What one subscriber has been sent and has done with: the part of the outbox between two marks.

Alerts come in in the order of their places and leave when they are acknowledged or expired. Of each user only
the first one that is left may be under way, so no redelivery changes the order in which a user's alerts are
seen. Of several users' first ones the most urgent goes next. Time is passed in.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final

from alerting.alert_source import Place, StoredAlert
from alerting.alerts import Priority

_At = tuple[int, int]
_Head = tuple[int, _At, "Item"]

OPEN_PER_FLIGHT: Final = 4
"""Of so many users alerts are looked at for each that may be under way, to find some who have none."""
MOST_BEHIND: Final = 1_000
"""So many are taken in behind one that is not done with; then the subscriber must do something about it."""
_TURN: Final = {priority: turn for turn, priority in enumerate(Priority)}
_SPARE_LEASES: Final = 64


@dataclass(slots=True, eq=False)
class Item:
    """An alert that is not done with.

    ``lease_s`` is when it is due again, None while it need not wait; ``told`` is which one it was of those
    that were delivered, 0 before.
    """

    stored: StoredAlert
    attempt: int = 0
    told: int = 0
    under_way: bool = False
    lease_s: float | None = None
    done: bool = False

    @property
    def at(self) -> _At:
        """Its place, without the proof."""
        return self.stored.place[:2]

    @property
    def user(self) -> tuple[str, str]:
        """Whose turn it is part of."""
        return self.stored.alert.tenant, self.stored.alert.user_id


class Window:
    """The alerts of one subscriber that are not done with.

    Parameters
    ----------
    mark
        Everything up to here is done with.
    done
        Places behind the mark that are done with as well.
    max_in_flight
        Alerts under way at most.
    lease_s
        How long one may be under way before it is delivered again.
    """

    def __init__(self, mark: Place, done: Iterable[_At], max_in_flight: int, lease_s: float) -> None:
        self._max_in_flight = max_in_flight
        self._lease_s = lease_s
        self.reached = mark
        """Everything up to here has been taken in."""
        self._mark = mark
        self._done_before = set(done)
        self._line: deque[Item] = deque()
        self._by_id: dict[str, Item] = {}
        self._users: dict[tuple[str, str], deque[Item]] = {}
        self._ready: list[_Head] = []
        self._leases: list[tuple[float, _At, Item]] = []
        self._in_flight = 0
        self._told = 0

    # What is there.

    @property
    def room(self) -> int:
        """How many alerts more it can take in."""
        # By users, so that many alerts of one user, of whom just one is under way, keep nobody else waiting.
        user_room = OPEN_PER_FLIGHT * self._max_in_flight - len(self._users)
        return max(0, min(user_room, MOST_BEHIND - len(self._line)))

    @property
    def mark(self) -> Place:
        """Everything up to here is done with."""
        return self._mark if self._line else self.reached

    @property
    def done(self) -> tuple[_At, ...]:
        """Places behind the mark that are done with as well."""
        behind = [item.at for item in self._line if item.done]
        return tuple(sorted({*behind, *(at for at in self._done_before if at > self.reached[:2])}))

    @property
    def next_lease_s(self) -> float | None:
        """When the next one is due again."""
        while self._leases and self._leases[0][2].lease_s != self._leases[0][0]:
            heappop(self._leases)
        return self._leases[0][0] if self._leases else None

    # What happens.

    def take_in(self, alerts: Sequence[StoredAlert], reached: Place) -> None:
        """These come next, and nothing else up to ``reached``."""
        for stored in alerts:
            item = Item(stored)
            if item.at in self._done_before or stored.alert.alert_id in self._by_id:
                self._done_before.discard(item.at)
                item.done = True
                self._line.append(item)
                continue
            self._line.append(item)
            self._by_id[stored.alert.alert_id] = item
            queue = self._users.setdefault(item.user, deque())
            queue.append(item)
            if len(queue) == 1:
                self._line_up(item)
        self.reached = reached
        self._advance()

    def next_up(self, now_s: float, shard_now: datetime) -> Item | None:
        """The next one to tell: to be delivered (``under_way``), or expired (``done``); None for now."""
        self._lapse(now_s)
        while self._ready:
            item = self._ready[0][2]
            if item.done or item.under_way or item.lease_s is not None:
                heappop(self._ready)
            elif item.stored.alert.not_after < shard_now:
                heappop(self._ready)
                self._finish(item)
                return item
            elif self._in_flight >= self._max_in_flight:
                return None
            else:
                heappop(self._ready)
                self._send(item, now_s)
                return item
        return None

    def told(self, item: Item) -> None:
        """One that was next is delivered, and has not just been looked at."""
        if not item.told:
            self._told += 1
            item.told = self._told

    def ack(self, alert_ids: Iterable[str]) -> list[str]:
        """These are done with; gives those that were not before."""
        return self._each(alert_ids, self._finish)

    def ack_through(self, place: Place) -> list[str]:
        """Those up to a place are done with that were delivered before the one there; gives them.

        What is urgent overtakes: who names a place may not have seen what came later and stands before.
        """
        there = next((item.told for item in self._line if item.at == place[:2]), 0)
        seen = range(1, (there or self._told) + 1)
        found = [item for item in self._line if not item.done and item.told in seen and item.at <= place[:2]]
        return self.ack(item.stored.alert.alert_id for item in found)

    def nack(self, alert_ids: Iterable[str], now_s: float, retry_after_s: float = 0.0) -> None:
        """These are to be delivered again, after a while."""
        self._each(alert_ids, lambda item: self._rest(item, now_s + retry_after_s))

    def extend(self, alert_ids: Iterable[str], now_s: float) -> None:
        """The leases of these begin anew."""
        self._each(
            alert_ids, lambda item: self._lease(item, now_s + self._lease_s) if item.under_way else None
        )

    def _each(self, alert_ids: Iterable[str], act: Callable[[Item], object]) -> list[str]:
        known = [name for name in dict.fromkeys(alert_ids) if name in self._by_id]
        for name in known:
            act(self._by_id[name])
        return known

    def _send(self, item: Item, now_s: float) -> None:
        item.attempt += 1
        item.under_way = True
        self._in_flight += 1
        self._lease(item, now_s + self._lease_s)

    def _line_up(self, item: Item) -> None:
        heappush(self._ready, (_TURN[item.stored.alert.priority], item.at, item))

    def _lease(self, item: Item, due_s: float) -> None:
        item.lease_s = due_s
        heappush(self._leases, (due_s, item.at, item))
        if len(self._leases) > 2 * len(self._by_id) + _SPARE_LEASES:
            # Those that were extended have left their former leases behind.
            open_items = self._by_id.values()
            self._leases = [(i.lease_s, i.at, i) for i in open_items if i.lease_s is not None]
            heapify(self._leases)

    def _land(self, item: Item) -> None:
        if item.under_way:
            item.under_way = False
            self._in_flight -= 1

    def _rest(self, item: Item, until_s: float) -> None:
        if item.under_way:
            self._land(item)
            self._lease(item, until_s)

    def _lapse(self, now_s: float) -> None:
        while (due_s := self.next_lease_s) is not None and due_s <= now_s:
            item = heappop(self._leases)[2]
            item.lease_s = None
            self._land(item)
            self._line_up(item)

    def _finish(self, item: Item) -> None:
        self._land(item)
        item.done, item.lease_s = True, None
        del self._by_id[item.stored.alert.alert_id]
        queue = self._users[item.user]
        first = queue[0] is item
        queue.remove(item)
        if not queue:
            del self._users[item.user]
        elif first:
            self._line_up(queue[0])
        self._advance()

    def _advance(self) -> None:
        while self._line and self._line[0].done:
            self._mark = self._line.popleft().stored.place

    def __iter__(self) -> Iterator[Item]:
        return (item for item in self._line if not item.done)
