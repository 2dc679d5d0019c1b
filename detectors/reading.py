"""What a payment says, read in the forms that detectors use: seconds, reference amounts, tokens, places."""

from collections.abc import Mapping
from datetime import datetime
from math import log
from typing import Final

from detectors.events import Channel, EntryMode, Payment, PaymentType
from detectors.money import MINOR_DIGITS
from detectors.tokens import common_token, token
from detectors.velocity import MAX_AMOUNT
from geo import Position, local_time

_DIVISOR: Final[dict[str, int]] = {code: 10**digits for code, digits in MINOR_DIGITS.items()}
_PRESENT: Final = frozenset({EntryMode.CHIP, EntryMode.CONTACTLESS, EntryMode.MAGSTRIPE})
_AT_COUNTER: Final = frozenset({Channel.POS, Channel.ATM})
NO_SPENDING: Final = frozenset({PaymentType.REFUND, PaymentType.ACCOUNT_VERIFICATION})
_MIN_AMOUNT: Final = 0.01
_MAX_MAJOR: Final = MAX_AMOUNT / 100.0


def seconds(at: datetime) -> int:
    """Event time in whole seconds since 1970."""
    return int(at.timestamp())


def reference_amount(payment: Payment, rates: Mapping[str, float]) -> float:
    """The amount in major units of the reference currency; -1 when its currency has no rate."""
    rate = rates.get(payment.currency)
    return -1.0 if rate is None else payment.amount_minor / _DIVISOR[payment.currency] * rate


def reference_minor(amount: float) -> int:
    """Hundredths of the reference currency, which velocity counts; 0 of an unknown amount."""
    if amount < 0.0:
        return 0
    return round(100.0 * amount) if amount < _MAX_MAJOR else MAX_AMOUNT


def safe_log(amount: float) -> float:
    """The natural logarithm of an amount; nothing counts for less than a hundredth."""
    return log(amount if amount > _MIN_AMOUNT else _MIN_AMOUNT)


def local_hour(at: datetime, time_s: int, time_zone: str) -> tuple[int, int]:
    """The hour and weekday (Monday is 0) in the time zone."""
    if time_zone == "UTC":
        return time_s // 3600 % 24, (time_s // 86_400 + 3) % 7
    local = local_time(at, time_zone)
    return int(local.hour), local.weekday


def tokens(payment: Payment) -> tuple[int, ...]:
    """Per kind of ``detectors.profile.KINDS`` a 32-bit name, 0 where the payment says nothing."""
    mcc, country, device = payment.mcc, payment.merchant_country, payment.device_id
    mode, channel = payment.entry_mode, payment.channel
    return (
        token(1, payment.merchant_id),
        common_token(2, mcc) if mcc else 0,
        common_token(3, country) if country else 0,
        token(4, device) if device else 0,
        common_token(5, mode) if mode else 0,
        common_token(6, channel) if channel else 0,
    )


def category_key(payment: Payment) -> int:
    """A 24-bit name of the payment's category, or of its channel when it names no category."""
    if payment.mcc:
        return common_token(2, payment.mcc) & 0xFFFFFF or 1
    return 0 if payment.channel is None else common_token(6, payment.channel) & 0xFFFFFF or 1


def place_of_payer(payment: Payment) -> Position | None:
    """Where the payer is: as reported, or at the merchant's when a card is read there."""
    if payment.payer_position is not None:
        return payment.payer_position
    return payment.merchant_position if is_at_merchant(payment) else None


def is_at_merchant(payment: Payment) -> bool:
    """Whether the payer stands at the merchant's: a card is read there, or it is said to be a counter."""
    return payment.entry_mode in _PRESENT or (payment.entry_mode is None and payment.channel in _AT_COUNTER)
