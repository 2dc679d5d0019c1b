"""The stages that lead to alerts, put together: merchants, people, habits, proximity, alerts of decisions."""

from collections.abc import Callable

from alerting.alerts import Candidate
from alerting.decision import Decision
from detectors.events import (
    Consent,
    ConsentPurpose,
    Location,
    Merchant,
    Outcome,
    Payment,
    Preferences,
    Visit,
)
from detectors.habits.history import Place
from detectors.reading import is_at_merchant, seconds
from detectors.shard_clock import ShardClock
from flows.alert_params import AlertParams
from flows.codec import Event
from flows.deferred import Deferred, Seen
from flows.directory_stage import DirectoryStage
from flows.habit_stage import HabitStage, WatchVisits
from flows.outputs import Decided
from flows.payment_alert_stage import PaymentAlertStage
from flows.person_stage import PersonStage
from flows.proximity_stage import DUE_AT_ONCE, ProximityStage
from flows.state import State


class AlertStages:
    """Everything of the shard task that no decision rests on; a fault in here takes no decision back.

    Parameters
    ----------
    state
        The shard's state.
    clock
        The shard's time. What is ahead of it tells nobody anything, and teaches when the time has come.
    decided_before
        See :class:`~flows.payment_alert_stage.PaymentAlertStage`.
    watch_visits
        Told of each visit that is learned.
    params
        The settings.
    """

    def __init__(
        self,
        state: State,
        clock: ShardClock,
        decided_before: Callable[[Decided], Decision | None],
        watch_visits: WatchVisits | None = None,
        params: AlertParams | None = None,
    ) -> None:
        params = params or AlertParams()
        self._clock = clock
        self._merchants = DirectoryStage(state, params.merchants)
        self._people = PersonStage(state)
        self._habits = HabitStage(state, self._people, self._find_place, self._came, watch_visits)
        self._proximity = ProximityStage(
            state, self._people, self._habits, self._merchants.directory, params.proximity, params.delivery
        )
        self._deferred = Deferred(state)
        self._payment_alerts = PaymentAlertStage(decided_before)

    def apply(self, position: int, event: Event, found: list[Candidate]) -> None:
        """Take note of an event, once the clock has seen it; candidates are added to ``found``.

        So a fault with one user takes back nothing of another.
        """
        now_s = self._clock.now_s
        # What users want counts before time passes: at its record nothing goes out that it forbids.
        found += self._heed(position, event, now_s)
        # Somebody waits for the answer to a payment.
        at_once = 1 if isinstance(event, Payment) else DUE_AT_ONCE
        # Whoever pays or is at a place is not told of it at that record: it is learned behind it.
        there = (event.tenant, event.user_id) if isinstance(event, Payment | Visit) else None
        self._proximity.time_passed(position, now_s, found, at_once, there)
        for at, seen in self._deferred.ready(self._clock.is_ahead):
            self._learn(at, seen)
        if isinstance(event, Location) and not self._clock.is_ahead(seconds(event.event_time)):
            found += self._proximity.located(position, event, now_s)
        elif isinstance(event, Visit):
            self._learn_in_time(position, event)

    def decided(self, decided: Decided) -> list[Candidate]:
        """What is to be told of a decision."""
        self._people.decided(decided.decision, self._clock.now_s)
        return self._payment_alerts.of_decision(decided)

    def learned(self, position: int, payment: Payment) -> None:
        """A payment was learned as normal."""
        if is_at_merchant(payment):
            self._learn_in_time(position, payment)

    def _learn_in_time(self, position: int, seen: Seen) -> None:
        """Learn a visit, or let it wait while its time is ahead."""
        if not self._clock.is_ahead(seconds(seen.event_time)):
            self._learn(position, seen)
        elif self._people.allows_places(seen.tenant, seen.user_id, seconds(seen.event_time)):
            self._deferred.put(position, seen)

    def _learn(self, position: int, seen: Seen) -> None:
        if isinstance(seen, Visit):
            self._habits.visit(position, seen)
        else:
            self._habits.payment(position, seen)

    def _heed(self, position: int, event: Event, now_s: int) -> list[Candidate]:
        """Take over facts and wishes; what is given up for them."""
        match event:
            case Merchant():
                self._merchants.learn(event)
            case Consent():
                self._people.consent(event, now_s)
                if event.purpose is ConsentPurpose.LOCATION_ALERTS:
                    return self._forget_unless_allowed(position, event, now_s)
            case Preferences():
                self._people.prefer(event, now_s)
            case Outcome():
                self._people.ended(event)
            case Location(mocked=True) if not self._clock.is_ahead(seconds(event.event_time)):
                self._proximity.doubted(event)
        return []

    def _find_place(self, tenant: str, merchant_id: str) -> Place | None:
        known = self._merchants.directory.get(tenant, merchant_id)
        return None if known is None else known.place

    def _came(self, tenant: str, user_id: str, place: Place, time_s: int) -> None:
        self._proximity.came(tenant, user_id, place, time_s)

    def _forget_unless_allowed(self, position: int, event: Consent, now_s: int) -> list[Candidate]:
        tenant, user_id = event.tenant, event.user_id
        allows = self._people.allows_places(tenant, user_id, max(now_s, seconds(event.event_time)))
        # A withdrawal that was overtaken by another consent erases what was learned under the one before.
        if event.granted and allows:
            return []
        found = self._proximity.forget(tenant, user_id, position, now_s)
        self._habits.forget(tenant, user_id)
        self._deferred.forget(tenant, user_id)
        self._people.forget_places(tenant, user_id)
        return found
