"""The registry of reasons why an alert was not sent; every candidate that was not has exactly one."""

from typing import Final

from detectors.events import Word


class Suppression(Word):
    """Why a candidate was not sent, in the order in which the delivery policy looks: the first one counts."""

    ALREADY_RAISED = "ALREADY_RAISED"
    NOT_JUDGED = "NOT_JUDGED"
    NO_CONSENT = "NO_CONSENT"
    POSITION_DOUBTED = "POSITION_DOUBTED"
    STEP_UP_OPEN = "STEP_UP_OPEN"
    EXPIRED = "EXPIRED"
    MERCHANT_GONE = "MERCHANT_GONE"
    VISITED = "VISITED"
    LEFT = "LEFT"
    UNLIKELY = "UNLIKELY"
    CLOSED = "CLOSED"
    ZONE_UNKNOWN = "ZONE_UNKNOWN"
    QUIET_HOURS = "QUIET_HOURS"
    COOLDOWN = "COOLDOWN"
    TOO_SOON = "TOO_SOON"
    DAY_BUDGET = "DAY_BUDGET"
    WEEK_BUDGET = "WEEK_BUDGET"
    SIMILAR_BUDGET = "SIMILAR_BUDGET"
    BETTER_EXPECTED = "BETTER_EXPECTED"
    CROWDED_OUT = "CROWDED_OUT"


TITLES: Final = {
    Suppression.ALREADY_RAISED: "An alert with the same cause was sent before",
    Suppression.NOT_JUDGED: "The fallback answered: nothing speaks of a fraud",
    Suppression.NO_CONSENT: "The user has not consented, or not any more",
    Suppression.POSITION_DOUBTED: "The user's position is not to be trusted",
    Suppression.STEP_UP_OPEN: "The user is being asked to authenticate a payment",
    Suppression.EXPIRED: "Its time was over before it could be sent",
    Suppression.MERCHANT_GONE: "The merchant has closed for good or is not known any more",
    Suppression.VISITED: "The user was there meanwhile",
    Suppression.LEFT: "The user is not near any more",
    Suppression.UNLIKELY: "The user would probably not have come",
    Suppression.CLOSED: "The merchant is closed until after the alert's time",
    Suppression.ZONE_UNKNOWN: "The user's time zone is unknown, so it may be night",
    Suppression.QUIET_HOURS: "Quiet hours last until after the alert's time",
    Suppression.COOLDOWN: "The user heard of this merchant lately",
    Suppression.TOO_SOON: "The user got another alert just now",
    Suppression.DAY_BUDGET: "The user got as many alerts today as they may",
    Suppression.WEEK_BUDGET: "The user got as many alerts in seven days as they may",
    Suppression.SIMILAR_BUDGET: "The user got as many recommendations today as they may",
    Suppression.BETTER_EXPECTED: "Better chances are expected later today",
    Suppression.CROWDED_OUT: "Other alerts of the user waited already, and go out before",
}
"""Each reason in words."""
