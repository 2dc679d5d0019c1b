"""Builders: users of a shard who are on their way, with habits at merchants about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from alerting.alerts import AlertKind
from detectors.events import Consent, ConsentPurpose, Location, Merchant, Preferences, Visit
from flows.codec import Event
from flows.outputs import AlertRaised, Output
from flows.task import ShardTask
from geo import Position
from tests.flows.shards_made import NOON, Shard
from tests.geo.fixes_made import place

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
USER = "u/1"
SHOP = "bakery"
HABIT = NOON.replace(hour=11)
"""When the user is at the shop, every day: noon in Brussels."""
BEFORE = HABIT - 6 * HOUR
TODAY = HABIT + 25 * DAY
"""The day after the last of those visits, at the same time."""


def consent(granted: bool = True, at: datetime = BEFORE, user: str = USER) -> Consent:
    return Consent(user, ConsentPurpose.LOCATION_ALERTS, granted, "v1", at)


def wishes(zone: str | None = "Europe/Brussels", at: datetime = BEFORE, **more: Any) -> Preferences:
    return Preferences(USER, at, time_zone=zone, **more)


def shop(name: str = SHOP, east_m: float = 0.0, north_m: float = 0.0, **more: Any) -> Merchant:
    facts: dict[str, Any] = {"mcc": "5462", "radius_m": 50.0, "event_time": BEFORE}
    return Merchant(name, position=place(east_m, north_m), **facts | more)


def visit(at: datetime, merchant: str = SHOP, user: str = USER) -> Visit:
    return Visit(f"v/{user}/{at.timestamp():.0f}", user, merchant, at)


def visits(days: int = 25, users: Sequence[str] = (USER,)) -> list[Visit]:
    """Every day at the office in the morning, at the shop at noon, at the gym in the evening."""
    return [
        visit(HABIT + day * DAY + hour, name, user)
        for day in range(days)
        for name, hour in (("office", -4 * HOUR), (SHOP, 0 * HOUR), ("gym", 7 * HOUR))
        for user in users
    ]


def fix(at: datetime, east_m: float, north_m: float = 0.0, **more: Any) -> Location:
    """A position so many metres from the shop."""
    point = place(east_m, north_m)
    facts: dict[str, Any] = {"user_id": USER, "device_id": "phone"}
    return Location(position=Position(point.lat, point.lon, 8.0), event_time=at, **facts | more)


def walk(
    at: datetime, from_m: float, to_m: float, north_m: float = 0.0, mps: float = 1.4, **more: Any
) -> list[Location]:
    """A straight way to the west or east, seen every five seconds."""
    steps = int(abs(to_m - from_m) / mps / 5) + 1
    way = mps * 5 if to_m > from_m else -mps * 5
    return [fix(at + timedelta(seconds=5 * n), from_m + way * n, north_m, **more) for n in range(steps)]


def rest(at: datetime, east_m: float, minutes: int = 5, north_m: float = 0.0, **more: Any) -> list[Location]:
    """Staying in one place, seen every half a minute."""
    return [fix(at + timedelta(seconds=30 * n), east_m, north_m, **more) for n in range(2 * minutes + 1)]


def tick(at: datetime) -> Location:
    """Somebody else's event, which makes time pass."""
    return fix(at, 90_000.0, user_id="somebody")


ARRIVAL = walk(TODAY - 4 * MINUTE, 350, -20)
"""Coming to the shop at the usual time."""


def minutes(first: int, last: int) -> list[Event]:
    """Time passes from so many minutes before the usual time to so many after."""
    return [tick(TODAY + number * MINUTE) for number in range(first, last + 1)]


FRIENDS = ("u/2", "u/3", "u/4")
"""Others with the same habits, from whom the models learn as well."""


def of_habit(*more: Event, **wish: Any) -> list[Event]:
    """A user with the habit, as far as this morning at the office."""
    people = (USER, *FRIENDS)
    facts: list[Event] = [*(consent(user=user) for user in people), wishes(**wish), shop()]
    return [*facts, *visits(users=people), visit(TODAY - 4 * HOUR, "office"), *more]


class Town(Shard):
    """A shard with users on their way; gives the proximity alerts that come."""

    def __init__(self, events: Sequence[Event] = (), **more: Any) -> None:
        super().__init__(**more)
        self.add(*events)

    def told(self, *events: Event) -> list[AlertRaised]:
        return proximity(self.add(*events))

    def fates(self, *events: Event) -> list[str]:
        """What became of the candidates that come with these events."""
        return [fate(each) for each in self.told(*events)]

    def restart(self) -> None:
        self.commit()
        self.task = ShardTask(self.store, self.log.find)


def proximity(outputs: Sequence[Output]) -> list[AlertRaised]:
    raised = [each for each in outputs if isinstance(each, AlertRaised)]
    return [each for each in raised if each.alert.kind is AlertKind.PROXIMITY]


def fate(raised: AlertRaised) -> str:
    return raised.suppressed or "SENT"
