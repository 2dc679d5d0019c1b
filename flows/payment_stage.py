"""The stage that answers a payment: profile, features, detectors, score, policy, decision, then learning."""

import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from alerting.decide import Decider, ScaCounters
from alerting.decision import Action, FallbackAnswered
from alerting.stepup import is_remote
from detectors.assessment import Assessment
from detectors.events import Location, Payment
from detectors.fresh import Fresh
from detectors.joint_model import JointModel
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.scoring import Scorer, Subjects
from flows import keys
from flows.codec import BadRecord, decode_event, encode_decision, encode_event
from flows.early_outcome import EarlyOutcome
from flows.outputs import Decided
from flows.state import State

_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BH")
_APPROVE: Final = Action.APPROVE
_Keys = tuple[str, str, str | None, str | None, str | None]
"""Under which keys user, merchant, card, device and category are stored."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A payment that was not approved, with the features it was scored on (none where it was not)."""

    payment: Payment
    features: tuple[float, ...]

    def pack(self) -> bytes:
        """The entry as bytes."""
        return (
            _HEADER.pack(_VERSION, len(self.features))
            + array("d", self.features).tobytes()
            + encode_event(self.payment)
        )

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The entry that :meth:`pack` wrote."""
        _, count = _HEADER.unpack_from(raw)
        end = _HEADER.size + 8 * count
        payment = decode_event(raw[end:], "quarantine")
        if isinstance(payment, BadRecord) or not isinstance(payment, Payment):
            raise ValueError(f"stored quarantine entry can't be read: {payment}")
        return cls(payment, tuple(array("d", raw[_HEADER.size : end])))


class PaymentStage:
    """Scores a payment, decides by the policy in force, then lets the models learn what law 5 allows.

    Velocity counts every attempt, whatever the answer: a burst of declined attempts is a burst. What is
    *normal* (amounts, rhythm, places, partners) is learned from approved payments only; the others go to
    quarantine, where an outcome may release them.

    Parameters
    ----------
    learned
        Told of each payment that is learned as normal.
    """

    def __init__(
        self,
        state: State,
        scorer: Scorer,
        joint: JointModel,
        population: Population,
        fresh: Fresh | None = None,
        learned: Callable[[Payment], None] | None = None,
    ) -> None:
        self._state = state
        self._tell_learned = learned
        self._fresh = fresh
        self.scorer = scorer
        self._joint = joint
        self._population = population
        self._to_learn: tuple[Payment, _Keys, Subjects, Assessment, Action, Decider] | None = None

    def decide(self, position: int, payment: Payment, decider: Decider) -> Decided:
        """Answer one payment; :meth:`learn` must follow before anything else is applied."""
        names = _keys_of(payment)
        subjects = self._find(names)
        assessment = self.scorer.assess(payment, subjects)
        user = subjects.user
        sca = ScaCounters(user.since_sca_count, user.since_sca_eur_minor)
        decision = decider.decide(payment, assessment, sca, position)
        self._to_learn = (payment, names, subjects, assessment, decision.action, decider)
        return Decided(position, payment, decision, assessment.features, encode_decision(decision))

    def learn(self) -> bool:
        """Learn the last payment that was decided, if that is still to be done.

        True when outcomes of payments of this user came early, so that one may be about this payment.
        """
        if self._to_learn is None:
            return False
        payment, names, subjects, assessment, action, decider = self._to_learn
        self._to_learn = None
        try:
            self.scorer.observe(payment, subjects, assessment)
            if action is _APPROVE and not self._is_accused(payment, subjects.user):
                self.scorer.learn(payment, subjects, assessment.features, assessment.context)
                if self._tell_learned is not None:
                    self._tell_learned(payment)
                _count_towards_sca(payment, subjects.user, decider)
            else:
                self._quarantine(payment, assessment.features)
        finally:
            # Also after a fault: what is in memory and what a restart would load must not part.
            self._store(names, subjects)
        return subjects.user.early_outcomes > 0

    def fall_back(self, position: int, answered: FallbackAnswered, decider: Decider) -> Decided:
        """Put an answer on record that the fallback gave.

        Where the payment has a position of its own, the engine decided it there, too late for the caller. If
        it approved, the norms learned the payment then and keep it, also when the fallback asked for a
        challenge: nobody could know of that at the payment's position, and models don't unlearn.
        """
        payment = answered.payment
        if not answered.payment_logged:
            # How it would have scored is unknown, so it waits; more must not be done for it, since
            # such answers come by the thousand just when the flow has no time.
            self._quarantine(payment, ())
        # Position 0, as in the answer that is out already: it was given before it had a place in the log.
        decision = decider.fallback(
            payment, answered.cause, action=answered.action, policy_version=answered.policy_version
        )
        return Decided(position, payment, decision, (), encode_decision(decision))

    def locate(self, location: Location) -> None:
        """Take note of where a user's device is."""
        key = keys.user(location.tenant, location.user_id)
        user = self._state.find(key, UserProfile) or UserProfile()
        self.scorer.locate(location, user, self._population)
        self._state.put(key, user)

    def release(self, tenant: str, transaction_id: str) -> bool:
        """Let the norms learn a quarantined payment; False when there is none."""
        key = keys.quarantine(tenant, transaction_id)
        entry = self._state.find(key, Quarantined)
        if entry is None:
            return False
        names = _keys_of(entry.payment)
        subjects = self._find(names)
        features = entry.features or self.scorer.assess(entry.payment, subjects).features
        self.scorer.learn(entry.payment, subjects, features)
        if self._tell_learned is not None:
            self._tell_learned(entry.payment)
        self._state.delete(key)
        self._store(names, subjects)
        return True

    def quarantined(self, tenant: str, transaction_id: str) -> Payment | None:
        """The payment that waits in quarantine under this id."""
        entry = self._state.find(keys.quarantine(tenant, transaction_id), Quarantined)
        return None if entry is None else entry.payment

    def _is_accused(self, payment: Payment, user: UserProfile) -> bool:
        """Whether a fraud report came before the payment did."""
        if not user.early_outcomes:
            return False
        early = self._state.find(keys.early(payment.tenant, payment.transaction_id), EarlyOutcome)
        return early is not None and early.accuses

    def _quarantine(self, payment: Payment, features: tuple[float, ...]) -> None:
        key = keys.quarantine(payment.tenant, payment.transaction_id)
        self._state.put(key, Quarantined(payment, features))

    def _find(self, names: _Keys) -> Subjects:
        entity = self._entity
        if self._fresh is not None:
            self._fresh.begin()
        user, merchant, card, device, category = names
        return Subjects(
            user=self._state.find(user, UserProfile) or UserProfile(),
            merchant=self._state.find(merchant, EntityProfile) or EntityProfile(),
            card=entity(card),
            device=entity(device),
            category=entity(category),
            population=self._population,
            joint=self._joint,
            fresh=self._fresh,
        )

    def _entity(self, key: str | None) -> EntityProfile | None:
        return None if key is None else self._state.find(key, EntityProfile) or EntityProfile()

    def _store(self, names: _Keys, subjects: Subjects) -> None:
        put = self._state.put
        user, merchant, card, device, category = names
        if self._fresh is not None:
            self._fresh.close(merchant, category or "")
        put(user, subjects.user)
        put(merchant, subjects.merchant)
        if card is not None and subjects.card is not None:
            put(card, subjects.card)
        if device is not None and subjects.device is not None:
            put(device, subjects.device)
        if category is not None and subjects.category is not None:
            put(category, subjects.category)
        put(keys.POPULATION, subjects.population)


def _keys_of(payment: Payment) -> _Keys:
    tenant, card, device, mcc = payment.tenant, payment.card_token, payment.device_id, payment.mcc
    return (
        keys.user(tenant, payment.user_id),
        keys.merchant(tenant, payment.merchant_id),
        None if card is None else keys.card(tenant, card),
        None if device is None else keys.device(tenant, device),
        None if mcc is None else keys.category(tenant, mcc),
    )


def _count_towards_sca(payment: Payment, user: UserProfile, decider: Decider) -> None:
    if is_remote(payment):
        user.spent_without_sca(decider.eur_minor(payment))
