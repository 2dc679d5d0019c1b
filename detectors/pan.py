"""Recognise card numbers, so that none ever gets past the edge.

A primary account number (PAN) has 12 to 19 digits and a Luhn check digit (ISO/IEC 7812-1). Hashes and UUIDs
contain long digit runs by chance; they are known by their shape and let pass. Of other ids with 12 to 19
digits in a row one in ten passes the Luhn check and is refused: put letters between the digits.
"""

import re

_RUN = re.compile(r"\d+(?:[\s\-._/,;|*\u00b7\u2010-\u2015\u2212]{1,3}\d+)*")
_OPAQUE_ID = re.compile(
    r"(?<![0-9a-f])(?=[0-9]*[a-f])[0-9a-f]{32,128}(?![0-9a-f])"
    r"|(?=[0-9-]*[a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_LENGTHS = range(12, 20)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def contains_pan(text: str) -> bool:
    """Whether ``text`` holds something that looks like a card number.

    >>> contains_pan("order 4111 1111 1111 1111")
    True
    >>> contains_pan("4111.1111.1111.1111 12/25")
    True
    >>> contains_pan("order 4111 1111 1111 1112")
    False
    >>> contains_pan("order-9b2d4a0e-1111-4111-8111-411111111111")
    False
    """
    if sum(map(str.isdigit, text)) < _LENGTHS.start:
        return False
    return any(_holds_pan(match.group()) for match in _RUN.finditer(_OPAQUE_ID.sub("", text)))


def _holds_pan(run: str) -> bool:
    """Whether some groups of digits, one behind the other, make a card number: an expiry date may follow."""
    groups = re.findall(r"\d+", run)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) >= _LENGTHS.stop:
                break
            if len(digits) in _LENGTHS and _luhn_holds([int(c) for c in digits]):
                return True
    return False


def _luhn_holds(digits: list[int]) -> bool:
    checked = sum(digits[-1::-2]) + sum(_DOUBLED[d] for d in digits[-2::-2])
    return checked % 10 == 0
