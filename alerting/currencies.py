"""Reference rates: amounts in different currencies made comparable. No money is ever converted with them."""

from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

from detectors.events import STRICT, Payment
from detectors.money import MINOR_DIGITS


@dataclass(frozen=True, slots=True)
class Currencies:
    """``rates``: how many units of ``base`` one major unit of a currency is worth; the base itself is 1."""

    __pydantic_config__: ClassVar = STRICT

    base: str = "EUR"
    rates: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, code in (("base", self.base), *(("rates", code) for code in self.rates)):
            if code not in MINOR_DIGITS:
                raise ValueError(f"{key}: {code[:12]!r} is not a currency; allowed: ISO 4217 codes")
        for code, rate in self.rates.items():
            if not (isfinite(rate) and rate > 0.0):
                raise ValueError(f"rates.{code}: {rate!r} is out of range; allowed: above 0")
        if self.rates.get(self.base, 1.0) != 1.0:
            raise ValueError(
                f"rates.{self.base}: {self.rates[self.base]!r} is the base's own rate; allowed: 1"
            )


class ReferenceAmounts:
    """Amounts in the base currency and in euro. ``rated`` are the currencies that have a rate.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> amounts = ReferenceAmounts(Currencies("EUR", {"USD": 0.9}))
    >>> payment = Payment("t", "u", 1_000, "USD", datetime(2026, 1, 1, tzinfo=UTC), "m")
    >>> amounts.in_base(payment), amounts.in_euro_minor(payment), sorted(amounts.rated)
    (9.0, 900, ['EUR', 'USD'])
    """

    __slots__ = ("_base", "_euro_minor", "rated")

    def __init__(self, currencies: Currencies) -> None:
        rates = {**currencies.rates, currencies.base: 1.0}
        # Dividing by a whole number keeps amounts in the base exact; multiplying by 0.01 would not.
        self._base = {code: (rate, 10 ** MINOR_DIGITS[code]) for code, rate in rates.items()}
        self.rated = frozenset(rates)
        euro = rates.get("EUR")
        self._euro_minor = (
            {}
            if euro is None
            else {code: (rate / euro * 100, 10 ** MINOR_DIGITS[code]) for code, rate in rates.items()}
        )

    def in_base(self, payment: Payment) -> float | None:
        """The amount in major units of the base; ``None`` if the currency has no rate."""
        known = self._base.get(payment.currency)
        return None if known is None else float(payment.amount_minor * known[0] / known[1])

    def in_euro_minor(self, payment: Payment) -> int | None:
        """The amount in euro cents, rounded; ``None`` if there is no rate for it or for the euro."""
        known = self._euro_minor.get(payment.currency)
        return None if known is None else round(payment.amount_minor * known[0] / known[1])
