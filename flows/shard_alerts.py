"""The alerts of one shard, read from its file beside whoever writes it."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alerting.alert_source import (
    BEGINNING,
    LAST_SEQ,
    PROOF_BYTES,
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
from alerting.delivery.person import Person
from alerting.stepup import ends_step_up
from detectors.events import ConsentPurpose
from flows import keys
from flows.book import ShardReaders
from flows.codec import decode_alert
from flows.on_record import outcomes
from flows.shard_time import ShardTime
from flows.sqlite_shard import SqliteShard
from flows.store import AlertRow
from flows.subscription_file import SUBSCRIPTIONS_FILE, SubscriptionFile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ShardAlerts:
    """Implements :class:`alerting.alert_source.AlertSource`: what is committed, and nothing else.

    Parameters
    ----------
    path
        The shard file, which another process writes.
    head
        The last log position that was heard of; what it caused is committed soon after.
    """

    def __init__(self, path: Path, head: Callable[[], int]) -> None:
        self._path = path
        self.head = head
        self._readers = ShardReaders()
        self._kept = SubscriptionFile(path.with_name(SUBSCRIPTIONS_FILE))

    def end(self) -> Place:
        """See :meth:`alerting.alert_source.AlertSource.end`."""
        with self._reading() as shard:
            return _behind(shard, shard.position)

    def read(self, after: Place, wanted: AlertFilter, limit: int) -> AlertPage:
        """See :meth:`alerting.alert_source.AlertSource.read`."""
        with self._reading() as shard:
            # Before the rows: what is stored meanwhile is beyond it, and is read next time.
            applied = shard.position
            stored = shard.load(keys.CLOCK)
            now = _EPOCH if stored is None else ShardTime.unpack(stored).now
            rows = shard.alerts.wanted(after[:2], applied, wanted, limit)
            found = [_stored(row, digest) for row, digest in rows]
            if len(found) == limit:
                return AlertPage(found, found[-1].place, now)
            reached = _behind(shard, applied)
            return AlertPage(found, reached if reached.is_behind(after) else after, now)

    def stands(self, alert: Alert) -> bool:
        """See :meth:`alerting.alert_source.AlertSource.stands`."""
        with self._reading() as shard:
            if alert.kind is AlertKind.PROXIMITY:
                return _may_be_shown_around(shard, alert)
            if alert.kind is AlertKind.STEP_UP_REQUEST and alert.payment is not None:
                reported = outcomes(shard, alert.tenant, alert.payment.transaction_id)
                return not any(ends_step_up(outcome) for outcome in reported)
            return True

    def gap(self, place: Place) -> GapReason | None:
        """See :meth:`alerting.alert_source.AlertSource.gap`."""
        if place == BEGINNING:
            return None
        with self._reading() as shard:
            digest = shard.digest_at(place.position)
            if digest is not None:
                return None if digest[:PROOF_BYTES] == place.proof else GapReason.UNKNOWN
            return GapReason.TOO_OLD if place.position < shard.first else GapReason.UNKNOWN

    def load(self, name: SubscriptionName) -> KeptSubscription | None:
        """See :meth:`alerting.alert_source.AlertSource.load`."""
        with _in_words():
            return self._kept.load(name)

    def keep(self, subscriptions: Sequence[KeptSubscription]) -> None:
        """See :meth:`alerting.alert_source.AlertSource.keep`."""
        with _in_words():
            self._kept.keep(subscriptions)

    def close(self) -> None:
        """Close the file of subscriptions."""
        self._kept.close()

    @contextmanager
    def _reading(self) -> Iterator[SqliteShard]:
        with _in_words():
            yield self._readers.reader(self._path)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise AlertsUnavailableError(str(error)) from error


def _behind(shard: SqliteShard, position: int) -> Place:
    """The place behind all alerts up to a log position."""
    digest = shard.digest_at(position)
    return BEGINNING if digest is None else Place(position, LAST_SEQ, digest[:PROOF_BYTES])


def _may_be_shown_around(shard: SqliteShard, alert: Alert) -> bool:
    known, clock = shard.load(keys.person(alert.tenant, alert.user_id)), shard.load(keys.CLOCK)
    if known is None or clock is None:
        return False
    person, now_s = Person.unpack(known), ShardTime.unpack(clock).clock.now_s
    return person.consents(ConsentPurpose.LOCATION_ALERTS, now_s) and not person.is_stepping_up(now_s)


def _stored(row: AlertRow, digest: bytes) -> StoredAlert:
    place = Place(row.position, row.seq, digest[:PROOF_BYTES])
    return StoredAlert(place, decode_alert(row.alert), row.suppressed)
