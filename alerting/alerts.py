"""Alerts: what a user, or whoever looks after one, is to be told; and what became of each candidate.

Whatever might be told is a *candidate*. A candidate ends as :class:`Sent` or as :class:`Suppressed` with one
reason, and both are kept: candidates = sent + suppressed, always.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from alerting.decision import Action, ChallengeIndicator, FallbackCause, Reason, Source
from alerting.delivery.reasons import Suppression
from detectors.events import Word

BUCKETS: Final = 65_536
"""Users are spread over so many buckets, by which subscribers share them out."""


class AlertKind(Word):
    """What an alert is about."""

    STEP_UP_REQUEST = "STEP_UP_REQUEST"  # a payment waits for strong authentication
    FRAUD_ALERT = "FRAUD_ALERT"  # a payment was held or refused
    PROXIMITY = "PROXIMITY"  # a merchant that the user tends to visit now is near


class Priority(Word):
    """How much an alert is worth interrupting somebody."""

    URGENT = "URGENT"  # somebody waits at a till
    HIGH = "HIGH"
    NORMAL = "NORMAL"


class Basis(Word):
    """What a proximity alert rests on."""

    HABIT = "HABIT"  # this user's own visits to this merchant
    SIMILAR = "SIMILAR"  # visits to merchants like it


@dataclass(frozen=True, slots=True)
class PaymentDetails:
    """The payment that an alert is about, and how it was decided."""

    decision_id: str
    transaction_id: str
    merchant_id: str
    amount_minor: int
    currency: str
    action: Action
    score: float
    reasons: tuple[Reason, ...]
    rule_ids: tuple[str, ...]
    challenge: ChallengeIndicator
    source: Source
    fallback_cause: FallbackCause | None = None


@dataclass(frozen=True, slots=True)
class ProximityDetails:
    """The merchant that is near, and why that is worth a word.

    Attributes
    ----------
    chain_id
        The chain that it belongs to, if any.
    distance_m, eta_s
        How far it is, and in how many seconds the user may be there; None where the motion does not say.
    probability
        That the user will buy there soon (0..1).
    usual_weekday, usual_minute
        When the user is usually there, by their clock: the weekday (0 is Monday, None any) and the minute of
        the day.
    """

    merchant_id: str
    merchant_name: str
    distance_m: float
    probability: float
    basis: Basis
    chain_id: str | None = None
    eta_s: float | None = None
    usual_weekday: int | None = None
    usual_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. Equal logs give equal alerts, field by field.

    Attributes
    ----------
    alert_id
        Computed from the cause by :func:`alert_id`, so that a restart repeats it.
    not_after
        The event time after which nobody is to be told any more.
    collapse_key
        Of several alerts of a user with the same key, a device need show only the last.
    supersedes
        The alert that this one takes the place of, if any.
    log_position
        The place of the record that caused it, in the log of the user's shard.
    payment, proximity
        What it is about: the one that belongs to its kind, and no other.

    Raises
    ------
    ValueError
        When the details are not those of the kind, or the alert expires before its cause.
    """

    alert_id: str
    kind: AlertKind
    tenant: str
    user_id: str
    event_time: datetime
    not_after: datetime
    priority: Priority
    collapse_key: str
    log_position: int
    supersedes: str | None = None
    payment: PaymentDetails | None = None
    proximity: ProximityDetails | None = None

    def __post_init__(self) -> None:
        for name in _DETAILS:
            if (getattr(self, name) is not None) != (name == DETAILS_OF[self.kind]):
                raise ValueError(f"{name}: does not go with {self.kind}; allowed: {DETAILS_OF[self.kind]}")
        if self.not_after < self.event_time:
            raise ValueError(f"not_after: {self.not_after} is before event_time, {self.event_time}")

    @property
    def details(self) -> PaymentDetails | ProximityDetails:
        """What it is about."""
        details: PaymentDetails | ProximityDetails = getattr(self, DETAILS_OF[self.kind])
        return details


DETAILS_OF: Final = {
    AlertKind.STEP_UP_REQUEST: "payment",
    AlertKind.FRAUD_ALERT: "payment",
    AlertKind.PROXIMITY: "proximity",
}
"""The field that holds an alert's details, by its kind."""
_DETAILS: Final = ("payment", "proximity")


@dataclass(frozen=True, slots=True)
class Sent:
    """A candidate that goes out."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A candidate that does not, and the one reason why."""

    alert: Alert
    reason: Suppression


Candidate = Sent | Suppressed
"""What became of a candidate."""


def alert_id(kind: AlertKind, tenant: str, user_id: str, cause: str) -> str:
    """An alert's id: one cause gives one alert of a kind, however often it is looked at.

    >>> alert_id(AlertKind.FRAUD_ALERT, "default", "u-1", "d-1")
    'a-7b174c97c497fdf9c2be9a98f1bf2af2'
    """
    said = "\x00".join((kind, tenant, user_id, cause))
    return "a-" + blake2b(said.encode(), digest_size=16).hexdigest()


def bucket_of(tenant: str, user_id: str) -> int:
    """The bucket of a user, 0 to 65535: the same on every machine and in every version.

    >>> bucket_of("default", "u-1"), bucket_of("shop", "u-1")
    (6958, 10590)
    """
    digest = blake2b(f"{tenant}\x00{user_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:2])
