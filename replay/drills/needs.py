"""What a drill needs to put its promise to the test at all."""

from replay.errors import ReplayError


class TooFewPaymentsError(ReplayError):
    """The stream is too short for the drill; the message says how many payments would do."""


def require_payments(drill: str, given: int, needed: int) -> None:
    """Raise :class:`TooFewPaymentsError` when ``given`` payments are too few for a drill.

    >>> require_payments("deadline", 100, 5_400)
    Traceback (most recent call last):
    ...
    replay.drills.needs.TooFewPaymentsError: payments of the deadline drill: 100; allowed: 5,400 or more
    """
    if given < needed:
        raise TooFewPaymentsError(f"payments of the {drill} drill: {given:,}; allowed: {needed:,} or more")
