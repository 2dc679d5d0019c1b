"""Streams of events: users who go to and fro between merchants, and all that may happen to them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from detectors.events import (
    Channel,
    Consent,
    ConsentPurpose,
    Location,
    Merchant,
    Outcome,
    OutcomeKind,
    Payment,
    Preferences,
    ThreeDSStatus,
    Verdict,
    Visit,
)
from flows.codec import Event
from geo import Position
from tests.flows.shards_made import NOON, payment, policy
from tests.geo.fixes_made import place

USERS = ("u/1", "u-2", "u-3", "u-4")
ZONES = ("Europe/Brussels", "America/St_Johns", "Australia/Lord_Howe", "Mars/Olympus", None)
HOURS = (None, None, None, None, "Mo-Su 07:00-19:00", "11:30-14:00,18:00-23:00")


class Life:
    """Users who go to and fro between merchants, some of them far apart; their events in order of arrival."""

    def __init__(self, seed: int) -> None:
        self._dice = dice = Random(seed)
        self._now = NOON + timedelta(days=dice.choice((0, 25)))  # before, and about, a change of clocks
        self._at = {user: (dice.uniform(-400, 400), dice.uniform(-400, 400)) for user in USERS}
        self._shops = {f"m/{n}": (dice.uniform(-500, 500), dice.uniform(-500, 500)) for n in range(9)}
        self._count = 0
        self._asked: list[Payment] = []

    def events(self, steps: int) -> Iterator[Event]:
        yield policy()
        for name in self._shops:
            yield self._shop(name)
        for user in USERS[:3]:
            yield Consent(user, ConsentPurpose.LOCATION_ALERTS, True, "v", self._now)
            yield Preferences(user, self._now, time_zone=self._dice.choice(ZONES[:3]))
        doings: Sequence[Callable[[str], Iterator[Event]]] = (
            *(self._walks,) * 6,
            *(self._visits,) * 5,
            *(self._pays,) * 2,
            self._decides_on_consent,
            self._prefers,
            self._changes,
            self._waits,
            self._leaps,
        )
        for _ in range(steps):
            yield from self._dice.choice(doings)(self._dice.choice(USERS))

    def _pass(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        return self._now

    def _walks(self, user: str) -> Iterator[Event]:
        dice, (east, north) = self._dice, self._at[user]
        goal = self._shops[dice.choice(list(self._shops))]
        mps = dice.choice((1.3, 1.3, 4.0, 13.0))
        steps = max(1, int(max(abs(goal[0] - east), abs(goal[1] - north)) / mps / 10))
        for step in range(1, min(steps, 40) + 1):
            self._at[user] = east + (goal[0] - east) * step / steps, north + (goal[1] - north) * step / steps
            at = self._pass(10)
            late = dice.choice((0, 0, 0, 0, 0, 4, 30, 900)) if dice.random() < 0.3 else 0
            yield self._fix(user, at - timedelta(seconds=late))

    def _fix(self, user: str, at: datetime) -> Location:
        dice, (east, north) = self._dice, self._at[user]
        point = place(east + dice.gauss(0, 4), north + dice.gauss(0, 4))
        position = Position(point.lat, point.lon, dice.choice((5.0, 12.0, 60.0, None)))
        return Location(user, position, at, device_id="phone", mocked=dice.random() < 0.004)

    def _visits(self, user: str) -> Iterator[Event]:
        name = self._dice.choice([*list(self._shops)[:4], self._near(user)])
        self._count += 1
        ago = self._dice.choice((0, 0, 60, 40_000))
        yield Visit(f"v-{self._count}", user, name, self._pass(5) - timedelta(seconds=ago))

    def _near(self, user: str) -> str:
        east, north = self._at[user]
        return min(
            self._shops, key=lambda name: abs(self._shops[name][0] - east) + abs(self._shops[name][1] - north)
        )

    def _pays(self, user: str) -> Iterator[Event]:
        dice = self._dice
        self._count += 1
        facts: dict[str, Any] = {
            "user_id": user,
            "event_time": self._pass(1),
            "merchant_id": self._near(user),
        }
        kind = dice.choice(("5411", "5411", "7995"))
        paid = payment(self._count, mcc=kind, channel=dice.choice((Channel.POS, Channel.ECOMMERCE)), **facts)
        self._asked.append(paid)
        yield paid
        if dice.random() < 0.4:
            asked = dice.choice(self._asked)
            status = dice.choice((ThreeDSStatus.Y, ThreeDSStatus.N, ThreeDSStatus.C))
            kind_of = dice.choice((OutcomeKind.STEP_UP, OutcomeKind.ANALYST))
            more = {"three_ds_status": status} if kind_of is OutcomeKind.STEP_UP else {}
            verdict = Verdict.UNDECIDED if more else Verdict.GENUINE
            yield Outcome(
                f"o-{self._count}",
                asked.transaction_id,
                asked.user_id,
                kind_of,
                verdict,
                self._pass(30),
                **more,  # type: ignore[arg-type]
            )

    def _decides_on_consent(self, user: str) -> Iterator[Event]:
        purpose = self._dice.choice((*(ConsentPurpose.LOCATION_ALERTS,) * 3, ConsentPurpose.TRADING_ALERTS))
        at = self._pass(self._dice.choice((1, 60))) - timedelta(seconds=self._dice.choice((0, 0, 5_000)))
        yield Consent(user, purpose, self._dice.random() < 0.6, "v", at)

    def _prefers(self, user: str) -> Iterator[Event]:
        quiet = self._dice.choice(((None, None), (None, None), (0, 0), (600, 1_000), (1_430, 30)))
        at = self._pass(self._dice.choice((0, 1)))
        yield Preferences(
            user,
            at,
            time_zone=self._dice.choice((*ZONES[:3], *ZONES)),
            quiet_from_min=quiet[0],
            quiet_to_min=quiet[1],
        )

    def _changes(self, _user: str) -> Iterator[Event]:
        name = self._dice.choice(list(self._shops))
        if self._dice.random() < 0.5:
            self._shops[name] = self._dice.uniform(-500, 500), self._dice.uniform(-500, 500)
        self._pass(1)
        yield self._shop(name, closed=self._dice.random() < 0.3)

    def _shop(self, name: str, closed: bool = False) -> Merchant:
        dice = self._dice
        return Merchant(
            name,
            self._now,
            mcc=dice.choice(("5411", "5462")),
            position=place(*self._shops[name]),
            radius_m=dice.choice((30.0, 80.0)),
            chain_id=dice.choice((None, "chain")),
            opening_hours=dice.choice(HOURS),
            time_zone=dice.choice((None, "Europe/Brussels")),
            closed=closed,
        )

    def _waits(self, user: str) -> Iterator[Event]:
        for _ in range(self._dice.randrange(2, 25)):
            yield self._fix(user, self._pass(self._dice.choice((60, 120))))

    def _leaps(self, user: str) -> Iterator[Event]:
        self._pass(self._dice.choice((1_800, 10_000, 30_000, 80_000)))
        yield self._fix(user, self._now)
