"""The stage that knows what users allow, want, and are being asked."""

from datetime import timedelta
from math import ceil
from typing import Final

from alerting.decision import Action, Decision
from alerting.delivery.person import Person
from alerting.stepup import ends_step_up
from detectors.events import Consent, ConsentPurpose, Outcome, Preferences
from detectors.reading import seconds
from detectors.tokens import token
from flows import keys
from flows.state import State

_TOKEN_KIND: Final = 9
_USUAL_STEP_UP: Final = timedelta(minutes=10)
"""How long a challenge stands that says no end."""


class PersonStage:
    """Keeps :class:`~alerting.delivery.person.Person` up to date."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, tenant: str, user_id: str) -> Person | None:
        """The user, if anything is known of them."""
        return self._state.find(keys.person(tenant, user_id), Person)

    def store(self, tenant: str, user_id: str, person: Person) -> None:
        """Keep a changed person."""
        self._state.put(keys.person(tenant, user_id), person)

    def allows_places(self, tenant: str, user_id: str, now_s: int) -> bool:
        """Whether the user's whereabouts and habits may be used for alerts."""
        person = self.find(tenant, user_id)
        return person is not None and person.consents(ConsentPurpose.LOCATION_ALERTS, now_s)

    def consent(self, event: Consent, now_s: int) -> None:
        """Take note of a consent given or withdrawn, at the shard's time ``now_s``."""
        person = self._person(event.tenant, event.user_id)
        person.consent(event, now_s)
        self.store(event.tenant, event.user_id, person)

    def forget_places(self, tenant: str, user_id: str) -> None:
        """The user withdrew the consent: nothing of where they were stays."""
        person = self._person(tenant, user_id)
        person.forget_places()
        self.store(tenant, user_id, person)

    def prefer(self, event: Preferences, now_s: int) -> None:
        """Take over a user's settings."""
        person = self._person(event.tenant, event.user_id)
        person.prefer(event, now_s)
        self.store(event.tenant, event.user_id, person)

    def decided(self, decision: Decision, now_s: int) -> None:
        """A challenge opens a step-up now, though the payment's clock may be behind.

        After a silence it is the shard's that is.
        """
        if decision.action is not Action.STEP_UP:
            return
        expires_at = decision.step_up.expires_at
        span = _USUAL_STEP_UP if expires_at is None else expires_at - decision.event_time
        person = self._person(decision.tenant, decision.user_id)
        until_s = max(now_s, seconds(decision.event_time)) + ceil(span.total_seconds())
        person.step_up_asked(token(_TOKEN_KIND, decision.transaction_id), until_s)
        self.store(decision.tenant, decision.user_id, person)

    def ended(self, outcome: Outcome) -> None:
        """An authentication that ended closes its step-up."""
        if not ends_step_up(outcome):
            return
        person = self.find(outcome.tenant, outcome.user_id)
        if person is not None:
            person.step_up_ended(token(_TOKEN_KIND, outcome.transaction_id))
            self.store(outcome.tenant, outcome.user_id, person)

    def _person(self, tenant: str, user_id: str) -> Person:
        return self.find(tenant, user_id) or Person()
