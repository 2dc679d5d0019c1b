"""The delivery policy: which candidate reaches its user, and the one reason where it does not.

Everything is judged in event time and again at release: an alert that had to wait (quiet hours, a shop that
opens soon) is sent only if all still holds when it may go out, and never after its time.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from alerting.delivery.params import DeliveryParams
from alerting.delivery.person import WEEK_S, Person, Quiet
from alerting.delivery.reasons import Suppression
from detectors.events import ConsentPurpose
from geo import is_zone, offset_quarters

_DAY_S: Final = 86_400
_DAY_MIN: Final = 1_440
_FORTNIGHT_S: Final = 14 * _DAY_S


class Offer(NamedTuple):
    """A candidate, as the policy judges it.

    Attributes
    ----------
    token
        A 32-bit name of the merchant.
    probability
        That the user comes within the time of the alert.
    is_similar
        Whether the merchant is only like those that the user goes to.
    not_after_s
        The last second at which it may be sent.
    opens_s
        When the merchant opens, if it is closed; None while it is open, or where its hours are unknown.
    is_trusted
        Whether the user's position is.
    is_near
        Whether the user is still near.
    """

    token: int
    probability: float
    is_similar: bool
    not_after_s: int
    opens_s: int | None = None
    is_trusted: bool = True
    is_near: bool = True


class Verdict(NamedTuple):
    """Sent where there is no ``reason``, waiting where ``wait_until_s`` is given, else suppressed."""

    reason: Suppression | None = None
    wait_until_s: int | None = None


SEND: Final = Verdict()


def judge(offer: Offer, person: Person, now_s: int, params: DeliveryParams) -> Verdict:
    """What becomes of an offer at ``now_s``."""
    if reason := _always(offer, person, now_s, params):
        return Verdict(reason)
    if offer.opens_s is not None and offer.opens_s > now_s:
        return _wait(Suppression.CLOSED, offer.opens_s, offer)
    zone = person.time_zone
    if not is_zone(zone):
        return Verdict(Suppression.ZONE_UNKNOWN)
    minute = _local_s(now_s, zone) // 60 % _DAY_MIN
    quiet = person.quiet(Quiet(params.quiet_from_min, params.quiet_to_min))
    if quiet.holds(minute):
        # Where clocks are changed meanwhile this is off: it is judged once more then, or judged a bit late.
        ends_s = now_s // 60 * 60 + 60 * ((quiet.to_min - minute) % _DAY_MIN)
        return _wait(Suppression.QUIET_HOURS, ends_s, offer)
    return Verdict(_over_budget(offer, person, now_s, params))


def last_loud_s(person: Person, now_s: int, until_s: int, params: DeliveryParams) -> int:
    """The last second, up to ``until_s``, before the user's quiet hours begin; it is not quiet at ``now_s``.

    Minute by minute, so that it holds also where clocks are changed meanwhile.
    """
    quiet = person.quiet(Quiet(params.quiet_from_min, params.quiet_to_min))
    for minute_s in range(now_s // 60 * 60 + 60, until_s + 1, 60):
        if quiet.holds(_local_s(minute_s, person.time_zone) // 60 % _DAY_MIN):
            return minute_s - 1
    return until_s


def _always(offer: Offer, person: Person, now_s: int, params: DeliveryParams) -> Suppression | None:
    """What forbids an alert whatever the time of day."""
    least = params.least_probability(offer.is_similar)
    checks = (
        (not person.consents(ConsentPurpose.LOCATION_ALERTS, now_s), Suppression.NO_CONSENT),
        (not offer.is_trusted, Suppression.POSITION_DOUBTED),
        (person.is_stepping_up(now_s), Suppression.STEP_UP_OPEN),
        (now_s > offer.not_after_s, Suppression.EXPIRED),
        (not offer.is_near, Suppression.LEFT),
        (offer.probability < least, Suppression.UNLIKELY),
    )
    return next((reason for holds, reason in checks if holds), None)


def _wait(reason: Suppression, until_s: int, offer: Offer) -> Verdict:
    return Verdict(reason, until_s if until_s <= offer.not_after_s else None)


def _over_budget(offer: Offer, person: Person, now_s: int, params: DeliveryParams) -> Suppression | None:
    zone = person.time_zone
    sent = [each for each in person.sent_lately() if each.time_s <= now_s]  # none of a clock gone astray
    today = _local_s(now_s, zone) // _DAY_S
    of_today = [each for each in sent if _local_s(each.time_s, zone) // _DAY_S == today]
    similar = len([each for each in of_today if each.is_similar])
    of_week = len([each for each in sent if each.time_s > now_s - WEEK_S])
    here = [each.time_s for each in sent if each.token == offer.token]
    left = params.max_per_day - len(of_today)
    checks = (
        (here and now_s - here[-1] < params.merchant_cooldown_s, Suppression.COOLDOWN),
        (sent and now_s - sent[-1].time_s < params.spacing_s, Suppression.TOO_SOON),
        (left <= 0, Suppression.DAY_BUDGET),
        (of_week >= params.max_per_week, Suppression.WEEK_BUDGET),
        (offer.is_similar and similar >= params.max_similar_per_day, Suppression.SIMILAR_BUDGET),
        (_better_to_come(offer, person, now_s) >= left, Suppression.BETTER_EXPECTED),
    )
    return next((reason for holds, reason in checks if holds), None)


def _better_to_come(offer: Offer, person: Person, now_s: int) -> float:
    """How many better offers the rest of the day will bring, going by the days on which any came.

    The days before within a fortnight count; an offer is better if it came at a later time of day and was
    more probable. The choice of what to send under a budget rests on this: the best of an unknown number of
    offers is found by what such days brought.
    """
    ahead_s = _local_s(now_s, person.time_zone) - now_s
    today, time = divmod(now_s + ahead_s, _DAY_S)
    before = [
        (*divmod(time_s + ahead_s, _DAY_S), probability)
        for time_s, probability in person.offered_lately()
        if time_s > now_s - _FORTNIGHT_S
    ]
    days = {day for day, _, _ in before if day < today}
    better = [day for day, at, p in before if day < today and at > time and p > offer.probability]
    return len(better) / len(days) if days else 0.0


def _local_s(time_s: int, zone: str) -> int:
    """What the clocks of a zone show, in seconds since they showed the start of 1970."""
    return time_s + 900 * offset_quarters(datetime.fromtimestamp(time_s, UTC), zone)
