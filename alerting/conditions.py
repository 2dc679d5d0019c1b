"""Which payments a part of the policy is for."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from operator import attrgetter
from re import compile as compile_pattern
from typing import ClassVar

from alerting.currencies import ReferenceAmounts
from detectors.events import STRICT, Channel, Payment, PaymentType

Matcher = Callable[[Payment], bool]

_MCC = compile_pattern(r"[0-9]{4}(-[0-9]{4})?")


def _check_band(low: float | None, high: float | None) -> None:
    for name, bound in (("min_amount", low), ("max_amount", high)):
        if bound is not None and not (isfinite(bound) and bound >= 0.0):
            raise ValueError(f"{name}: {bound!r} is out of range; allowed: 0 or more")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_amount: {low:g} is above max_amount {high:g}; allowed: at most max_amount")


@dataclass(frozen=True, slots=True)
class Conditions:
    """All that are given must hold; a field that is absent in the payment fits no list.

    Parameters
    ----------
    tenant, channel, merchant_country, payment_type
        The values that fit.
    mcc
        Category codes (``"5411"``) and inclusive ranges (``"3000-3299"``).
    min_amount, max_amount
        Inclusive band in major units of the policy's base currency. Whether a payment in a currency without
        a reference rate fits can't be told; then thresholds, limits and fallback take the strictest of what
        may hold.
    """

    __pydantic_config__: ClassVar = STRICT

    tenant: tuple[str, ...] | None = None
    channel: tuple[Channel, ...] | None = None
    mcc: tuple[str, ...] | None = None
    merchant_country: tuple[str, ...] | None = None
    payment_type: tuple[PaymentType, ...] | None = None
    min_amount: float | None = None
    max_amount: float | None = None

    def __post_init__(self) -> None:
        for name in ("tenant", "channel", "mcc", "merchant_country", "payment_type"):
            if getattr(self, name) == ():
                raise ValueError(f"{name}: [] fits no payment; allowed: one value or more")
        for code in self.mcc or ():
            if _MCC.fullmatch(code) is None or code[:4] > code[-4:]:
                raise ValueError(f"mcc: {code[:12]!r} is no category; allowed: '5411' or a range '3000-3299'")
        for country in self.merchant_country or ():
            if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
                raise ValueError(
                    f"merchant_country: {country[:12]!r} is no country; allowed: two capital letters"
                )
        _check_band(self.min_amount, self.max_amount)

    @property
    def has_band(self) -> bool:
        """Whether the amount is among the conditions."""
        return self.min_amount is not None or self.max_amount is not None

    def matcher(self, amounts: ReferenceAmounts, unknown: bool = False) -> Matcher:
        """A function that says whether a payment fits; ``unknown``: what it says of an unknown amount."""
        tests = [
            _field_test(name, values)
            for name in ("tenant", "channel", "merchant_country", "payment_type")
            if (values := getattr(self, name)) is not None
        ]
        if self.mcc is not None:
            tests.append(_mcc_test(self.mcc))
        if self.has_band:
            tests.append(_band_test(self.min_amount, self.max_amount, amounts, unknown))
        return _all_of(tests)


ANY = Conditions()
"""Every payment."""


def _all_of(tests: list[Matcher]) -> Matcher:
    if not tests:
        return lambda _: True
    if len(tests) == 1:
        return tests[0]
    # Pairs of calls cost a third of a generator, and every payment asks several segments.
    first, rest = tests[0], _all_of(tests[1:])
    return lambda payment: first(payment) and rest(payment)


def _field_test(name: str, values: tuple[str, ...]) -> Matcher:
    wanted, read = frozenset(values), attrgetter(name)
    return lambda payment: read(payment) in wanted


def _mcc_test(codes: tuple[str, ...]) -> Matcher:
    # Four-digit strings sort as numbers do.
    ranges = tuple((code[:4], code[-4:]) for code in codes)

    def test(payment: Payment) -> bool:
        mcc = payment.mcc
        return mcc is not None and any(low <= mcc <= high for low, high in ranges)

    return test


def _band_test(low: float | None, high: float | None, amounts: ReferenceAmounts, unknown: bool) -> Matcher:
    floor = 0.0 if low is None else low
    ceiling = float("inf") if high is None else high

    def test(payment: Payment) -> bool:
        amount = amounts.in_base(payment)
        return unknown if amount is None else floor <= amount <= ceiling

    return test
