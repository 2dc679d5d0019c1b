"""What an event is refused for where it comes in, although a log may hold it.

An event's own checks are for ever: a log that holds what they refuse could not be read any more. What is
understood of a text may change with a release, so it is asked only of what comes in; who meets such a text
in a log does without it.
"""

from detectors.events import Merchant
from geo import OpeningHours, OpeningHoursError, is_zone


def edge_problems(event: object) -> dict[str, str]:
    """What is wrong with each field of an event that stands as such; nothing for nearly all.

    >>> from detectors.checks import EARLIEST
    >>> edge_problems(Merchant("m-1", EARLIEST, time_zone="Mars/Olympus"))
    {'time_zone': "'Mars/Olympus' is unknown; allowed: names such as 'Europe/Brussels'"}
    """
    return _of_merchant(event) if isinstance(event, Merchant) else {}


def _of_merchant(merchant: Merchant) -> dict[str, str]:
    problems = {}
    if merchant.opening_hours is not None:
        try:
            OpeningHours.parse(merchant.opening_hours)
        except OpeningHoursError as error:
            problems["opening_hours"] = str(error).removeprefix("opening_hours: ")
    zone = merchant.time_zone
    if zone is not None and not is_zone(zone):
        problems["time_zone"] = f"{zone[:64]!r} is unknown; allowed: names such as 'Europe/Brussels'"
    return problems
