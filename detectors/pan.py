"""Recognise card numbers, so that none ever gets past the edge.

A primary account number (PAN) has 12 to 19 digits and a Luhn check digit (ISO/IEC 7812-1). Ids that
are hashes or UUIDs contain long digit runs by chance; they are known by their shape and let pass.
"""

import re

_CANDIDATE = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)")
_OPAQUE_ID = re.compile(
    r"(?=.*[a-f])[0-9a-f]{32,128}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def contains_pan(text: str) -> bool:
    """Whether ``text`` holds something that looks like a card number.

    >>> contains_pan("order 4111 1111 1111 1111")
    True
    >>> contains_pan("order 4111 1111 1111 1112")
    False
    >>> contains_pan("9b2d4a0e-1111-4111-8111-411111111111")
    False
    """
    for match in _CANDIDATE.finditer(text):
        digits = [int(c) for c in match.group() if c.isdigit()]
        if _luhn_holds(digits):
            return _OPAQUE_ID.fullmatch(text) is None
    return False


def _luhn_holds(digits: list[int]) -> bool:
    checked = sum(digits[-1::-2]) + sum(_DOUBLED[d] for d in digits[-2::-2])
    return checked % 10 == 0
