"""The stage that learns how payments ended: releases from quarantine and strong authentication."""

from collections.abc import Callable

from detectors.events import Outcome, OutcomeKind, Payment, ThreeDSStatus, Verdict
from detectors.profile import UserProfile
from flows import keys
from flows.early_outcome import Accusation, EarlyOutcome
from flows.payment_stage import PaymentStage
from flows.state import State


class FeedbackStage:
    """Applies outcomes in whatever order they come.

    Parameters
    ----------
    state
        The shard's state.
    payments
        The stage that holds the quarantine.
    position_of
        Where in the log an event id stands; it tells a payment that is yet to come from one that has come.
    """

    def __init__(
        self, state: State, payments: PaymentStage, position_of: Callable[[str], int | None]
    ) -> None:
        self._state = state
        self._payments = payments
        self._position_of = position_of

    def learn_outcome(self, position: int, outcome: Outcome) -> None:
        """Act on one outcome."""
        said = EarlyOutcome(_clears(outcome), _authenticates(outcome), outcome.verdict is Verdict.FRAUD)
        if not (said.clears or said.authenticated or said.accuses):
            return
        tenant, transaction_id, user_id = outcome.tenant, outcome.transaction_id, outcome.user_id
        if self._came_before(position, outcome):
            if said.clears and outcome.outcome_kind is not OutcomeKind.STEP_UP:
                self._state.delete(keys.accusation(tenant, transaction_id))  # it is taken back
            self._apply(tenant, transaction_id, user_id, said)
            return
        key = keys.early(tenant, transaction_id)
        known = self._state.find(key, EarlyOutcome)
        if known is None:
            user = self._user(tenant, user_id)
            user.early_outcomes += 1
            self._state.put(keys.user(tenant, user_id), user)
            known = EarlyOutcome(clears=False, authenticated=False)
        self._state.put(key, _together(known, said, outcome))

    def apply_early(self, payment: Payment) -> None:
        """Act on the outcome that came before ``payment``, if any did."""
        user = self._user(payment.tenant, payment.user_id)
        if not user.early_outcomes:
            return
        key = keys.early(payment.tenant, payment.transaction_id)
        early = self._state.find(key, EarlyOutcome)
        if early is None:
            return
        self._state.delete(key)
        user.early_outcomes -= 1
        self._state.put(keys.user(payment.tenant, payment.user_id), user)
        self._apply(payment.tenant, payment.transaction_id, payment.user_id, early)

    def _apply(self, tenant: str, transaction_id: str, user_id: str, said: EarlyOutcome) -> None:
        accusation = keys.accusation(tenant, transaction_id)
        if said.accuses:
            self._state.put(accusation, Accusation())
        # Whoever was challenged is the payer, whatever the outcome calls them.
        waiting = self._payments.quarantined(tenant, transaction_id)
        payer_id = user_id if waiting is None else waiting.user_id
        if said.clears and self._state.find(accusation, Accusation) is None:
            self._payments.release(tenant, transaction_id)
        if said.authenticated:
            user = self._user(tenant, payer_id)
            user.authenticated()
            self._state.put(keys.user(tenant, payer_id), user)

    def _came_before(self, position: int, outcome: Outcome) -> bool:
        # Compared by position, so that a restart that re-reads the log sees what the first run saw.
        payment_at = self._position_of(f"{Payment.kind}/{outcome.tenant}/{outcome.transaction_id}")
        return payment_at is not None and payment_at < position

    def _user(self, tenant: str, user_id: str) -> UserProfile:
        return self._state.find(keys.user(tenant, user_id), UserProfile) or UserProfile()


def _together(known: EarlyOutcome, said: EarlyOutcome, outcome: Outcome) -> EarlyOutcome:
    """All that was said of a payment to come; the word of a person takes an accusation back."""
    takes_back = said.clears and outcome.outcome_kind is not OutcomeKind.STEP_UP
    return EarlyOutcome(
        clears=known.clears or said.clears,
        authenticated=known.authenticated or said.authenticated,
        accuses=said.accuses or (known.accuses and not takes_back),
    )


def _authenticates(outcome: Outcome) -> bool:
    return outcome.outcome_kind is OutcomeKind.STEP_UP and outcome.three_ds_status is ThreeDSStatus.Y


def _clears(outcome: Outcome) -> bool:
    if outcome.outcome_kind is OutcomeKind.STEP_UP:
        return outcome.three_ds_status is ThreeDSStatus.Y and outcome.verdict is not Verdict.FRAUD
    return outcome.verdict is Verdict.GENUINE
