"""The answer to a payment, and the two things besides events that a log can say about answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import ClassVar

from detectors.assessment import Family
from detectors.events import STRICT, Payment, Word


class Action(Word):
    """What the gateway should do, from mildest to strictest."""

    APPROVE = "APPROVE"
    STEP_UP = "STEP_UP"
    REVIEW = "REVIEW"
    DECLINE = "DECLINE"


class Source(StrEnum):
    """Who decided: the engine, or the declared fallback because the engine could not in time."""

    ENGINE = "ENGINE"
    FALLBACK = "FALLBACK"


class FallbackCause(StrEnum):
    """Why the engine could not answer."""

    DEADLINE = "DEADLINE"
    OVERLOAD = "OVERLOAD"
    STALE_STATE = "STALE_STATE"
    FAULT = "FAULT"


class ChallengeIndicator(StrEnum):
    """EMV 3-D Secure ``threeDSRequestorChallengeInd``."""

    NO_PREFERENCE = "01"
    NO_CHALLENGE = "02"
    CHALLENGE_WANTED = "03"
    CHALLENGE_MANDATED = "04"
    NO_CHALLENGE_RISK_ANALYSIS_DONE = "05"
    DATA_ONLY = "06"


class Exemption(StrEnum):
    """Which exemption from strong customer authentication could be claimed (EU 2018/389)."""

    NONE = "NONE"
    LOW_VALUE = "LOW_VALUE"
    TRANSACTION_RISK = "TRANSACTION_RISK"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision; ``weight`` is its share (0..1) of the score."""

    code: str
    family: Family
    value: float
    usual_low: float | None
    usual_high: float | None
    unit: str
    subject: str
    weight: float


@dataclass(frozen=True, slots=True)
class StepUpAdvice:
    """How to challenge, or why no challenge is needed. ``tra_band_eur`` is 100, 250, 500 or None."""

    challenge: ChallengeIndicator
    exemption: Exemption
    tra_band_eur: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one payment. Equal logs give equal decisions, field by field."""

    decision_id: str
    transaction_id: str
    tenant: str
    user_id: str
    event_time: datetime
    action: Action
    score: float
    raw_score: float
    reasons: tuple[Reason, ...]
    rule_ids: tuple[str, ...]
    step_up: StepUpAdvice
    model_version: str
    policy_version: str
    feature_version: str
    log_position: int
    source: Source = Source.ENGINE
    fallback_cause: FallbackCause | None = None


@dataclass(frozen=True, slots=True)
class PolicyActivated:
    """From this log position on, the policy ``text`` (TOML) is in force."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "policy_activated"

    text: str
    version: str
    event_time: datetime

    @property
    def event_id(self) -> str:
        return f"policy/{self.version}/{self.event_time.isoformat()}"


@dataclass(frozen=True, slots=True)
class FallbackAnswered:
    """A caller was answered by the fallback because the engine could not in time.

    ``payment_logged`` says whether the payment has a log position of its own; where it has not, this
    record takes the payment's event id, so that a repeated request finds it.
    """

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "fallback_answered"

    payment: Payment
    action: Action
    cause: FallbackCause
    policy_version: str
    payment_logged: bool

    @property
    def tenant(self) -> str:
        return self.payment.tenant

    @property
    def user_id(self) -> str:
        return self.payment.user_id

    @property
    def event_time(self) -> datetime:
        return self.payment.event_time

    @property
    def event_id(self) -> str:
        if not self.payment_logged:
            return self.payment.event_id
        return fallback_event_id(self.payment.tenant, self.payment.transaction_id)


def fallback_event_id(tenant: str, transaction_id: str) -> str:
    """The event id of a fallback answer to a payment that has a log position of its own."""
    return f"fallback/{tenant}/{transaction_id}"


def decision_id(tenant: str, transaction_id: str) -> str:
    """The decision's id, computed from its cause, so that a restart repeats it.

    >>> decision_id("default", "t-1") == decision_id("default", "t-1")
    True
    """
    return "d-" + blake2b(f"{tenant}\x00{transaction_id}".encode(), digest_size=16).hexdigest()
