"""Alerts in memory that keep the promises of `alerting.alert_source.AlertSource`."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from threading import Event, Lock

from alerting.alert_source import (
    BEGINNING,
    LAST_SEQ,
    AlertFilter,
    AlertPage,
    AlertsUnavailableError,
    GapReason,
    KeptSubscription,
    Place,
    StoredAlert,
    SubscriptionName,
)
from alerting.alerts import Alert, AlertKind
from alerting.delivery.reasons import Suppression

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FakeAlerts:
    """An outbox that tests write. Each alert gets a log position of its own, its ``log_position``."""

    def __init__(self, log: bytes = b"log") -> None:
        self.log = log
        self.now = EPOCH
        self.available = True
        self.full = False
        self.unreadable = 0
        self.withdrawn: set[str] = set()
        self.damaged: set[str] = set()
        self.first = 1
        self.stored: list[StoredAlert] = []
        self.subscriptions: dict[SubscriptionName, KeptSubscription] = {}
        self.kept = 0
        self.reads = 0
        self._lock = Lock()
        self.may_keep = Event()
        self.may_keep.set()
        self.keeping = Event()
        self.overlapped = False
        self.may_look_up = Event()
        self.may_look_up.set()
        self.looking_up = Event()

    def add(self, *alerts: Alert, suppressed: Suppression | None = None) -> None:
        """Commit candidates, whose log positions must rise."""
        made = [StoredAlert(self.place(a.log_position, 0), a, suppressed) for a in alerts]
        with self._lock:
            self.stored = [*self.stored, *made]

    def place(self, position: int, seq: int = LAST_SEQ) -> Place:
        """A place with its proof."""
        return Place(position, seq, blake2b(b"%b %d" % (self.log, position), digest_size=8).digest())

    def head(self) -> int:
        """See :class:`AlertSource`."""
        return self.stored[-1].place.position if self.stored else 0

    def end(self) -> Place:
        """See :class:`AlertSource`."""
        self._check()
        return self.place(self.head()) if self.stored else BEGINNING

    def read(self, after: Place, wanted: AlertFilter, limit: int) -> AlertPage:
        """See :class:`AlertSource`."""
        self._check()
        self.reads += 1
        stored = self.stored
        begin = bisect_right([each.place[:2] for each in stored], after[:2])
        found = [each for each in stored[begin:] if wanted.wants(each)][:limit]
        if self.unreadable in [each.place.position for each in found]:
            raise LookupError
        if len(found) == limit:
            return AlertPage(found, found[-1].place, self.now)
        end = self.place(stored[-1].place.position) if stored else BEGINNING
        return AlertPage(found, end if end.is_behind(after) else after, self.now)

    def stands(self, alert: Alert) -> bool:
        """See :class:`AlertSource`."""
        self._check()
        if alert.user_id in self.damaged:
            raise LookupError
        if alert.kind is not AlertKind.PROXIMITY:
            return True
        self.looking_up.set()
        assert self.may_look_up.wait(30.0)
        return alert.user_id not in self.withdrawn

    def gap(self, place: Place) -> GapReason | None:
        """See :class:`AlertSource`."""
        self._check()
        if place == BEGINNING:
            return None
        if 0 < place.position < self.first:
            return GapReason.TOO_OLD
        known = place.position <= self.head() and place.proof == self.place(place.position).proof
        return None if known else GapReason.UNKNOWN

    def load(self, name: SubscriptionName) -> KeptSubscription | None:
        """See :class:`AlertSource`."""
        self._check()
        self.overlapped |= self.keeping.is_set()
        return self.subscriptions.get(name)

    def keep(self, subscriptions: Sequence[KeptSubscription]) -> None:
        """See :class:`AlertSource`."""
        self._check()
        if self.full:
            raise AlertsUnavailableError
        self.kept += 1
        self.keeping.set()
        assert self.may_keep.wait(30.0)
        self.keeping.clear()
        self.subscriptions.update((each.name, each) for each in subscriptions)

    def _check(self) -> None:
        if not self.available:
            raise AlertsUnavailableError
