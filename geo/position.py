"""Where something is on Earth, and how sure we are of it."""

from dataclasses import dataclass

MAX_ACCURACY_M = 20_100_000.0
"""Half way around the Earth."""


@dataclass(frozen=True, slots=True)
class Position:
    """A WGS84 point with an accuracy radius.

    Parameters
    ----------
    lat, lon
        Degrees, north and east positive; ``-90..90`` and ``-180..180``.
    accuracy_m
        Radius in metres of the circle that holds the true place with about 68 % probability
        (the convention of Android's ``Location``); ``None`` when the source did not say.

    Raises
    ------
    ValueError
        When a value is outside its range or not a finite number.

    Examples
    --------
    >>> Position(50.85, 4.35, accuracy_m=20.0)
    Position(lat=50.85, lon=4.35, accuracy_m=20.0)
    """

    lat: float
    lon: float
    accuracy_m: float | None = None

    def __post_init__(self) -> None:
        # Comparisons with NaN are false, so these refuse NaN as well.
        if not -90.0 <= self.lat <= 90.0:
            raise ValueError(f"lat: {self.lat!r} is not a latitude; allowed: -90..90 degrees")
        if not -180.0 <= self.lon <= 180.0:
            raise ValueError(f"lon: {self.lon!r} is not a longitude; allowed: -180..180 degrees")
        accuracy = self.accuracy_m
        if accuracy is not None and not 0.0 <= accuracy <= MAX_ACCURACY_M:
            raise ValueError(f"accuracy_m: not a radius; allowed: 0..{MAX_ACCURACY_M:.0f} metres")
