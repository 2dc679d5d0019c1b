"""The settings of alerts, put together."""

from dataclasses import dataclass, field

from alerting.delivery.params import DeliveryParams
from alerting.proximity.params import ProximityParams
from detectors.directory import DirectoryParams


@dataclass(frozen=True, slots=True)
class AlertParams:
    """How merchants are placed, when one is thought of, and what reaches a user.

    Like the models' settings these must be the same for a replay that is to give the same alerts.
    """

    merchants: DirectoryParams = field(default_factory=DirectoryParams)
    proximity: ProximityParams = field(default_factory=ProximityParams)
    delivery: DeliveryParams = field(default_factory=DeliveryParams)
