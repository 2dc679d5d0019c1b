"""What was said, counted against what was true.

Of enters:

* An enter belongs to a visit when it comes from 300 s before its start until its end.
* A visit to which none belongs is *missed*. All but the first that belong to one are *repeats*.
* An enter that belongs to no visit is one *without a stay*.
* The *latency* of a visit is the time from its start to its first enter, at least 0; those missed have none.
* Gaps in a track are taken as they are: rules and state machine see the next fix when it comes.

The same is counted over stays as they were cut, before those of one visit were joined. There nobody can be
good: who says once that somebody came misses all further pieces of their stay.

Of approaches, where an *arrival* is the first fix within the fence that belongs to a visit:

* An alert is a *pass-by* when no stay there is on within 30 minutes, *there* being within 200 m of the
  fence's middle, whichever place the stay belongs to.
* A visit is *recalled* when an alert comes up to 30 minutes before its arrival; the *lead* is that time.
* For 30 minutes after an alert another one of the same fence does not count.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from geo.plane import away_m
from replay.presence_judge.rules import Said
from replay.presence_judge.truth import Place, Stay, Track

EARLY_S: Final = 300
HORIZON_S: Final = 1_800


@dataclass(slots=True)
class EnterCounts:
    """How a rule for entering did."""

    visits: int = 0
    enters: int = 0
    repeats: int = 0
    missed: int = 0
    without_a_stay: int = 0
    latencies_s: list[int] | None = None

    def as_dict(self) -> dict[str, Any]:
        latencies = self.latencies_s or []
        return {
            **{name: value for name, value in asdict(self).items() if name != "latencies_s"},
            "repeats_per_visit": round(self.repeats / self.visits, 3) if self.visits else None,
            "missed_share": round(self.missed / self.visits, 3) if self.visits else None,
            "median_latency_s": round(median(latencies)) if latencies else None,
        }


@dataclass(slots=True)
class AlertCounts:
    """How a rule for alerts before an arrival did."""

    visits: int = 0
    alerts: int = 0
    pass_bys: int = 0
    recalled: int = 0
    leads_s: list[int] | None = None

    def as_dict(self) -> dict[str, Any]:
        leads = self.leads_s or []
        in_time = sum(120 <= lead <= 900 for lead in leads)
        return {
            **{name: value for name, value in asdict(self).items() if name != "leads_s"},
            "recall": round(self.recalled / self.visits, 3) if self.visits else None,
            "median_lead_s": round(median(leads)) if leads else None,
            "lead_2_to_15_min": round(in_time / len(leads), 3) if leads else None,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a user's time."""

    start_s: float
    end_s: float

    def holds(self, time_s: int) -> bool:
        return self.start_s <= time_s < self.end_s


def count_enters(
    counts: EnterCounts, said: Iterable[Said], places: list[Place], part: Part, joined: bool = True
) -> None:
    """Add one user's enters and visits of a part of their time."""
    latencies = counts.latencies_s = counts.latencies_s or []
    enters = [each for each in said if part.holds(each.time_s)]
    counts.enters += len(enters)
    for place in places:
        times = sorted(each.time_s for each in enters if each.place == place.name)
        visits = [visit for visit in (place.visits if joined else place.stays) if part.holds(visit.start_s)]
        counts.visits += len(visits)
        without = set(range(len(times)))
        for visit in visits:
            its = [n for n, time_s in enumerate(times) if visit.start_s - EARLY_S <= time_s <= visit.end_s]
            without -= set(its)
            if its:
                counts.repeats += len(its) - 1
                latencies.append(max(0, times[its[0]] - visit.start_s))
            else:
                counts.missed += 1
        counts.without_a_stay += len(without)


def count_alerts(
    counts: AlertCounts, said: Iterable[Said], places: list[Place], arrivals: dict[str, list[int]], part: Part
) -> None:
    """Add one user's alerts and visits of a part of their time."""
    leads = counts.leads_s = counts.leads_s or []
    said = [each for each in said if part.holds(each.time_s)]
    for place in places:
        times = _thinned(sorted(each.time_s for each in said if each.place == place.name))
        counts.alerts += len(times)
        counts.pass_bys += sum(not _stays_soon(place.there, time_s) for time_s in times)
        for arrival_s in arrivals[place.name]:
            if not part.holds(arrival_s):
                continue
            counts.visits += 1
            before = [arrival_s - time_s for time_s in times if 0 <= arrival_s - time_s <= HORIZON_S]
            if before:
                counts.recalled += 1
                leads.append(max(before))


def arrivals_at(track: Track, place: Place, radius_m: float) -> list[int]:
    """When the user was first within the fence, for each visit in which they ever were."""
    middle = place.middle
    inside = [
        fix.time_s
        for fix in track
        if away_m(middle.lat, middle.lon, fix.position.lat, fix.position.lon) <= radius_m
    ]
    firsts = [
        next((time_s for time_s in inside if visit.start_s - EARLY_S <= time_s <= visit.end_s), None)
        for visit in place.visits
    ]
    return [time_s for time_s in firsts if time_s is not None]


def _thinned(times: list[int]) -> list[int]:
    kept: list[int] = []
    for time_s in times:
        if not kept or time_s - kept[-1] > HORIZON_S:
            kept.append(time_s)
    return kept


def _stays_soon(stays: list[Stay], time_s: int) -> bool:
    return any(stay.start_s <= time_s + HORIZON_S and stay.end_s >= time_s for stay in stays)
