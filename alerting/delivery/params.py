"""The settings of the delivery policy."""

from dataclasses import dataclass

from alerting.checks import check_number


@dataclass(frozen=True, slots=True)
class DeliveryParams:
    """When a proximity alert is worth its message, and how many a user may get.

    Parameters
    ----------
    min_probability, min_probability_similar
        The least probability that the user comes: to a place of theirs, and to one like those.
    quiet_from_min, quiet_to_min
        Quiet hours of users who named none, as minutes of their local day.
    max_per_day, max_similar_per_day, max_per_week
        Alerts on one local day, those of them about new places, and within any seven days.
    merchant_cooldown_s, spacing_s
        The least time between two alerts about one merchant, and between any two.
    """

    min_probability: float = 0.2
    min_probability_similar: float = 0.3
    quiet_from_min: int = 1_260
    quiet_to_min: int = 480
    max_per_day: int = 2
    max_similar_per_day: int = 1
    max_per_week: int = 8
    merchant_cooldown_s: int = 14_400
    spacing_s: int = 1_800

    def __post_init__(self) -> None:
        for name in ("min_probability", "min_probability_similar"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        for name in ("quiet_from_min", "quiet_to_min"):
            check_number(name, getattr(self, name), 0, 1_439)
        for name in ("max_per_day", "max_similar_per_day", "max_per_week"):
            check_number(name, getattr(self, name), 0, 200)
        for name in ("merchant_cooldown_s", "spacing_s"):
            check_number(name, getattr(self, name), 0, 604_800)

    def least_probability(self, is_similar: bool) -> float:
        """The least probability that is worth an alert about a merchant of the user's, or one like those."""
        return self.min_probability_similar if is_similar else self.min_probability
