"""Streams of everything that may happen to users on their way: what always holds of their alerts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

import pytest

from alerting.alerts import Candidate
from alerting.delivery.params import DeliveryParams
from alerting.delivery.person import Quiet
from alerting.proximity.guide import Guide
from alerting.proximity.herald import Herald
from alerting.proximity.meeting import Guided, Meeting
from alerting.proximity.params import ProximityParams
from detectors.events import (
    Consent,
    ConsentPurpose,
    Outcome,
    Preferences,
    ThreeDSStatus,
)
from flows.alert_params import AlertParams
from flows.codec import Event
from flows.log import MemoryLog, NewRecord
from flows.outputs import AlertRaised, Decided, Output, TaskFault
from flows.store import MemoryStore
from flows.task import ShardTask
from tests.flows.lives_made import USERS, ZONES, Life
from tests.flows.outings_made import fate, proximity

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
SEEDS = range(8)


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
    return tuple({event.event_id: event for event in Life(seed).events(130)}.values())


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
        for time in (local, raised.alert.not_after.astimezone(zone)):
            assert not quiet.holds(time.hour * 60 + time.minute), "in quiet hours"
        times = [each.alert.event_time for each in self.sent]
        assert len([t for t in times if t.astimezone(zone).date() == local.date()]) < params.max_per_day
        assert len([t for t in times if t > at - timedelta(days=7)]) < params.max_per_week
        assert all((at - t).total_seconds() >= params.spacing_s for t in times)
        last = self.sent[-1].alert if self.sent else None
        holds = last is not None and at <= last.not_after
        assert raised.alert.supersedes in (None, last.alert_id if holds and last else None)
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
            else:
                assert raised.alert.supersedes is None


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
    assert _of_payments(faulty) == _of_payments(_plain(seed))
    assert again.outputs == faulty.outputs
    assert again.store.states == faulty.store.states


def _of_payments(run: _Run) -> list[Output]:
    """Decisions, and alerts about them."""
    said = [each for each in _all(run) if not isinstance(each, TaskFault)]
    return [each for each in said if not proximity([each])]


def _break(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Let what is deepest inside fail at some places of the log, after it has changed things."""
    judge, expire = Herald.judge, Guide.expire

    def faulty_judge(self: Herald, who: Guided, meetings: Iterable[Meeting]) -> list[Candidate]:
        found = judge(self, who, meetings)
        if found and who.position % 3 == seed % 3:
            raise RuntimeError("planted")
        return found

    def faulty_expire(self: Guide, who: Guided) -> None:
        expire(self, who)
        if who.position % 7 == 0:
            raise RuntimeError("planted")

    monkeypatch.setattr(Herald, "judge", faulty_judge)
    monkeypatch.setattr(Guide, "expire", faulty_expire)
