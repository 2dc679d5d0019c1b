"""Alerts that wait: what becomes of them, and which of several goes out."""

import pytest

from alerting.alerts import AlertKind, alert_id
from alerting.delivery.params import DeliveryParams
from alerting.proximity.outing import Outing
from alerting.proximity.params import ProximityParams
from flows import keys
from flows.alert_params import AlertParams
from flows.log import MemoryLog, NewRecord
from flows.store import MemoryStore
from flows.task import ShardTask
from tests.flows.lives_made import Life
from tests.flows.outings_made import (
    DAY,
    HABIT,
    MINUTE,
    TODAY,
    Town,
    fate,
    of_habit,
    proximity,
    shop,
    tick,
    visit,
    walk,
)

EAGER = AlertParams(delivery=DeliveryParams(min_probability=0.1))


@pytest.mark.parametrize("cafe", ["a-cafe", "z-cafe"])
def test_of_alerts_that_waited_the_likeliest_goes_out(cafe: str) -> None:
    town = Town()
    town.commit()
    town.task = ShardTask(town.store, town.log.find, alerts=EAGER)
    seldom = [visit(HABIT + day * DAY - 5 * MINUTE, cafe) for day in (5, 20)]
    town.add(*of_habit(shop(cafe, north_m=60), *seldom, quiet_from_min=0, quiet_to_min=12 * 60))
    assert town.told(*walk(TODAY - 4 * MINUTE, 350, -20)[:30]) == []
    told = [(fate(each), each.alert.proximity) for each in town.told(tick(TODAY + MINUTE))]
    assert [(said, about and about.merchant_id) for said, about in told] == [
        ("SENT", "bakery"),
        ("TOO_SOON", cafe),
    ]


PATIENT = AlertParams(
    proximity=ProximityParams(window_s=86_400, least_time_s=40_000, position_age_s=86_400, doubt_s=0),
    delivery=DeliveryParams(min_probability=0.0, min_probability_similar=0.0, spacing_s=60),
)
"""Settings under which much waits, and for long."""


def waiting(store: MemoryStore) -> set[str]:
    """The ids of all alerts that wait."""
    found = set()
    for key, raw in store.scan(keys.OUTINGS):
        tenant, _, user = key.removeprefix(keys.OUTINGS).partition("/")
        for each in Outing.unpack(raw).waiting:
            found.add(alert_id(AlertKind.PROXIMITY, tenant, user, f"{each.merchant_id}/{each.since_s}"))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_whatever_waits_no_more_was_sent_or_suppressed_at_that_record(seed: int) -> None:
    events = {event.event_id: event for event in Life(seed).events(130)}.values()
    log, store = MemoryLog(), MemoryStore()
    log.append([NewRecord.of(event) for event in events])
    task, before, waited = ShardTask(store, log.find, alerts=PATIENT), set[str](), 0
    for record in log.read(0, log.end):
        ended = {raised.alert.alert_id for raised in proximity(task.apply(record))}
        store.commit(task.changes())
        now = waiting(store)
        assert before - now <= ended
        assert not now & ended
        waited += len(before - now)
        before = now
    assert waited > 0
