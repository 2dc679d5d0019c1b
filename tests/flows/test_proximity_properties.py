"""Streams of everything that may happen to users on their way: what always holds of their alerts."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.delivery.params import DeliveryParams
from alerting.delivery.person import Quiet
from alerting.proximity.herald import Herald
from alerting.proximity.params import ProximityParams
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
from flows.alert_params import AlertParams
from flows.codec import Event
from flows.log import MemoryLog, NewRecord
from flows.outputs import AlertRaised, Decided, Output, TaskFault
from flows.store import MemoryStore
from flows.task import ShardTask
from geo import Position
from tests.flows.outings_made import fate, proximity
from tests.flows.shards_made import NOON, payment, policy
from tests.geo.fixes_made import place

EAGER = AlertParams(
    proximity=ProximityParams(look_every_s=300),
    delivery=DeliveryParams(
        min_probability=0.02,
        min_probability_similar=0.02,
        max_per_day=2,
        max_per_week=3,
        spacing_s=600,
        merchant_cooldown_s=3_600,
    ),
)
"""Settings under which much is sent, so that what must not be sent has its chance."""
USERS = ("u/1", "u-2", "u-3", "u-4")
ZONES = ("Europe/Brussels", "America/St_Johns", "Australia/Lord_Howe", "Mars/Olympus", None)
SEEDS = range(8)
HOURS = (None, None, None, None, "Mo-Su 07:00-19:00", "11:30-14:00,18:00-23:00")


class _Life:
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


class _Run:
    """A log over which tasks are run, stopped, killed and started again."""

    def __init__(self, events: Sequence[Event], cached_objects: int = 200_000) -> None:
        self.log, self.store = MemoryLog(), MemoryStore()
        self.log.append([NewRecord.of(event) for event in events])
        self._cached = cached_objects
        self.outputs: dict[int, list[Output]] = {}
        self.start()

    def start(self) -> None:
        self.task = ShardTask(self.store, self.log.find, cached_objects=self._cached, alerts=EAGER)

    def run(self, until: int) -> "_Run":
        for record in self.log.read(self.task.position, until - self.task.position):
            said = self.task.apply(record)
            assert self.outputs.setdefault(record.position, said) == said
        return self

    def commit(self) -> None:
        self.store.commit(self.task.changes())

    def whole(self) -> "_Run":
        self.run(self.log.end)
        self.commit()
        return self


@cache
def _stream(seed: int) -> tuple[Event, ...]:
    return tuple({event.event_id: event for event in _Life(seed).events(130)}.values())


@cache
def _plain(seed: int) -> _Run:
    return _Run(_stream(seed)).whole()


def _all(run: _Run) -> list[Output]:
    return [output for position in sorted(run.outputs) for output in run.outputs[position]]


# Replay.


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cached_objects", [200_000, 3])
def test_stopped_or_killed_anywhere_all_is_the_same(seed: int, cached_objects: int) -> None:
    dice, plain = Random(seed), _plain(seed)
    run = _Run(_stream(seed), cached_objects)
    reached = 0
    while reached < run.log.end:
        reached = min(run.log.end, reached + dice.choice((1, 3, 10, 60, 150)))
        run.run(reached)
        if dice.random() < 0.7:
            run.commit()
        if dice.random() < 0.5:
            run.start()
    run.whole()
    assert run.outputs == plain.outputs
    assert run.store.states == plain.store.states
    assert run.store.alert_rows((0, 0), 10**6) == plain.store.alert_rows((0, 0), 10**6)


# Laws, by an oracle that knows events, decisions and the clock on the wall.


class _Oracle:
    """What is known of one user by the end of a record."""

    def __init__(self) -> None:
        self.allowed: tuple[datetime, bool] = (datetime.min.replace(tzinfo=UTC), False)
        self.wish: Preferences | None = None
        self.open: dict[str, datetime] = {}
        self.sent: list[AlertRaised] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, Consent) and event.purpose is ConsentPurpose.LOCATION_ALERTS:
            since, granted = self.allowed
            if event.event_time >= since:
                both = event.granted and (granted or event.event_time > since)
                self.allowed = event.event_time, both
        elif isinstance(event, Preferences):
            if self.wish is None or event.event_time >= self.wish.event_time:
                self.wish = event
        elif isinstance(event, Outcome) and event.three_ds_status in (ThreeDSStatus.Y, ThreeDSStatus.N):
            self.open.pop(event.transaction_id, None)

    def may_send(self, raised: AlertRaised) -> None:
        at, params = raised.alert.event_time, EAGER.delivery
        assert self.allowed[1], "withdrawn"
        assert at <= raised.alert.not_after, "after its time"
        assert all(at >= until for until in self.open.values()), "during a step-up"
        assert self.wish is not None, "nobody knows the time there"
        assert self.wish.time_zone in ZONES[:3], "nobody knows the time there"
        zone = ZoneInfo(self.wish.time_zone or "")
        local = at.astimezone(zone)
        start, end = self.wish.quiet_from_min, self.wish.quiet_to_min
        quiet = Quiet(
            params.quiet_from_min if start is None else start, params.quiet_to_min if end is None else end
        )
        assert not quiet.holds(local.hour * 60 + local.minute), "in quiet hours"
        times = [each.alert.event_time for each in self.sent]
        assert len([t for t in times if t.astimezone(zone).date() == local.date()]) < params.max_per_day
        assert len([t for t in times if t > at - timedelta(days=7)]) < params.max_per_week
        assert all((at - t).total_seconds() >= params.spacing_s for t in times)
        self.sent.append(raised)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_sent_that_must_not_be(seed: int) -> None:
    run, oracles = _plain(seed), {user: _Oracle() for user in USERS}
    ids: set[str] = set()
    for record in run.log.read(0, run.log.end):
        event = record.event
        if (user := getattr(event, "user_id", None)) in oracles:
            oracles[user].hear(event)
        for output in run.outputs[record.position]:
            if isinstance(output, Decided) and output.decision.action == "STEP_UP":
                until = output.decision.step_up.expires_at
                assert until is not None
                oracles[output.decision.user_id].open[output.decision.transaction_id] = until
        for raised in proximity(run.outputs[record.position]):
            assert raised.alert.alert_id not in ids
            ids.add(raised.alert.alert_id)
            assert raised.alert.log_position == raised.position == record.position
            if raised.suppressed is None:
                oracles[raised.alert.user_id].may_send(raised)


def test_much_of_all_this_happens() -> None:
    said = [fate(raised) for seed in SEEDS for raised in proximity(_all(_plain(seed)))]
    counts = {word: said.count(word) for word in said}
    assert counts["SENT"] > 30
    seldom = (
        "QUIET_HOURS",
        "STEP_UP_OPEN",
        "ZONE_UNKNOWN",
        "TOO_SOON",
        "DAY_BUDGET",
        "WEEK_BUDGET",
        "POSITION_DOUBTED",
        "CLOSED",
    )
    assert {word: counts.get(word, 0) for word in seldom if counts.get(word, 0) < 3} == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_faults_and_whoever_withdrew_left_nothing(seed: int) -> None:
    run = _plain(seed)
    assert [each for each in _all(run) if isinstance(each, TaskFault)] == []
    oracles = {user: _Oracle() for user in USERS}
    for event in _stream(seed):
        if (user := getattr(event, "user_id", None)) in oracles:
            oracles[user].hear(event)
    last = {user: oracle.allowed[1] for user, oracle in oracles.items()}
    for user in (user for user, allowed in last.items() if not allowed):
        assert not {f"outing/default/{user}", f"habit/default/{user}"} & run.store.states.keys()


# Faults.


@pytest.mark.parametrize("seed", list(SEEDS)[:4])
def test_fault_in_what_leads_to_alerts_changes_no_decision_and_nothing_that_is_kept(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, seed)
    faulty, again = _Run(_stream(seed)).whole(), _Run(_stream(seed), cached_objects=3)
    dice = Random(seed)
    for position in range(1, again.log.end + 1):
        again.run(position)
        if dice.random() < 0.3:
            again.commit()
            again.start()
    again.whole()
    faults = [each for each in _all(faulty) if isinstance(each, TaskFault)]
    assert len(faults) > 5
    decided = [[each for each in _all(run) if isinstance(each, Decided)] for run in (faulty, _plain(seed))]
    assert decided[0] == decided[1]
    assert again.outputs == faulty.outputs
    assert again.store.states == faulty.store.states


def _break(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Let the guide's deepest step fail at some times of the log."""
    sound = Herald.judge

    def judge(self: Herald, who: Any, meetings: Any) -> Any:
        found = sound(self, who, meetings)
        if found and who.position % 3 == seed % 3:
            raise RuntimeError("planted")
        return found

    monkeypatch.setattr(Herald, "judge", judge)
