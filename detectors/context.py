"""What a detector sees of one payment: the subjects it concerns and the quantities measured on them."""

from detectors.events import Payment
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.velocity import WINDOWS
from geo import Position

NOTHING: tuple[float, ...] = (0.0,) * len(WINDOWS)


class Context:
    """One payment with its subjects, measured once by ``detectors.features``; detectors only read it.

    Attributes
    ----------
    payment, user, merchant, card, device, category, population
        What the payment concerns, as it was before the payment.
    currency
        The reference currency's code, the unit of reference amounts.
    time_s
        Event time in whole seconds.
    amount_ref, log_amount
        The amount in major units of the reference currency, and its natural logarithm; -1 and without
        meaning where the payment's currency has no rate.
    comparable
        Whether money leaves the user, not so for refunds and account verifications, and the amount can be
        compared, not so without a rate. Only then do detectors look at amounts and norms learn them.
    counts
        Whether velocity counts the payment: not for refunds.
    hour, weekday
        Local time of the user.
    user_counts, user_sums and so on
        Payments in each window of ``detectors.velocity.WINDOWS`` and their sums in major units of the
        reference currency, this payment included if it counts.
    names, category_key, category_at
        32-bit names per kind of ``detectors.profile.KINDS``, 0 where not said; the key of the category, and
        where the user's norms of it are, 0 when they are not or the amount is not comparable.
    new
        Per kind of ``detectors.profile.KINDS``: True when new, False when known, None when not said.
    position
        Where the payer acts: reported, or the merchant's place when a card is read there.
    distance_km, travel_km, gap_s, speed_kmh
        Payer to merchant; from the last trusted position, the seconds since the last payment, and the least
        speed from there; -1 unknown.
    usual_distance_km
        ``distance_km``, or from the user's home area where the payer's own place is not reported.
    level, spread
        The user's predicted log amount and its standard deviation, mixed with the population.
    amount_z, category_level, category_spread, category_z
        The amount against both; ``category_spread`` is 0 when no category is known.
    joint_score
        The score of the joint model.
    """

    __slots__ = (
        "amount",
        "amount_ref",
        "amount_z",
        "card",
        "card_counts",
        "card_sums",
        "category",
        "category_at",
        "category_key",
        "category_level",
        "category_spread",
        "category_z",
        "comparable",
        "counts",
        "currency",
        "device",
        "device_counts",
        "device_sums",
        "distance_km",
        "gap_s",
        "hour",
        "joint_score",
        "level",
        "log_amount",
        "merchant",
        "merchant_counts",
        "minor_ref",
        "names",
        "new",
        "payment",
        "population",
        "position",
        "speed_kmh",
        "spread",
        "time_s",
        "travel_km",
        "user",
        "user_counts",
        "user_sums",
        "usual_distance_km",
        "weekday",
    )

    payment: Payment
    user: UserProfile
    merchant: EntityProfile
    card: EntityProfile | None
    device: EntityProfile | None
    category: EntityProfile | None
    population: Population
    currency: str
    time_s: int
    amount: float
    amount_ref: float
    minor_ref: int
    log_amount: float
    comparable: bool
    counts: bool
    hour: int
    weekday: int
    user_counts: tuple[float, ...]
    user_sums: tuple[float, ...]
    merchant_counts: tuple[float, ...]
    card_counts: tuple[float, ...]
    card_sums: tuple[float, ...]
    device_counts: tuple[float, ...]
    device_sums: tuple[float, ...]
    names: tuple[int, ...]
    category_key: int
    category_at: int
    new: tuple[bool | None, ...]
    position: Position | None
    distance_km: float
    usual_distance_km: float
    travel_km: float
    gap_s: int
    speed_kmh: float
    level: float
    spread: float
    amount_z: float
    category_level: float
    category_spread: float
    category_z: float
    joint_score: float
