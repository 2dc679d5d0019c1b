"""The stage that answers a payment: profile, features, detectors, score, policy, decision, then learning."""

import struct
from array import array
from dataclasses import dataclass
from typing import Final, Self

from alerting.decide import Decider, ScaCounters
from alerting.decision import Action, FallbackAnswered
from alerting.stepup import is_remote
from detectors.assessment import Assessment
from detectors.events import Location, Payment
from detectors.joint import JointModel
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.scoring import Scorer, Subjects
from flows import keys
from flows.codec import BadRecord, decode_event, encode_decision, encode_event
from flows.outputs import Decided
from flows.state import State

_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BH")


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
    """

    def __init__(self, state: State, scorer: Scorer, joint: JointModel, population: Population) -> None:
        self._state = state
        self.scorer = scorer
        self._joint = joint
        self._population = population
        self._to_learn: tuple[Payment, Subjects, Assessment, Action, Decider] | None = None

    def decide(self, position: int, payment: Payment, decider: Decider) -> Decided:
        """Answer one payment; :meth:`learn` must follow before anything else is applied."""
        subjects = self._subjects(payment)
        assessment = self.scorer.assess(payment, subjects)
        user = subjects.user
        sca = ScaCounters(user.since_sca_count, user.since_sca_eur_minor)
        decision = decider.decide(payment, assessment, sca, position)
        self._to_learn = (payment, subjects, assessment, decision.action, decider)
        return Decided(position, payment, decision, assessment.features, encode_decision(decision))

    def learn(self) -> None:
        """Learn the last payment that was decided, if that is still to be done."""
        if self._to_learn is None:
            return
        payment, subjects, assessment, action, decider = self._to_learn
        self._to_learn = None
        try:
            self.scorer.observe(payment, subjects, assessment)
            if action is Action.APPROVE:
                self.scorer.learn(payment, subjects, assessment.features)
                _count_towards_sca(payment, subjects.user, decider)
            else:
                self._quarantine(payment, assessment.features)
        finally:
            # Also after a fault: what is in memory and what a restart would load must not part.
            self._store(payment, subjects)

    def fall_back(self, position: int, answered: FallbackAnswered, decider: Decider) -> Decided:
        """Put an answer on record that the fallback gave."""
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
        self.scorer.locate(location, user)
        self._state.put(key, user)

    def release(self, tenant: str, transaction_id: str) -> bool:
        """Let the norms learn a quarantined payment; False when there is none."""
        key = keys.quarantine(tenant, transaction_id)
        entry = self._state.find(key, Quarantined)
        if entry is None:
            return False
        subjects = self._subjects(entry.payment)
        features = entry.features or self.scorer.assess(entry.payment, subjects).features
        self.scorer.learn(entry.payment, subjects, features)
        self._state.delete(key)
        self._store(entry.payment, subjects)
        return True

    def _quarantine(self, payment: Payment, features: tuple[float, ...]) -> None:
        key = keys.quarantine(payment.tenant, payment.transaction_id)
        self._state.put(key, Quarantined(payment, features))

    def _subjects(self, payment: Payment) -> Subjects:
        entity, tenant = self._entity, payment.tenant
        card, device, mcc = payment.card_token, payment.device_id, payment.mcc
        return Subjects(
            user=self._state.find(keys.user(tenant, payment.user_id), UserProfile) or UserProfile(),
            merchant=entity(keys.merchant(tenant, payment.merchant_id)),
            card=None if card is None else entity(keys.card(tenant, card)),
            device=None if device is None else entity(keys.device(tenant, device)),
            category=None if mcc is None else entity(keys.category(tenant, mcc)),
            population=self._population,
            joint=self._joint,
        )

    def _entity(self, key: str) -> EntityProfile:
        return self._state.find(key, EntityProfile) or EntityProfile()

    def _store(self, payment: Payment, subjects: Subjects) -> None:
        put, tenant = self._state.put, payment.tenant
        put(keys.user(tenant, payment.user_id), subjects.user)
        put(keys.merchant(tenant, payment.merchant_id), subjects.merchant)
        if subjects.card is not None and payment.card_token is not None:
            put(keys.card(tenant, payment.card_token), subjects.card)
        if subjects.device is not None and payment.device_id is not None:
            put(keys.device(tenant, payment.device_id), subjects.device)
        if subjects.category is not None and payment.mcc is not None:
            put(keys.category(tenant, payment.mcc), subjects.category)
        put(keys.POPULATION, subjects.population)


def _count_towards_sca(payment: Payment, user: UserProfile, decider: Decider) -> None:
    if is_remote(payment):
        user.since_sca_count += 1
        user.since_sca_eur_minor += decider.eur_minor(payment)
