"""The stage that learns how payments ended: releases from quarantine and strong authentication."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from detectors.events import Outcome, OutcomeKind, Payment, ThreeDSStatus, Verdict
from detectors.profile import UserProfile
from flows import keys
from flows.payment_stage import PaymentStage
from flows.state import State

_VERSION: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class EarlyOutcome:
    """What an outcome said of a payment that is still to come."""

    clears: bool
    authenticated: bool

    def pack(self) -> bytes:
        """The entry as bytes."""
        return _VERSION + bytes((self.clears, self.authenticated))

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The entry that :meth:`pack` wrote."""
        return cls(bool(raw[1]), bool(raw[2]))


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
        clears, authenticated = _clears(outcome), _authenticates(outcome)
        if not (clears or authenticated):
            return
        if self._came_before(position, outcome):
            self._apply(outcome.tenant, outcome.transaction_id, outcome.user_id, clears, authenticated)
            return
        key = keys.early(outcome.tenant, outcome.transaction_id)
        known = self._state.find(key, EarlyOutcome)
        if known is None:
            user = self._user(outcome.tenant, outcome.user_id)
            user.early_outcomes += 1
            self._state.put(keys.user(outcome.tenant, outcome.user_id), user)
        else:
            clears, authenticated = clears or known.clears, authenticated or known.authenticated
        self._state.put(key, EarlyOutcome(clears, authenticated))

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
        self._apply(
            payment.tenant, payment.transaction_id, payment.user_id, early.clears, early.authenticated
        )

    def _apply(
        self, tenant: str, transaction_id: str, user_id: str, clears: bool, authenticated: bool
    ) -> None:
        if clears:
            self._payments.release(tenant, transaction_id)
        if authenticated:
            user = self._user(tenant, user_id)
            user.since_sca_count = 0
            user.since_sca_eur_minor = 0
            self._state.put(keys.user(tenant, user_id), user)

    def _came_before(self, position: int, outcome: Outcome) -> bool:
        # Compared by position, so that a restart that re-reads the log sees what the first run saw.
        payment_at = self._position_of(f"{Payment.kind}/{outcome.tenant}/{outcome.transaction_id}")
        return payment_at is not None and payment_at < position

    def _user(self, tenant: str, user_id: str) -> UserProfile:
        return self._state.find(keys.user(tenant, user_id), UserProfile) or UserProfile()


def _authenticates(outcome: Outcome) -> bool:
    return outcome.outcome_kind is OutcomeKind.STEP_UP and outcome.three_ds_status is ThreeDSStatus.Y


def _clears(outcome: Outcome) -> bool:
    if outcome.outcome_kind is OutcomeKind.STEP_UP:
        return outcome.three_ds_status is ThreeDSStatus.Y
    return outcome.verdict is Verdict.GENUINE
