"""The numbers that describe one payment: measured once, read by detectors, rules, models and people."""

from collections.abc import Mapping, Sequence
from math import cos, log1p, pi, sin
from operator import itemgetter
from typing import Final
from zlib import crc32

from detectors.ahead import last_payment_s, last_place, windows_ahead
from detectors.context import NOTHING, Context
from detectors.events import Payment, PaymentType
from detectors.level import category_level, user_level
from detectors.money import major_units
from detectors.profile import KINDS, EntityProfile, UserProfile
from detectors.reading import (
    NO_SPENDING,
    category_key,
    local_hour,
    place_of_payer,
    reference_amount,
    reference_minor,
    safe_log,
    seconds,
    tokens,
)
from detectors.registry import DETECTORS
from detectors.subjects import Subjects
from detectors.velocity import WINDOW_NAMES
from geo import Position, distance_km, min_speed_kmh

SURPRISES: Final = tuple(entry.name for entry in DETECTORS)
"""The detectors by name, in the order of the ``surprise_*`` features."""

NAMES: Final[tuple[str, ...]] = (
    "amount",
    "amount_ref",
    *(f"user_count_{window}" for window in WINDOW_NAMES),
    *(f"merchant_count_{window}" for window in WINDOW_NAMES),
    *(f"card_count_{window}" for window in WINDOW_NAMES),
    *(f"device_count_{window}" for window in WINDOW_NAMES),
    *(f"user_sum_{window}" for window in WINDOW_NAMES),
    *(f"card_sum_{window}" for window in WINDOW_NAMES),
    *(f"device_sum_{window}" for window in WINDOW_NAMES),
    "user_avg_amount_1d",
    "user_avg_amount_7d",
    "user_avg_amount_30d",
    "user_age_d",
    "user_payments",
    "gap_s",
    "hour",
    "weekday",
    *(f"is_new_{kind}" for kind in KINDS),
    "distance_km",
    "speed_kmh",
    "amount_z",
    "category_amount_z",
    "joint_score",
    *(f"surprise_{name}" for name in SURPRISES),
)
"""The features' names, in order. Counts and sums include the payment itself; -1 means not known.

Amounts are major units: ``amount`` in the payment's currency, all others in the reference currency. In a
currency without a rate ``amount_ref`` is -1, and sums hold nothing of the payment. Of a
card or device that the payment does not name, counts and sums are 0. A ``surprise_*`` is what the detector
found, 0 when nothing; it is not calibrated.
"""

FEATURE_VERSION: Final = f"features-2-{crc32(','.join(NAMES).encode()):08x}"
"""Names the features and their order: it changes with every detector that comes or goes."""

_NEW_AT: Final = NAMES.index("is_new_merchant")
_read = itemgetter(
    *map(
        NAMES.index,
        (
            "amount_ref",
            "amount_z",
            "category_amount_z",
            "hour",
            "weekday",
            "gap_s",
            "user_count_1h",
            "user_count_1d",
            "merchant_count_1d",
            "distance_km",
        ),
    )
)
_SIN = tuple(0.5 + 0.5 * sin(hour * pi / 12.0) for hour in range(24))
_NEARBY_KM: Final = 1.0
_COS = tuple(0.5 + 0.5 * cos(hour * pi / 12.0) for hour in range(24))


def measure(payment: Payment, subjects: Subjects, rates: Mapping[str, float], time_zone: str) -> Context:
    """Measure ``payment`` against its subjects; changes neither."""
    context = Context()
    context.payment = payment
    user = context.user = subjects.user
    context.merchant = subjects.merchant
    context.card, context.device, context.category = subjects.card, subjects.device, subjects.category
    population = context.population = subjects.population
    amount = context.amount_ref = reference_amount(payment, rates)
    context.amount = major_units(payment.amount_minor, payment.currency)
    context.minor_ref = reference_minor(amount)
    context.log_amount = safe_log(amount)
    context.comparable = amount >= 0.0 and payment.payment_type not in NO_SPENDING
    context.counts = payment.payment_type is not PaymentType.REFUND
    time_s = context.time_s = seconds(payment.event_time)
    context.hour, context.weekday = local_hour(payment.event_time, time_s, user.time_zone or time_zone)
    last_s = user.last_s
    if user.ahead:
        last_s = last_payment_s(user.ahead, time_s) or last_s
    context.gap_s = time_s - last_s if 0 < last_s <= time_s else -1
    more, minor = (1.0, context.minor_ref) if context.counts else (0.0, 0)
    context.user_counts, context.user_sums = (
        _windows(user, time_s, more, minor) if user.ahead else user.velocity.windows(time_s, more, minor)
    )
    context.merchant_counts = subjects.merchant.velocity.counts(time_s, more)
    if subjects.merchant.ahead:
        ahead, _ = windows_ahead(subjects.merchant.ahead, time_s)
        context.merchant_counts = _added(context.merchant_counts, ahead)
    context.card_counts, context.card_sums = _windows(subjects.card, time_s, more, minor)
    context.device_counts, context.device_sums = _windows(subjects.device, time_s, more, minor)
    seen = user.seen
    names = context.names = tokens(payment)
    context.new = tuple([name not in seen if name else None for name in names])
    _measure_places(context, payment, user)
    level, spread = user_level(user, population)
    context.level, context.spread = level, spread
    context.amount_z = (context.log_amount - level) / spread if context.comparable else 0.0
    context.category_at, context.category_level, context.category_spread, context.category_z = (
        0,
        0.0,
        0.0,
        0.0,
    )
    key = context.category_key = category_key(payment)
    if key and context.comparable:
        at = context.category_at = user.category(key)
        level, spread = category_level(user, at, subjects.category, population, level)
        context.category_level, context.category_spread = level, spread
        context.category_z = (context.log_amount - level) / spread
    context.joint_score = subjects.joint.score(_joint_vector(context)) if context.comparable else 0.0
    return context


def values(context: Context, surprises: list[float]) -> tuple[float, ...]:
    """The features in the order of :data:`NAMES`."""
    counts, sums, user = context.user_counts, context.user_sums, context.user
    age_s = context.time_s - user.first_s if user.first_s else 0
    return (
        context.amount,
        context.amount_ref,
        *counts,
        *context.merchant_counts,
        *context.card_counts,
        *context.device_counts,
        *sums,
        *context.card_sums,
        *context.device_sums,
        sums[3] / counts[3] if counts[3] else 0.0,
        sums[4] / counts[4] if counts[4] else 0.0,
        sums[5] / counts[5] if counts[5] else 0.0,
        age_s / 86_400.0 if age_s > 0 else 0.0,
        float(user.payments),
        float(context.gap_s),
        float(context.hour),
        float(context.weekday),
        *[1.0 if new else 0.0 for new in context.new],
        context.distance_km,
        context.speed_kmh,
        context.amount_z,
        context.category_z,
        context.joint_score,
        *surprises,
    )


def named(version: str, stored: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """Stored features with their names.

    Those of another version are named up to the first ``surprise_*``: behind it, other detectors may stand.
    """
    names = NAMES if version == FEATURE_VERSION else NAMES[: -len(SURPRISES)]
    return tuple(zip(names, stored, strict=False))


def joint_vector(features: tuple[float, ...]) -> tuple[float, ...]:
    """What the joint model looks at, from stored features: 12 numbers from 0 to 1."""
    amount, amount_z, category_z, hour, weekday, gap_s, last_hour, last_day, merchant, far = _read(features)
    return _scaled(
        safe_log(amount),
        amount_z,
        category_z,
        int(hour),
        int(weekday),
        gap_s,
        last_hour,
        last_day,
        merchant,
        float(features[_NEW_AT : _NEW_AT + len(KINDS)].count(1.0)),
        far,
    )


def _joint_vector(context: Context) -> tuple[float, ...]:
    return _scaled(
        context.log_amount,
        context.amount_z,
        context.category_z,
        context.hour,
        context.weekday,
        float(context.gap_s),
        context.user_counts[2],
        context.user_counts[3],
        context.merchant_counts[3],
        float(context.new.count(True)),
        context.distance_km,
    )


def _scaled(
    log_amount: float,
    amount_z: float,
    category_z: float,
    hour: int,
    weekday: int,
    gap_s: float,
    last_hour: float,
    last_day: float,
    merchant_day: float,
    new: float,
    distance: float,
) -> tuple[float, ...]:
    x = (
        (log_amount + 4.0) / 16.0,
        (amount_z + 4.0) / 10.0,
        (category_z + 4.0) / 10.0,
        _SIN[hour],
        _COS[hour],
        weekday / 6.0,
        log1p(gap_s) / 16.0 if gap_s >= 0.0 else 1.0,
        log1p(last_hour) / 4.0,
        log1p(last_day) / 5.0,
        log1p(merchant_day) / 12.0,
        new / 6.0,
        log1p(distance) / 10.0 if distance > 0.0 else 0.0,
    )
    return x if min(x) >= 0.0 and max(x) <= 1.0 else tuple([min(1.0, max(0.0, number)) for number in x])


def _windows(
    profile: UserProfile | EntityProfile | None, time_s: int, more: float, minor: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if profile is None:
        return NOTHING, NOTHING
    if not profile.ahead:
        return profile.velocity.windows(time_s, more, minor)
    counts, sums = profile.velocity.windows(time_s, more, minor)
    ahead_counts, ahead_sums = windows_ahead(profile.ahead, time_s)
    return _added(counts, ahead_counts), _added(sums, ahead_sums)


def _added(counts: tuple[float, ...], ahead: tuple[float, ...]) -> tuple[float, ...]:
    return tuple([one + other for one, other in zip(counts, ahead, strict=True)])


def _measure_places(context: Context, payment: Payment, user: UserProfile) -> None:
    context.distance_km = context.usual_distance_km = context.travel_km = context.speed_kmh = -1.0
    position = context.position = place_of_payer(payment)
    if position is None:
        return
    merchant = payment.merchant_position
    if merchant is not None and position is payment.payer_position:
        context.distance_km = context.usual_distance_km = distance_km(position, merchant)
    elif (home := user.home) is not None:
        context.usual_distance_km = distance_km(home, position)
    last, last_s = user.position, user.position_s
    if user.ahead and (ahead := last_place(user.ahead, context.time_s)) and ahead.time_s >= last_s:
        last, last_s = Position(ahead.lat, ahead.lon, ahead.accuracy_m), ahead.time_s
    gap_s = context.time_s - last_s
    if last is None or gap_s < 0:
        return
    travel_km = context.travel_km = distance_km(last, position)
    # Nearby, no speed tells anything; the radii make it only smaller.
    context.speed_kmh = min_speed_kmh(last, position, gap_s) if travel_km > _NEARBY_KM else 0.0
