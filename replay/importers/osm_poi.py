"""Points of interest from OpenStreetMap as the merchants of a directory.

Reads every ``<region>-<year>.parquet`` of the folder, with the columns ``osm_id``, ``name``, ``fclass`` (the
value of the tag ``amenity`` or ``shop``), ``lat`` and ``lon``, and ``opening_hours`` where a file has it.

====================  =========================================================================
field                 from
====================  =========================================================================
``merchant_id``       ``osm-<osm_id>``: the same in each year
``event_time``        the first moment of the year (UTC) whose state the file shows
``name``              ``name``
``mcc``               ``fclass``, by the table below
``country``           the region, where it is one of ``nyc`` and ``bay``
``time_zone``         the same
``position``          ``lat``, ``lon``
``opening_hours``     ``opening_hours``, where it is understood (:class:`geo.OpeningHours`)
====================  =========================================================================

A point becomes a merchant if its class has a category of ISO 18245; benches and letter boxes have none, nor
have classes that are cut short or misspelt. Points without a category, opening hours that are not understood
and names that no event may have are counted as left out. Nothing is closed: that a later file lacks a point
does not say that it is gone.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from re import compile as compile_pattern
from typing import Any, Final

from detectors.checks import check_text
from detectors.events import Merchant
from geo import OpeningHours, Position
from replay.errors import SourceError
from replay.importers.source_table import read_rows, row_count, table_columns

_TABLE: Final = """
0742 veterinary
4111 ferry_terminal
4121 taxi
4131 bus_station
4225 self_storage
4457 boat_rental
4829 money_transfer
5441 confectionary
5451 ice_cream
5541 fuel
5552 charging_station
5811 caterer
5812 restaurant food_court
5813 bar pub nightclub biergarten wine_bar
5814 cafe fast_food
5912 pharmacy
5931 second_hand
6011 atm
6012 bank
6051 bureau_de_change
7211 laundry
7230 hairdresser salon beauty nail_salon
7251 shoe_repair
7297 massage
7298 spa health_club
7512 car_rental car_sharing
7542 car_wash
7832 cinema
7911 dancing_school
7922 theatre
7929 music_venue
7997 gym fitness_center
8011 doctors
8021 dentist
8041 chiropractic
8042 optometrist
8050 nursing_home
8062 hospital
8099 clinic urgent_care
8211 school
8220 college university
8299 driving_school language_school
8351 kindergarten childcare preschool daycare
8661 place_of_worship
9402 post_office
"""
"""Category codes of ISO 18245, and the classes that are of that category."""

CLASS_MCC: Final[dict[str, str]] = {
    name: line[:4] for line in _TABLE.split("\n") for name in line[5:].split()
}
"""The category of each class."""

REGIONS: Final = {"bay": ("US", "America/Los_Angeles"), "nyc": ("US", "America/New_York")}
"""Country and time zone."""

_FILE: Final = compile_pattern(r"(?P<region>[a-z][a-z-]*)-(?P<year>19\d\d|20\d\d)\.parquet")
_COLUMNS: Final[dict[str, type]] = {"osm_id": str, "fclass": str, "lat": float, "lon": float, "name": str}
_HOURS: Final = "opening_hours"


def events(folder: Path, left_out: Counter[str]) -> Iterator[Merchant]:
    """The merchants of the folder, file by file in the order of their years; adds to ``left_out``.

    Raises
    ------
    SourceError
        When the folder is not one of this data set.
    """
    for path in _files(folder):
        columns = _COLUMNS | ({_HOURS: str} if _HOURS in table_columns(path) else {})
        rows = read_rows(path, columns, nullable=("name", _HOURS))
        for number, (osm_id, fclass, lat, lon, name, *hours) in enumerate(rows, start=1):
            if fclass not in CLASS_MCC:
                left_out["points without a category"] += 1
                continue
            try:
                yield _merchant(path, osm_id, fclass, (lat, lon), name, hours, left_out)
            except ValueError as error:
                raise SourceError(f"{path}: row {number}: {error}") from error


def count_rows(folder: Path) -> int:
    """How many points the folder holds."""
    return sum(map(row_count, _files(folder)))


def _files(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.glob("*.parquet")) if _FILE.fullmatch(path.name)]
    if not found:
        raise SourceError(
            f"{folder}: has no file such as nyc-2017.parquet; needed: the folder of the data set"
        )
    return sorted(found, key=lambda path: _parts(path)[1])


def _parts(path: Path) -> tuple[str, int]:
    found = _FILE.fullmatch(path.name)
    assert found is not None  # only such files are looked at
    return found["region"], int(found["year"])


def _merchant(
    path: Path,
    osm_id: str,
    fclass: str,
    place: tuple[float, float],
    name: str | None,
    hours: list[Any],
    left_out: Counter[str],
) -> Merchant:
    region, year = _parts(path)
    country, zone = REGIONS.get(region, (None, None))
    return Merchant(
        f"osm-{osm_id}",
        datetime(year, 1, 1, tzinfo=UTC),
        name=_usable_name(name, left_out),
        mcc=CLASS_MCC[fclass],
        country=country,
        position=Position(*place),
        opening_hours=_understood(hours[0] if hours else None, left_out),
        time_zone=zone,
    )


def _usable_name(name: str | None, left_out: Counter[str]) -> str | None:
    try:
        check_text("name", name)
    except ValueError:
        left_out["names"] += 1
        return None
    return name


def _understood(hours: str | None, left_out: Counter[str]) -> str | None:
    if hours is None:
        return None
    try:
        check_text("opening_hours", hours)
        OpeningHours.parse(hours)
    except ValueError:
        left_out["opening hours"] += 1
        return None
    return hours
