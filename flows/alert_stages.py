"""The stages that lead to alerts, put together: merchants, people, habits, and the alerts of decisions."""

from collections.abc import Callable

from alerting.alerts import Candidate
from alerting.decision import Decision
from detectors.events import Consent, ConsentPurpose, Merchant, Outcome, Payment, Preferences, Visit
from detectors.habits.history import Place
from detectors.reading import seconds
from flows.alert_stage import PaymentAlertStage
from flows.codec import Event
from flows.directory_stage import DirectoryStage
from flows.habit_stage import HabitStage, WatchVisits, place_of
from flows.outputs import Decided
from flows.person_stage import PersonStage
from flows.state import State


class AlertStages:
    """Everything of the shard task that no decision rests on; a fault in here takes no decision back.

    Parameters
    ----------
    state
        The shard's state.
    decided_before
        See :class:`~flows.alert_stage.PaymentAlertStage`.
    watch_visits
        Told of each visit that is learned.
    """

    def __init__(
        self,
        state: State,
        decided_before: Callable[[Decided], Decision | None],
        watch_visits: WatchVisits | None = None,
    ) -> None:
        self._merchants = DirectoryStage(state)
        self._people = PersonStage(state)
        self._habits = HabitStage(state, self._people, self._find_place, watch_visits)
        self._payment_alerts = PaymentAlertStage(decided_before)

    def apply(self, position: int, event: Event) -> None:
        """Take note of an event."""
        match event:
            case Consent():
                self._people.consent(event)
                if event.purpose is ConsentPurpose.LOCATION_ALERTS:
                    self._forget_unless_allowed(event)
            case Merchant():
                self._merchants.learn(event)
            case Preferences():
                self._people.prefer(event)
            case Outcome():
                self._people.ended(event)
            case Visit():
                self._habits.visit(position, event)

    def decided(self, decided: Decided) -> list[Candidate]:
        """What is to be told of a decision."""
        self._people.decided(decided.decision)
        return self._payment_alerts.of_decision(decided)

    def learned(self, position: int, payment: Payment) -> None:
        """A payment was learned as normal."""
        self._habits.payment(position, payment)

    def _find_place(self, tenant: str, merchant_id: str) -> Place | None:
        known = self._merchants.directory.get(tenant, merchant_id)
        return None if known is None else place_of(merchant_id, known.mcc, known.chain_id)

    def _forget_unless_allowed(self, event: Consent) -> None:
        if not self._people.allows_places(event.tenant, event.user_id, seconds(event.event_time)):
            self._habits.forget(event.tenant, event.user_id)
