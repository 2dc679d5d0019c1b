"""Scores the proximity alerts and the foreseen visits of a run against where users then went.

Everything is prequential: a probability was given before its outcome was known to the engine, and a visit was
foreseen before it was learned. A candidate *came true* when its user visited its merchant after its time and
within the window: who is there already is told too late. A *habitual* visit is one to a place that the engine
knew as the user's when it happened.
Days are UTC; a user's day counts when it has a visit or a candidate.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

from alerting.alerts import Alert, AlertKind, ProximityDetails
from flows.outputs import VisitNoted
from replay.alerts import CandidateRow, read_alerts
from replay.errors import RunError
from replay.visits import read_visits

WINDOW: Final = timedelta(minutes=30)
_BINS: Final = 10
_THRESHOLDS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
_COOLDOWN: Final = timedelta(hours=4)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
N = TypeVar("N", int, float)
_Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class NextPlace:
    """How well visits were foreseen; ``acc_k``: the place was among the ``k`` likeliest of the user's own.

    ``known`` is the share of visits to places that the user's history held: no accuracy can be above it.
    ``calibration_error`` is the expected calibration error of the likeliest place, in ten bins.
    """

    source: str
    visits: int
    users: int
    acc_1: float
    acc_5: float
    acc_10: float
    known: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class Proximity:
    """What proximity alerts were worth; shares are ``None`` where there is nothing to share.

    Attributes
    ----------
    candidates, sent
        All that came up, and those that went out.
    suppressed
        The others, by reason.
    came_true
        Candidates whose user came within the window.
    precision
        Share of the alerts sent that came true.
    recall
        Of the visits that a candidate preceded within the window, the share that an alert preceded.
    recall_of_visits
        Share of the habitual visits that an alert preceded within the window.
    brier, base_brier, calibration_error
        Of the probabilities of all candidates; ``base_brier`` is that of always saying their mean.
    lead_min_p10, lead_min_median, lead_min_p90
        Minutes from an alert that came true to the visit.
    passed_by
        Alerts whose user did not come.
    repeats
        Alerts that came true by a visit that an earlier one had announced.
    per_user_day_mean, per_user_day_p50, per_user_day_p95
        Alerts sent per user and day.
    """

    candidates: int
    sent: int
    suppressed: dict[str, int]
    came_true: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_of_visits: float | None
    brier: float | None
    base_brier: float | None
    calibration_error: float | None
    lead_min_p10: float | None
    lead_min_median: float | None
    lead_min_p90: float | None
    passed_by: int
    repeats: int
    user_days: int
    per_user_day_mean: float | None
    per_user_day_p50: int | None
    per_user_day_p95: int | None


@dataclass(frozen=True, slots=True)
class Gate:
    """What a bare threshold on the probability would give, without a delivery policy but for a cooldown.

    An alert goes out for each candidate of at least this probability, unless one about its merchant went to
    its user within the four hours before. ``passed_by`` counts those whose user did not come;
    ``recall`` is as in :class:`Proximity`. A threshold of 0 is the rule that speaks at every approach.
    """

    threshold: float
    alerts: int
    passed_by: int
    per_user_day: float
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class AlertEvaluation:
    """All figures of a run; ``next_place`` has a row per source of visits, and one of all."""

    window_min: float
    next_place: tuple[NextPlace, ...]
    proximity: Proximity
    gates: tuple[Gate, ...]

    def as_json(self) -> str:
        """The figures as JSON."""
        return json.dumps(asdict(self), indent=2)


def evaluate_alerts(folder: Path, window: timedelta = WINDOW) -> AlertEvaluation:
    """The figures of the run in ``folder``.

    Raises
    ------
    RunError
        When the run's files are missing or damaged, or the window is not above zero.
    """
    if window <= timedelta(0):
        raise RunError(f"window: {window} is out of range; allowed: above 0")
    visits = list(read_visits(folder))
    candidates = [row for row in read_alerts(folder) if row.alert.kind is AlertKind.PROXIMITY]
    proximity = _proximity(candidates, visits, window)
    return AlertEvaluation(
        window_min=window / timedelta(minutes=1),
        next_place=tuple(_next_places(visits)),
        proximity=proximity,
        gates=tuple(_gates(candidates, _times(visits), window, proximity.user_days)) if candidates else (),
    )


def _next_places(visits: Sequence[VisitNoted]) -> Iterable[NextPlace]:
    by_source: dict[str, list[VisitNoted]] = defaultdict(list)
    for visit in visits:
        by_source[visit.source].append(visit)
    for source, some in sorted(by_source.items()):
        yield _next_place(source, some)
    if len(by_source) > 1:
        yield _next_place("all", visits)


def _next_place(source: str, visits: Sequence[VisitNoted]) -> NextPlace:
    ranks = [visit.rank for visit in visits]
    count = len(visits)
    likeliest = [(visit.top_probability, visit.rank == 1) for visit in visits]
    return NextPlace(
        source=source,
        visits=count,
        users=len({(visit.tenant, visit.user_id) for visit in visits}),
        acc_1=sum(rank == 1 for rank in ranks) / count,
        acc_5=sum(1 <= rank <= 5 for rank in ranks) / count,
        acc_10=sum(1 <= rank <= 10 for rank in ranks) / count,
        known=sum(rank > 0 for rank in ranks) / count,
        calibration_error=calibration_error(likeliest),
    )


def calibration_error(said: Iterable[tuple[float, bool]]) -> float:
    """The expected calibration error in ten bins of equal width (Naeini, Cooper and Hauskrecht 2015).

    >>> round(calibration_error([(0.9, True), (0.9, True), (0.1, False), (0.1, True)]), 3)
    0.25
    """
    bins: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    count = 0
    for probability, is_true in said:
        bin_ = bins[min(int(probability * _BINS), _BINS - 1)]
        bin_[0] += 1
        bin_[1] += probability
        bin_[2] += is_true
        count += 1
    return sum(abs(expected - seen) for _, expected, seen in bins.values()) / count if count else 0.0


def _proximity(
    candidates: Sequence[CandidateRow], visits: Sequence[VisitNoted], window: timedelta
) -> Proximity:
    times = _times(visits)
    arrivals = [_arrival(row.alert, times, window) for row in candidates]
    sent = [
        (row.alert, arrival)
        for row, arrival in zip(candidates, arrivals, strict=True)
        if row.suppressed is None
    ]
    reached = [(_place(alert), arrival) for alert, arrival in sent if arrival is not None]
    leads = sorted((a - alert.event_time) / timedelta(minutes=1) for alert, a in sent if a is not None)
    said = [
        (_details(row.alert).probability, arrival is not None)
        for row, arrival in zip(candidates, arrivals, strict=True)
    ]
    came_true = sum(arrival is not None for arrival in arrivals)
    habitual = [visit for visit in visits if visit.rank > 0]
    announced = set(reached)
    precision = _share(len(reached), len(sent))
    recall = _share(len(announced), len(_preceded(candidates, arrivals)))
    per_day = _per_user_day(candidates, visits)
    mean = came_true / len(said) if said else 0.0
    return Proximity(
        candidates=len(candidates),
        sent=len(sent),
        suppressed=dict(sorted(Counter(row.suppressed for row in candidates if row.suppressed).items())),
        came_true=came_true,
        precision=precision,
        recall=recall,
        f1=_f1(precision, recall),
        recall_of_visits=_share(
            sum((_visited(visit), visit.event_time) in announced for visit in habitual), len(habitual)
        ),
        brier=_mean([(probability - is_true) ** 2 for probability, is_true in said]),
        base_brier=mean * (1.0 - mean) if said else None,
        calibration_error=calibration_error(said) if said else None,
        lead_min_p10=_quantile(leads, 0.1),
        lead_min_median=median(leads) if leads else None,
        lead_min_p90=_quantile(leads, 0.9),
        passed_by=len(sent) - len(reached),
        repeats=len(reached) - len(announced),
        user_days=len(per_day),
        per_user_day_mean=_mean(per_day),
        per_user_day_p50=_quantile(per_day, 0.5),
        per_user_day_p95=_quantile(per_day, 0.95),
    )


def _gates(
    candidates: Sequence[CandidateRow],
    times: dict[_Place, list[datetime]],
    window: timedelta,
    user_days: int,
) -> Iterable[Gate]:
    arrivals = [_arrival(row.alert, times, window) for row in candidates]
    reachable = len(_preceded(candidates, arrivals))
    for threshold in _THRESHOLDS:
        last: dict[_Place, datetime] = {}
        alerts = came_true = 0
        announced = set()
        for row, arrival in zip(candidates, arrivals, strict=True):
            place, at = _place(row.alert), row.alert.event_time
            if _details(row.alert).probability < threshold or at - last.get(place, _LONG_AGO) < _COOLDOWN:
                continue
            last[place] = at
            alerts += 1
            if arrival is not None:
                came_true += 1
                announced.add((place, arrival))
        precision, recall = _share(came_true, alerts), _share(len(announced), reachable)
        passed_by, per_user_day = alerts - came_true, alerts / user_days
        yield Gate(threshold, alerts, passed_by, per_user_day, precision, recall, _f1(precision, recall))


def _preceded(
    candidates: Iterable[CandidateRow], arrivals: Iterable[datetime | None]
) -> set[tuple[_Place, datetime]]:
    """The visits that a candidate preceded within the window."""
    pairs = zip(candidates, arrivals, strict=True)
    return {(_place(row.alert), arrival) for row, arrival in pairs if arrival is not None}


def _times(visits: Iterable[VisitNoted]) -> dict[_Place, list[datetime]]:
    times: dict[_Place, list[datetime]] = defaultdict(list)
    for visit in visits:
        times[_visited(visit)].append(visit.event_time)
    for some in times.values():
        some.sort()
    return times


def _arrival(alert: Alert, times: dict[_Place, list[datetime]], window: timedelta) -> datetime | None:
    """When the user came to the merchant, if within the window; who is there already is told too late."""
    of_place = times.get(_place(alert), [])
    at = bisect_right(of_place, alert.event_time)
    if at < len(of_place) and of_place[at] <= alert.event_time + window:
        return of_place[at]
    return None


def _per_user_day(candidates: Iterable[CandidateRow], visits: Iterable[VisitNoted]) -> list[int]:
    """How many alerts each user got on each day that counts, sorted."""
    days: Counter[tuple[str, str, object]] = Counter()
    for visit in visits:
        days[visit.tenant, visit.user_id, visit.event_time.date()] += 0
    for row in candidates:
        alert = row.alert
        days[alert.tenant, alert.user_id, alert.event_time.date()] += row.suppressed is None
    return sorted(days.values())


def _place(alert: Alert) -> _Place:
    return alert.tenant, alert.user_id, _details(alert).merchant_id


def _visited(visit: VisitNoted) -> _Place:
    return visit.tenant, visit.user_id, visit.merchant_id


def _details(alert: Alert) -> ProximityDetails:
    details = alert.proximity
    assert details is not None  # by its kind
    return details


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _quantile(ordered: Sequence[N], share: float) -> N | None:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
