"""Visits whose time is not believed yet: learned once the shard's time has come near theirs."""

from collections.abc import Callable
from typing import Final

from detectors.events import Payment, Visit
from detectors.reading import seconds
from flows import keys
from flows.codec import BadRecord, decode_event, encode_event
from flows.state import State

MAX_DEFERRED: Final = 64
Seen = Visit | Payment


class Deferred:
    """A few visits and payments at the counter, with their log positions, in order of event time.

    After a silence of more than a day the first events of a shard are ahead of its clock until some agree.
    What is ahead for longer comes of a wrong clock: of too many, the farthest ahead is forgotten.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: list[tuple[int, Seen]] = []
        for line in (state.load_raw(keys.DEFERRED) or b"").splitlines():
            position, _, raw = line.partition(b" ")
            event = decode_event(raw, keys.DEFERRED)
            if isinstance(event, BadRecord) or not isinstance(event, Seen):
                raise ValueError(f"stored visit can't be read: {event}")
            self._waiting.append((int(position), event))

    def put(self, position: int, event: Seen) -> None:
        """Let an event wait."""
        self._waiting.append((position, event))
        self._waiting.sort(key=lambda waiting: (waiting[1].event_time, waiting[0]))
        del self._waiting[MAX_DEFERRED:]
        self._store()

    def ready(self, is_ahead: Callable[[int], bool]) -> list[tuple[int, Seen]]:
        """What is not ahead any more, in order of time; it waits no longer."""
        count = 0
        while count < len(self._waiting) and not is_ahead(seconds(self._waiting[count][1].event_time)):
            count += 1
        if not count:
            return []
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        self._store()
        return found

    def forget(self, tenant: str, user_id: str) -> None:
        """The user withdrew the consent."""
        whose = (tenant, user_id)
        kept = [waiting for waiting in self._waiting if (waiting[1].tenant, waiting[1].user_id) != whose]
        if len(kept) < len(self._waiting):
            self._waiting = kept
            self._store()

    def _store(self) -> None:
        lines = [b"%d %b" % (position, encode_event(event)) for position, event in self._waiting]
        self._state.put_raw(keys.DEFERRED, b"\n".join(lines))
