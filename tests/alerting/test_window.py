"""What a subscriber is sent: leases, order, limits; and random histories against what must always hold."""

from collections import defaultdict
from datetime import timedelta
from random import Random

import pytest

from alerting.alert_source import BEGINNING, LAST_SEQ, Place, StoredAlert
from alerting.alerts import AlertKind
from alerting.window import Item, Window
from tests.alerting.alerts_made import NOON, a_payment_alert, a_proximity_alert

EARLY = NOON - timedelta(days=1)


def stored(number: int, user: str = "u-1", lives_s: int = 600) -> StoredAlert:
    return StoredAlert(Place(number, 0), a_payment_alert(number, user, lives_s=lives_s))


def a_window(*alerts: StoredAlert, max_in_flight: int = 10, lease_s: float = 30.0) -> Window:
    window = Window(BEGINNING, (), max_in_flight, lease_s)
    window.take_in(alerts, behind(alerts[-1]) if alerts else BEGINNING)
    return window


def behind(alert: StoredAlert) -> Place:
    return Place(alert.place.position, LAST_SEQ)


def sent(window: Window, now_s: float = 0.0) -> list[int]:
    found = []
    while (item := window.next_up(now_s, EARLY)) is not None:
        assert not item.done
        window.told(item)
        found.append(item.stored.place.position)
    return found


def name(number: int, user: str = "u-1") -> str:
    return stored(number, user).alert.alert_id


def test_alerts_of_several_users_go_out_at_once_and_in_order() -> None:
    assert sent(a_window(stored(1, "a"), stored(2, "b"), stored(3, "c"))) == [1, 2, 3]


def test_a_users_next_alert_waits_for_the_one_before() -> None:
    window = a_window(stored(1), stored(2), stored(3, "other"))
    assert sent(window) == [1, 3]
    assert window.ack([name(1)]) == [name(1)]
    assert sent(window) == [2]


def test_users_of_two_tenants_do_not_wait_for_each_other() -> None:
    other = StoredAlert(Place(2, 0), a_payment_alert(2, tenant="shop"))
    assert sent(a_window(stored(1), other)) == [1, 2]


def test_no_more_than_the_limit_is_under_way() -> None:
    window = a_window(*(stored(n, f"u-{n}") for n in range(1, 6)), max_in_flight=2)
    assert sent(window) == [1, 2]
    window.ack([name(2, "u-2")])
    assert sent(window) == [3]


def test_what_is_not_acknowledged_comes_again_after_its_lease_and_before_what_follows() -> None:
    window = a_window(stored(1), stored(2), lease_s=30.0)
    assert sent(window, 0.0) == [1]
    assert window.next_lease_s == 30.0
    assert sent(window, 29.9) == []
    assert sent(window, 30.0) == [1]
    assert [item.attempt for item in window] == [2, 0]


def test_a_lease_begins_anew_when_it_is_extended() -> None:
    window = a_window(stored(1), lease_s=30.0)
    sent(window, 0.0)
    window.extend([name(1)], 20.0)
    assert sent(window, 49.0) == []
    assert sent(window, 50.0) == [1]


def test_what_could_not_be_taken_care_of_comes_again_at_once_or_after_a_while() -> None:
    window = a_window(stored(1), stored(2, "b"))
    sent(window)
    window.nack([name(1)], 1.0)
    window.nack([name(2, "b")], 1.0, 5.0)
    assert sent(window, 1.0) == [1]
    assert sent(window, 5.9) == []
    assert sent(window, 6.0) == [2]


def test_what_rests_is_not_under_way() -> None:
    window = a_window(stored(1, "a"), stored(2, "b"), max_in_flight=1)
    assert sent(window) == [1]
    window.nack([name(1, "a")], 0.0, 100.0)
    assert sent(window) == [2]


def test_an_acknowledgement_after_the_lease_still_counts() -> None:
    window = a_window(stored(1), stored(2))
    sent(window, 0.0)
    assert sent(window, 30.0) == [1]
    assert window.ack([name(1)]) == [name(1)]
    assert sent(window, 60.0) == [2]


def test_acknowledging_twice_or_what_is_unknown_changes_nothing() -> None:
    window = a_window(stored(1))
    sent(window)
    assert window.ack([name(1), name(1), "a-unknown"]) == [name(1)]
    assert window.ack([name(1)]) == []
    window.nack([name(1)], 0.0)
    window.extend([name(1)], 0.0)
    assert sent(window, 1_000.0) == []


def test_all_that_was_delivered_up_to_a_cursor_is_acknowledged_and_nothing_else() -> None:
    window = a_window(stored(1), stored(2), stored(3, "b"))
    sent(window)
    assert window.ack_through(Place(2, LAST_SEQ)) == [name(1)]
    assert sent(window) == [2]


def test_a_cursor_acknowledges_nothing_that_was_delivered_after_the_alert_there() -> None:
    calm = StoredAlert(Place(1, 0), a_proximity_alert(1, "a"))
    window = a_window(calm, stored(2, "b"), stored(3, "c"))
    assert sent(window) == [2, 3, 1]
    assert window.ack_through(Place(2, 0)) == [name(2, "b")]
    assert window.ack_through(Place(2, 0)) == []
    assert window.ack_through(Place(3, LAST_SEQ)) == [calm.alert.alert_id, name(3, "c")]


def test_a_cursor_acknowledges_nothing_that_is_next_and_not_yet_delivered() -> None:
    window = a_window(stored(1, "a"), stored(2, "b"))
    item = window.next_up(0.0, EARLY)
    assert item is not None
    assert window.ack_through(Place(2, LAST_SEQ)) == []
    window.told(item)
    assert window.ack_through(Place(2, LAST_SEQ)) == [name(1, "a")]


def test_an_alert_whose_time_is_over_is_not_delivered_and_lets_the_next_one_go() -> None:
    window = a_window(stored(1, lives_s=10), stored(2, lives_s=600))
    item = window.next_up(0.0, NOON + timedelta(seconds=60))
    assert item is not None
    assert (item.done, item.attempt, item.stored.place.position) == (True, 0, 1)
    after = window.next_up(0.0, NOON + timedelta(seconds=60))
    assert after is not None
    assert (after.under_way, after.stored.place.position) == (True, 2)


def test_an_alert_is_delivered_up_to_its_last_moment() -> None:
    window = a_window(stored(1, lives_s=10))
    item = window.next_up(0.0, NOON + timedelta(seconds=11))
    assert item is not None
    assert item.under_way


def test_an_alert_that_expires_under_way_is_not_delivered_again() -> None:
    window = a_window(stored(1, lives_s=10))
    assert sent(window, 0.0) == [1]
    item = window.next_up(30.0, NOON + timedelta(seconds=60))
    assert item is not None
    assert item.done
    assert window.ack([name(1)]) == []


def test_the_mark_stands_before_the_first_that_is_open() -> None:
    window = a_window(stored(1, "a"), stored(2, "b"), stored(3, "c"))
    sent(window)
    window.ack([name(2, "b")])
    assert (window.mark, window.done) == (BEGINNING, ((2, 0),))
    window.ack([name(1, "a")])
    assert (window.mark[:2], window.done) == ((2, 0), ())
    window.ack([name(3, "c")])
    assert window.mark == Place(3, LAST_SEQ)


def test_a_window_goes_on_where_another_one_was() -> None:
    alerts = [stored(n, f"u-{n}") for n in range(1, 5)]
    before = a_window(*alerts)
    sent(before)
    before.ack([name(1, "u-1"), name(3, "u-3")])
    after = Window(before.mark, before.done, 10, 30.0)
    after.take_in(alerts[1:], behind(alerts[-1]))
    assert sent(after) == [2, 4]


def test_room_ends_and_an_alert_that_nobody_acknowledges_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerting.window.MOST_BEHIND", 20)
    window = Window(BEGINNING, (), 2, 30.0)
    number = 0
    while window.room > 0:
        number += 1
        window.take_in([stored(number, f"u-{number}")], Place(number, LAST_SEQ))
        for position in sent(window):
            if position > 1:
                window.ack([name(position, f"u-{position}")])
    assert number == 20
    window.ack([name(1, "u-1")])
    assert window.room == 8


def test_many_alerts_of_one_user_keep_nobody_else_waiting() -> None:
    window = Window(BEGINNING, (), 2, 30.0)
    number = 0
    while window.room > 0 and number < 100:
        number += 1
        window.take_in([stored(number, "hot")], Place(number, LAST_SEQ))
    assert number == 100
    window.take_in([stored(101, "other")], Place(101, LAST_SEQ))
    assert sent(window) == [1, 101]


def test_what_is_urgent_goes_first_and_no_user_s_order_changes() -> None:
    calm = [StoredAlert(Place(n, 0), a_proximity_alert(n, f"u-{n}")) for n in (1, 2)]
    held = StoredAlert(Place(3, 0), a_payment_alert(3, "u-3", AlertKind.FRAUD_ALERT))
    window = a_window(*calm, held, stored(4, "u-1"), stored(5, "u-5"))
    assert sent(window) == [5, 3, 1, 2]
    window.ack([calm[0].alert.alert_id])
    assert sent(window) == [4]


def test_leases_that_are_extended_without_end_take_no_more_memory() -> None:
    window = a_window(stored(1, "a"), stored(2, "b"), lease_s=600.0)
    sent(window)
    for tenth in range(1, 5_000):
        window.extend([name(2, "b")], tenth / 10)
    assert len(window._leases) < 100
    assert sent(window, 600.0) == [1]
    assert sent(window, 1_099.9) == [2]


class Subscriber:
    """Acknowledges, refuses and forgets at random, over several windows; notes what it saw."""

    def __init__(self, random: Random, alerts: list[StoredAlert], max_in_flight: int) -> None:
        self.random = random
        self.alerts = alerts
        self.max_in_flight = max_in_flight
        self.window = Window(BEGINNING, (), max_in_flight, 10.0)
        self.now_s = 0.0
        self.open: dict[str, Item] = {}
        self.acked: set[str] = set()
        self.seen: defaultdict[str, list[int]] = defaultdict(list)

    def step(self) -> None:
        kind = self.random.choice(["fill", "send", "send", "ack", "ack", "nack", "extend", "wait", "resume"])
        getattr(self, kind)()
        assert sum(item.under_way for item in self.window) <= self.max_in_flight

    def fill(self) -> None:
        rest = [each for each in self.alerts if each.place.is_behind(self.window.reached)]
        room = min(self.window.room, self.random.randint(1, 6), len(rest))
        if room:
            self.window.take_in(rest[:room], rest[room - 1].place)

    def send(self) -> None:
        item = self.window.next_up(self.now_s, EARLY)
        if item is None:
            return
        alert = item.stored.alert
        assert alert.alert_id not in self.acked, "again after it was acknowledged"
        earlier = [
            a
            for a in self.alerts
            if a.alert.user_id == alert.user_id and item.stored.place.is_behind(a.place)
        ]
        assert all(a.alert.alert_id in self.acked for a in earlier), "before an earlier one of the user"
        self.seen[alert.user_id].append(item.stored.place.position)
        self.open[alert.alert_id] = item

    def some(self) -> list[str]:
        return self.random.sample(sorted(self.open), min(len(self.open), self.random.randint(0, 3)))

    def ack(self) -> None:
        for alert_id in self.window.ack(self.some()):
            self.acked.add(alert_id)
            del self.open[alert_id]

    def nack(self) -> None:
        self.window.nack(self.some(), self.now_s, self.random.choice([0.0, 3.0]))

    def extend(self) -> None:
        self.window.extend(self.some(), self.now_s)

    def wait(self) -> None:
        self.now_s += self.random.choice([0.1, 5.0, 20.0])

    def resume(self) -> None:
        """Another stream, from what was kept."""
        if self.random.random() < 0.3:
            self.window = Window(self.window.mark, self.window.done, self.max_in_flight, 10.0)
            self.open = {}


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_nothing_is_lost_doubled_after_its_acknowledgement_or_out_of_order(
    seed: int,
) -> None:
    random = Random(seed)
    kinds = list(AlertKind)[:2]  # of two priorities
    alerts = [
        StoredAlert(Place(n, 0), a_payment_alert(n, f"u-{random.randrange(6)}", random.choice(kinds)))
        for n in range(1, 60)
    ]
    subscriber = Subscriber(random, alerts, random.choice([1, 3, 20]))
    for _ in range(400):
        subscriber.step()
    for _ in range(2_000):  # what is left is taken care of
        subscriber.fill()
        subscriber.send()
        subscriber.now_s += 1.0
        for alert_id in subscriber.window.ack(list(subscriber.open)):
            subscriber.acked.add(alert_id)
            del subscriber.open[alert_id]
    assert subscriber.acked == {each.alert.alert_id for each in alerts}
    assert subscriber.window.mark[:2] == alerts[-1].place[:2]
    for positions in subscriber.seen.values():
        assert positions == sorted(positions)
