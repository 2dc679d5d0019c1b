"""What the policy stopped and whom it bothered, in money, as plain text for people.

Amounts in different currencies add up only at the policy's reference rates, so weeks are told in its base
currency; below them each large currency is told in its own units, which needs no rate.
"""

from collections.abc import Iterable
from typing import Final

from alerting.currencies import Currencies
from detectors.money import MINOR_DIGITS, major_units
from replay.evaluation import Evaluation, Policy
from replay.text_table import format_table

MAX_CURRENCIES: Final = 8
_COLUMNS: Final = ("fraud", "stopped", "genuine challenged")
_ByCurrency = dict[str, int]


def format_value(found: Evaluation, weeks: Iterable[tuple[str, Policy]]) -> str:
    """Two tables: by week in the base currency, and by currency in each one's own."""
    base = found.currencies.base
    rows = [
        (name, *(_in_base(value, found.currencies) for value in _values(policy))) for name, policy in weeks
    ]
    title = f"Value by week in {base}, at the policy's reference rates"
    without = sorted(code for code in _currencies(found.policy) if _rate(code, found.currencies) is None)
    if without:
        title += f"\n({_some(without)}: no rate, not in this table)"
    parts = [f"{title}\n{format_table(('week of', *_COLUMNS), rows)}"]
    if _currencies(found.policy):
        parts.append(f"Value by currency, each in its own\n{_by_currency(found)}")
    return "\n\n".join(parts)


def _values(policy: Policy) -> tuple[_ByCurrency, _ByCurrency, _ByCurrency]:
    return policy.fraud_value, policy.fraud_value_challenged, policy.genuine_value_challenged


def _currencies(policy: Policy) -> set[str]:
    return {code for value in _values(policy) for code in value}


def _rate(code: str, currencies: Currencies) -> float | None:
    return 1.0 if code == currencies.base else currencies.rates.get(code)


def _in_base(value: _ByCurrency, currencies: Currencies) -> str:
    known = ((major_units(minor, code), _rate(code, currencies)) for code, minor in value.items())
    return f"{sum(amount * rate for amount, rate in known if rate is not None):,.0f}"


def _by_currency(found: Evaluation) -> str:
    values = _values(found.policy)

    def worth(code: str) -> tuple[float, str]:
        # What has no rate may be large, so it comes first.
        rate = _rate(code, found.currencies)
        amount = sum(major_units(value.get(code, 0), code) for value in values)
        return (float("-inf") if rate is None else -amount * rate), code

    ordered = sorted(_currencies(found.policy), key=worth)
    shown, others = ordered[:MAX_CURRENCIES], ordered[MAX_CURRENCIES:]
    table = format_table(
        ("currency", *_COLUMNS),
        [(code, *(_own(value.get(code, 0), code) for value in values)) for code in shown],
    )
    return f"{table}\n{len(others)} smaller ones are left out; --json has all" if others else table


def _own(minor: int, currency: str) -> str:
    return f"{major_units(minor, currency):,.{MINOR_DIGITS[currency]}f}"


def _some(codes: list[str]) -> str:
    more = len(codes) - MAX_CURRENCIES
    return ", ".join(codes[:MAX_CURRENCIES]) + (f" and {more} more" if more > 0 else "")
