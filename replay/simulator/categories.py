"""What people buy: how often, for how much, when, and who sells it."""

from dataclasses import dataclass
from typing import Final, Literal

Place = Literal["home", "work", "online"]


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of shop.

    ``peaks`` are ``(local hour, spread, weight)``; ``opens`` and ``closes`` are local hours, beyond 24 after
    midnight; ``per_1000`` is how many such shops there are for 1,000 people.
    """

    name: str
    mcc: str
    weight: float
    median_eur: float
    sigma: float
    peaks: tuple[tuple[float, float, float], ...]
    place: Place = "home"
    opens: float = 8.0
    closes: float = 20.0
    weekend: float = 1.0
    sunday: bool = True
    per_1000: float = 4.0
    chains: float = 0.3
    round_to_eur: float = 0.0

    @property
    def open_always(self) -> bool:
        return self.closes - self.opens >= 24.0


_SHOP_PEAKS: Final = ((11.0, 1.5, 0.4), (17.0, 1.8, 0.6))
_ONLINE_PEAKS: Final = ((12.6, 1.2, 0.3), (20.8, 1.7, 0.7))
_ALWAYS: Final = (4.0, 28.0)

CATEGORIES: Final = (
    Category("grocery", "5411", 26, 28, 0.7, ((11, 1.5, 0.35), (18, 1.4, 0.65)), chains=0.6, weekend=1.2),
    Category("fast-food", "5814", 14, 7.5, 0.45, ((8.3, 0.8, 0.35), (12.6, 0.8, 0.65)), "work", 6.5, 22.0),
    Category("restaurant", "5812", 11, 33, 0.55, ((12.8, 0.8, 0.3), (19.8, 1.2, 0.7)), opens=11, closes=24),
    Category("fuel", "5541", 6, 52, 0.35, ((8, 1.5, 0.4), (17.5, 2, 0.6)), opens=6, closes=23, chains=0.8),
    Category("transit", "4111", 10, 3.2, 0.3, ((8, 0.7, 0.5), (17.7, 0.9, 0.5)), "work", *_ALWAYS, 0.5),
    Category("taxi", "4121", 3.5, 17, 0.5, ((9, 2, 0.3), (22.6, 1.7, 0.7)), "home", *_ALWAYS, 1.6),
    Category("pharmacy", "5912", 4, 16, 0.7, _SHOP_PEAKS, closes=19.5, sunday=False),
    Category("clothing", "5651", 4, 55, 0.7, _SHOP_PEAKS, opens=10, closes=19.5, weekend=1.9, chains=0.5),
    Category(
        "electronics", "5732", 1, 130, 0.9, _SHOP_PEAKS, opens=10, closes=19.5, weekend=1.6, per_1000=0.6
    ),
    Category(
        "hardware", "5200", 2.5, 48, 0.9, _SHOP_PEAKS, closes=19, weekend=1.8, sunday=False, per_1000=0.8
    ),
    Category(
        "bar", "5813", 5, 19, 0.6, ((19, 1.2, 0.4), (22.2, 1.6, 0.6)), opens=16, closes=26.4, weekend=1.8
    ),
    Category(
        "cinema", "7832", 1.5, 24, 0.4, ((15.5, 1.5, 0.3), (20.2, 1, 0.7)), opens=12, closes=24, weekend=2
    ),
    Category(
        "jewellery", "5944", 0.15, 190, 0.8, _SHOP_PEAKS, opens=10, closes=19, sunday=False, per_1000=0.4
    ),
    Category("cash", "6011", 3, 60, 0.5, _SHOP_PEAKS, "home", *_ALWAYS, per_1000=1.0, round_to_eur=10),
    Category("marketplace", "5969", 9, 36, 1.0, _ONLINE_PEAKS, "online", *_ALWAYS, per_1000=0.3),
    Category("digital", "5815", 4, 9, 0.6, ((21, 2, 1.0),), "online", *_ALWAYS, per_1000=0.3),
    Category("delivery", "5499", 3.5, 26, 0.4, ((12.4, 0.7, 0.2), (19.2, 0.9, 0.8)), "online", *_ALWAYS, 1.4),
    Category(
        "gift-card", "5947", 0.3, 40, 0.4, _ONLINE_PEAKS, "online", *_ALWAYS, per_1000=0.2, round_to_eur=5
    ),
    Category(
        "transfer", "4829", 2.5, 75, 1.0, _ONLINE_PEAKS, "online", *_ALWAYS, per_1000=0.1, round_to_eur=1
    ),
)
INDEX: Final = {category.name: index for index, category in enumerate(CATEGORIES)}

SUBSCRIPTIONS: Final = (
    Category("streaming", "4899", 30, 12, 0.3, (), "online", per_1000=0.2),
    Category("mobile", "4814", 25, 22, 0.4, (), "online", per_1000=0.2),
    Category("utilities", "4900", 20, 85, 0.4, (), "online", per_1000=0.2),
    Category("insurance", "6300", 15, 48, 0.4, (), "online", per_1000=0.2),
    Category("gym", "7997", 10, 31, 0.3, (), "online", per_1000=0.2),
)
