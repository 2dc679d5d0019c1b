"""What delivery may rely on, held against the outbox in memory and the shard file alike."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting.alert_source import (
    BEGINNING,
    EVERYTHING,
    LAST_SEQ,
    AlertFilter,
    AlertSource,
    AlertsUnavailableError,
    GapReason,
    KeptSubscription,
    Place,
    SubscriptionName,
)
from alerting.alerts import Alert, AlertKind, bucket_of
from alerting.delivery.reasons import Suppression
from detectors.shard_clock import ShardClock
from flows.codec import encode_alert
from flows.log import NewRecord
from flows.shard_alerts import ShardAlerts
from flows.shard_time import ShardTime
from flows.sqlite_shard import SqliteShard
from flows.store import AlertRow, Slice
from tests.alerting.alerts_made import NOON, a_payment_alert, a_proximity_alert
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.replay.events_made import a_payment


class Outbox:
    """A source, and how a test commits alerts into it; each takes the next log position."""

    def __init__(self, source: AlertSource, commit: Callable[[list[tuple[Alert, Any]]], None]) -> None:
        self.source = source
        self._commit = commit
        self._count = 0

    def add(self, *alerts: Alert, suppressed: Suppression | None = None) -> list[Alert]:
        placed = []
        for alert in alerts:
            self._count += 1
            placed.append(_at(alert, self._count))
        self._commit([(alert, suppressed) for alert in placed])
        return placed

    def read(
        self, after: Place = BEGINNING, wanted: AlertFilter = EVERYTHING, limit: int = 100
    ) -> list[Alert]:
        return [each.alert for each in self.source.read(after, wanted, limit).alerts]


def _at(alert: Alert, position: int) -> Alert:
    return a_payment_alert(position, alert.user_id, alert.kind, alert.tenant) if alert.payment else alert


@pytest.fixture(params=["in memory", "shard file"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    if request.param == "in memory":
        fake = FakeAlerts()

        def remember(alerts: list[tuple[Alert, Any]]) -> None:
            fake.now = NOON
            for alert, suppressed in alerts:
                fake.add(alert, suppressed=suppressed)

        yield Outbox(fake, remember)
        return
    shard = SqliteShard(tmp_path / "shard.db")
    clock = ShardClock()
    clock.see(int(NOON.timestamp()))

    def commit(alerts: list[tuple[Alert, Any]]) -> None:
        for _ in alerts:
            shard.append([NewRecord.of(a_payment(shard.end))])
        begin = shard.end - len(alerts) + 1
        rows = [
            AlertRow.of(begin + at, 0, alert, suppressed, encode_alert(alert))
            for at, (alert, suppressed) in enumerate(alerts)
        ]
        shard.commit(Slice(shard.end, {"clock": ShardTime(clock).pack()}, alerts=rows))

    with closing(shard), closing(ShardAlerts(shard.path, lambda: shard.end)) as source:
        yield Outbox(source, commit)


def test_an_empty_outbox_begins_at_the_beginning(outbox: Outbox) -> None:
    page = outbox.source.read(BEGINNING, EVERYTHING, 10)
    assert (list(page.alerts), page.reached) == ([], BEGINNING)
    assert outbox.source.end() == BEGINNING
    assert page.now == datetime(1970, 1, 1, tzinfo=UTC)


def test_alerts_are_read_in_order_and_page_by_page(outbox: Outbox) -> None:
    added = outbox.add(*(a_payment_alert(user=f"u-{n}") for n in range(5)))
    first = outbox.source.read(BEGINNING, EVERYTHING, 2)
    rest = outbox.source.read(first.reached, EVERYTHING, 10)
    assert [each.alert for each in (*first.alerts, *rest.alerts)] == added
    assert first.reached == first.alerts[-1].place
    assert rest.reached == outbox.source.end()
    assert rest.now == NOON


def test_what_comes_later_is_behind_what_was_reached(outbox: Outbox) -> None:
    outbox.add(a_payment_alert())
    reached = outbox.source.read(BEGINNING, EVERYTHING, 10).reached
    assert outbox.read(reached) == []
    added = outbox.add(a_payment_alert())
    assert outbox.read(reached) == added
    assert outbox.source.head() >= 2


def test_filters_are_kept(outbox: Outbox) -> None:
    mine, shops, finding = outbox.add(
        a_payment_alert(user="u-1"),
        a_payment_alert(user="u-2", tenant="shop"),
        a_payment_alert(user="u-3", kind=AlertKind.FRAUD_ALERT),
    )
    bucket = bucket_of("default", "u-1")
    assert outbox.read(wanted=AlertFilter(tenant="shop")) == [shops]
    assert outbox.read(wanted=AlertFilter(kinds=frozenset({AlertKind.FRAUD_ALERT}))) == [finding]
    assert outbox.read(wanted=AlertFilter(begin=bucket, end=bucket + 1)) == [mine]
    assert outbox.read(wanted=AlertFilter(tenant="default", user_id="u-3")) == [finding]
    everyone = AlertFilter(kinds=frozenset(AlertKind), tenant="default")
    assert outbox.read(wanted=everyone) == [mine, finding]


def test_the_place_is_reached_that_holds_nothing_wanted(outbox: Outbox) -> None:
    outbox.add(a_payment_alert())
    page = outbox.source.read(BEGINNING, AlertFilter(tenant="nobody"), 10)
    assert (list(page.alerts), page.reached) == ([], outbox.source.end())


def test_who_is_ahead_stays_there(outbox: Outbox) -> None:
    outbox.add(a_payment_alert())
    ahead = Place(99, 0)
    page = outbox.source.read(ahead, EVERYTHING, 10)
    assert (list(page.alerts), page.reached) == ([], ahead)


def test_what_was_suppressed_is_read_by_who_asks_for_it(outbox: Outbox) -> None:
    (sent,) = outbox.add(a_payment_alert())
    (held,) = outbox.add(a_payment_alert(user="u-2"), suppressed=Suppression.NOT_JUDGED)
    assert outbox.read() == [sent]
    page = outbox.source.read(BEGINNING, AlertFilter(suppressed=True), 10)
    assert [(each.alert, each.suppressed) for each in page.alerts] == [(sent, None), (held, "NOT_JUDGED")]


def test_details_of_every_kind_come_back_whole(outbox: Outbox) -> None:
    outbox.add(a_payment_alert())
    outbox.add(a_proximity_alert(2))
    assert outbox.read() == [a_payment_alert(), a_proximity_alert(2)]


def test_one_can_go_on_behind_every_place_that_was_given(outbox: Outbox) -> None:
    outbox.add(a_payment_alert(), a_payment_alert(user="u-2"))
    page = outbox.source.read(BEGINNING, EVERYTHING, 10)
    places = (BEGINNING, page.reached, outbox.source.end(), *(each.place for each in page.alerts))
    assert [outbox.source.gap(place) for place in places] == [None] * len(places)


def test_places_of_another_log_are_noticed(outbox: Outbox) -> None:
    outbox.add(a_payment_alert())
    end = outbox.source.end()
    assert outbox.source.gap(end._replace(proof=b"otherlog")) is GapReason.UNKNOWN
    assert outbox.source.gap(Place(99, LAST_SEQ, end.proof)) is GapReason.UNKNOWN


NAME = SubscriptionName("shop", "push")


def test_a_subscription_is_kept_under_its_name_and_tenant(outbox: Outbox) -> None:
    wanted = AlertFilter("shop", frozenset({AlertKind.PROXIMITY, AlertKind.FRAUD_ALERT}), 5, 500)
    kept = KeptSubscription(NAME, wanted, Place(7, 1, b"12345678"), ((8, 0), (2**40, LAST_SEQ)))
    assert outbox.source.load(NAME) is None
    other = KeptSubscription(SubscriptionName(None, "push"), EVERYTHING, BEGINNING)
    outbox.source.keep([kept, other])
    assert outbox.source.load(NAME) == kept
    assert outbox.source.load(SubscriptionName(None, "push")) == other
    assert outbox.source.load(SubscriptionName("other", "push")) is None


def test_what_is_kept_later_takes_the_place(outbox: Outbox) -> None:
    outbox.source.keep([KeptSubscription(NAME, EVERYTHING, BEGINNING, ((1, 0),))])
    later = KeptSubscription(NAME, EVERYTHING, Place(3, 0))
    outbox.source.keep([later])
    assert outbox.source.load(NAME) == later


def test_what_was_acknowledged_outlives_the_process_and_its_file_stands_beside_the_shard(
    tmp_path: Path,
) -> None:
    with closing(SqliteShard(tmp_path / "shard.db")):
        for number in (1, 2):
            with closing(ShardAlerts(tmp_path / "shard.db", lambda: 0)) as source:
                kept = KeptSubscription(NAME, EVERYTHING, Place(number, 0))
                assert source.load(NAME) == (
                    None if number == 1 else KeptSubscription(NAME, EVERYTHING, Place(1, 0))
                )
                source.keep([kept])
    assert (tmp_path / "subscriptions.db").exists()


def test_records_that_are_not_applied_are_not_passed(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db")) as shard:
        shard.append([NewRecord.of(a_payment(number)) for number in range(3)])
        shard.commit(Slice(2))
        with closing(ShardAlerts(shard.path, lambda: 3)) as source:
            assert source.end()[:2] == (2, LAST_SEQ)


def test_places_before_the_first_record_that_is_kept_are_too_old(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db")) as shard:
        shard.append([NewRecord.of(a_payment(number)) for number in range(3)])
        shard.commit(Slice(3))
        shard._db.execute("DELETE FROM log WHERE position < 3")
        with closing(ShardAlerts(shard.path, lambda: 3)) as source:
            assert source.gap(Place(2, LAST_SEQ)) is GapReason.TOO_OLD


def test_a_file_that_can_not_be_read_is_said_so(tmp_path: Path) -> None:
    with (
        closing(ShardAlerts(tmp_path / "shard.db", lambda: 0)) as source,
        pytest.raises(AlertsUnavailableError),
    ):
        source.read(BEGINNING, EVERYTHING, 1)


def test_a_shards_time_is_that_of_its_events() -> None:
    clock = ShardTime()
    clock.clock.see(int((NOON + timedelta(hours=3)).timestamp()))
    assert ShardTime.unpack(clock.pack()).now == NOON + timedelta(hours=3)
