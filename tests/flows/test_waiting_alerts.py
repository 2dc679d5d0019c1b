"""Alerts that waited for the same moment: which of them goes out."""

import pytest

from alerting.delivery.params import DeliveryParams
from flows.alert_params import AlertParams
from flows.task import ShardTask
from tests.flows.outings_made import DAY, HABIT, MINUTE, TODAY, Town, fate, of_habit, shop, tick, visit, walk

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
