"""Currencies: which exist and how many minor units make one major unit (ISO 4217)."""

from iso4217 import Currency

MINOR_DIGITS: dict[str, int] = {c.code: c.exponent for c in Currency if c.exponent is not None}
"""Digits after the decimal point, by alphabetic code; codes without minor units (gold, test) are left out."""


def major_units(amount_minor: int, currency: str) -> float:
    """The amount in the currency's major unit.

    >>> major_units(1250, "EUR"), major_units(1250, "JPY")
    (12.5, 1250.0)
    """
    return float(amount_minor / 10 ** MINOR_DIGITS[currency])
