"""The simulated stream itself: everybody's plans merged by event time."""

from collections.abc import Iterator
from functools import lru_cache
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final, NamedTuple

from detectors.events import (
    Consent,
    ConsentPurpose,
    Location,
    Merchant,
    Outcome,
    Payment,
    Preferences,
    Tick,
    Trade,
)
from replay.simulator.chance import seeded
from replay.simulator.days import Planned, TradeWish, plan_part
from replay.simulator.fraud import fraud_events
from replay.simulator.leaks import is_hit, plan_leaks
from replay.simulator.market import Market
from replay.simulator.merchants import Directory
from replay.simulator.params import SimulatorParams
from replay.simulator.people import People, Person
from replay.simulator.places import DAY_MS, EPOCH, HOUR_MS, at, midnight_ms
from replay.simulator.trips import PART_HOURS, stays

SimulatedEvent = Payment | Location | Outcome | Consent | Preferences | Merchant | Tick | Trade

_UNBORN: Final = -1
_KNOWN_PEOPLE: Final = 20_000
# What comes first at the same millisecond.
_MARKET: Final = 0
_LATER: Final = 1
_PERSON: Final = 2


class _Entry(NamedTuple):
    """The next thing of one source. The first three members differ between any two entries."""

    time_ms: int
    rank: int
    key: int
    part: int
    plan: list[Planned] | tuple[()]
    event: SimulatedEvent | None


def simulate(params: SimulatorParams) -> Iterator[SimulatedEvent]:
    """The events of a simulated world, in order of event time.

    Equal parameters give equal events. The merchants come first; labels, refunds and disputes of the last
    days come after the end. Memory holds one short plan per person (about 1 kB) and what is still to follow
    from the past (labels and refunds), never the past itself.

    Examples
    --------
    >>> events = list(simulate(SimulatorParams(seed=1, users=20, days=2)))
    >>> times = [event.event_time for event in events]
    >>> times == sorted(times), events == list(simulate(SimulatorParams(seed=1, users=20, days=2)))
    (True, True)
    """
    return _Stream(params).events()


class _Stream:
    def __init__(self, params: SimulatorParams) -> None:
        self._params = params
        self._start_ms = params.first_day * DAY_MS
        self._end_ms = self._start_ms + params.days * DAY_MS
        self._directory = Directory(params)
        self._people = People(params, self._directory)
        self._person = lru_cache(maxsize=_KNOWN_PEOPLE)(self._people.person)
        self._leaks = plan_leaks(params, self._directory)
        self._market = Market(params)
        self._candles = self._market.candles(self._start_ms, self._end_ms)
        self._heap: list[_Entry] = []
        self._followed = 0

    def events(self) -> Iterator[SimulatedEvent]:
        yield from self._directory.events(self._params)
        self._heap = [
            _Entry(self._start_ms, _PERSON, number, _UNBORN, (), None) for number in range(self._params.users)
        ]
        heapify(self._heap)
        self._draw_candle()
        while self._heap:
            entry = self._heap[0]
            if entry.rank == _PERSON:
                yield from self._live(entry)
            else:
                heappop(self._heap)
                if isinstance(entry.event, Tick):
                    self._market.show(entry.event)
                    self._draw_candle()
                if entry.event is not None:
                    yield entry.event

    def _draw_candle(self) -> None:
        time_ms, candle = next(self._candles, (0, None))
        if candle is not None:
            heappush(self._heap, _Entry(time_ms, _MARKET, 0, 0, (), candle))

    def _live(self, entry: _Entry) -> Iterator[SimulatedEvent]:
        if not entry.plan:
            yield from self._wake(entry)
            return
        planned = entry.plan.pop()
        time_ms = entry.plan[-1].time_ms if entry.plan else self._next_wake(entry)
        self._advance(entry._replace(time_ms=time_ms))
        for event in planned.later:
            self._follow(event)
        if not isinstance(planned.item, TradeWish):
            yield planned.item
        elif trade := self._market.trade(planned.item, planned.time_ms):
            yield trade

    def _wake(self, entry: _Entry) -> Iterator[SimulatedEvent]:
        """Plans the person's next part of a day; everybody sleeps until the first one."""
        person = self._person(entry.key)
        first_part = 2 * person.first_day
        if entry.part == _UNBORN:
            self._sleep(entry, person, first_part)
            return
        if entry.part == first_part:
            yield from _introduction(self._params, person, entry.time_ms)
        self._strike(person, entry)
        plan = [
            planned
            for planned in reversed(plan_part(self._params, self._people, person, entry.part))
            if entry.time_ms <= planned.time_ms < self._end_ms
        ]
        if plan:
            self._advance(entry._replace(time_ms=plan[-1].time_ms, part=entry.part + 1, plan=plan))
        else:
            self._sleep(entry, person, entry.part + 1)

    def _sleep(self, entry: _Entry, person: Person, part: int) -> None:
        time_ms = max(entry.time_ms, _wakes_ms(person, part))
        self._advance(entry._replace(time_ms=time_ms, part=part, plan=()))

    def _next_wake(self, entry: _Entry) -> int:
        return max(entry.time_ms, _wakes_ms(self._person(entry.key), entry.part))

    def _advance(self, entry: _Entry) -> None:
        if entry.time_ms < self._end_ms:
            heapreplace(self._heap, entry)
        else:
            heappop(self._heap)

    def _strike(self, person: Person, entry: _Entry) -> None:
        """Lets the frauds of a day follow; they are decided when its first part starts."""
        day, half = divmod(entry.part, 2)
        if half:
            return
        patterns = [episode.pattern for episode in person.episodes if episode.day == day]
        if any(is_hit(self._params, self._people, person, leak, day) for leak in self._leaks):
            patterns.append("merchant_compromise")
        for pattern in patterns:
            for event in fraud_events(
                self._params.seed, self._directory, person, pattern, day, self._params.report_rate
            ):
                self._follow(event)

    def _follow(self, event: Payment | Outcome) -> None:
        time_ms = (event.event_time - EPOCH).total_seconds() * 1000.0
        self._followed += 1
        heappush(self._heap, _Entry(int(time_ms), _LATER, self._followed, 0, (), event))


def _wakes_ms(person: Person, part: int) -> int:
    day, half = divmod(part, 2)
    at_home = midnight_ms(person.metro.zone, day) + int(PART_HOURS[half][0] * HOUR_MS)
    return min([at_home, *(stay.from_ms for stay in stays(person.metro, person.trips, part))])


def _introduction(params: SimulatorParams, person: Person, time_ms: int) -> Iterator[SimulatedEvent]:
    """What a new user tells first: settings, and what may be done with location and trades."""
    time = at(time_ms)
    chance = seeded(params.seed, "introduction", person.number)
    quiet = chance.random() < 0.5
    yield Preferences(
        user_id=person.user_id,
        event_time=time,
        time_zone=person.metro.zone,
        quiet_from_min=22 * 60 if quiet else None,
        quiet_to_min=7 * 60 if quiet else None,
        display_currency=person.metro.currency,
        watched_assets=person.assets,
    )
    for purpose, granted in (
        (ConsentPurpose.LOCATION_ALERTS, person.shares_location),
        (ConsentPurpose.TRADING_ALERTS, person.shares_trading),
    ):
        if granted or chance.random() < 0.2:
            yield Consent(
                user_id=person.user_id,
                purpose=purpose,
                granted=granted,
                version="2026-01",
                event_time=time,
                source="sign-up",
            )
