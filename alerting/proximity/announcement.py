"""A candidate in words and numbers: the alert about a merchant that is near."""

from datetime import UTC, datetime
from typing import NamedTuple

from alerting.alerts import Alert, AlertKind, Basis, Priority, ProximityDetails, alert_id
from detectors.directory import KnownMerchant

COLLAPSE_KEY = "proximity"
"""Of proximity alerts a device need show only the last."""


class Announcement(NamedTuple):
    """What is known of a candidate when it is decided on; times in seconds of event time.

    Attributes
    ----------
    since_s
        When the chance came up: names the alert for ever, with user and merchant.
    now_s
        When it is decided on.
    supersedes
        The user's last alert, where that still holds.
    usual
        Weekday (None for several) and minute of the day at which the user is usually there.
    """

    tenant: str
    user_id: str
    merchant_id: str
    merchant: KnownMerchant | None
    since_s: int
    now_s: int
    not_after_s: int
    position: int
    probability: float
    basis: Basis
    distance_m: float
    eta_s: float | None
    usual: tuple[int | None, int] | None = None
    supersedes: str | None = None

    def alert(self) -> Alert:
        """The alert."""
        merchant = self.merchant
        weekday, minute = self.usual or (None, None)
        return Alert(
            alert_id=alert_id(
                AlertKind.PROXIMITY, self.tenant, self.user_id, f"{self.merchant_id}/{self.since_s}"
            ),
            kind=AlertKind.PROXIMITY,
            tenant=self.tenant,
            user_id=self.user_id,
            event_time=_time(self.now_s),
            not_after=_time(max(self.now_s, self.not_after_s)),
            priority=Priority.NORMAL,
            collapse_key=COLLAPSE_KEY,
            log_position=self.position,
            supersedes=self.supersedes,
            proximity=ProximityDetails(
                merchant_id=self.merchant_id,
                merchant_name=self.merchant_id if merchant is None else merchant.name or self.merchant_id,
                distance_m=round(self.distance_m, 1),
                probability=round(self.probability, 4),
                basis=self.basis,
                chain_id=None if merchant is None else merchant.chain_id,
                eta_s=None if self.eta_s is None else round(self.eta_s, 1),
                usual_weekday=weekday,
                usual_minute=minute,
            ),
        )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
