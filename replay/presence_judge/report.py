"""The judgement as a whole: all users, in the early and the late half of each one's time, and together."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from detectors.events import Location
from geo import Fix, PresenceParams
from replay.errors import SourceError
from replay.presence_judge.counts import (
    AlertCounts,
    EnterCounts,
    Part,
    arrivals_at,
    count_alerts,
    count_enters,
)
from replay.presence_judge.rules import Said, distance_alerts, naive_enters, played
from replay.presence_judge.truth import Place, Track, TruthParams, places
from replay.text_table import format_table

PARTS: Final = ("early", "late", "all")
_REACH_M: Final = 300.0
_ENTER_RULES: Final = ("single fixes", "presence")
_ALERT_RULES: Final = ("within 300 m", "approach", "almost there")


@dataclass(frozen=True, slots=True)
class PresenceReport:
    """What the rules and the state machine were worth on some tracks."""

    users: int
    positions: int
    places: int
    visits: int
    stays: int
    best_missed: int
    """Of the stays as cut, those that a rule which speaks once for each visit can't but miss."""
    enters: dict[str, dict[str, dict[str, Any]]]
    """By rule and part; ``as cut`` is the whole again, over stays as they were cut."""
    alerts: dict[str, dict[str, dict[str, Any]]]

    def as_text(self) -> str:
        """The report in tables of less than 80 columns."""
        head = (
            f"{self.users} users, {self.positions:,} positions, {self.places} places, {self.visits} visits\n"
            f"({self.stays} stays as cut; {self.best_missed} of them go on with a visit)\n"
        )
        return "\n".join([head, _enter_table(self.enters), "", _alert_table(self.alerts)])


def judge_presence(
    locations: Iterable[Location],
    truth: TruthParams,
    params: PresenceParams,
    progress: Callable[[int, int | None], None] | None = None,
) -> PresenceReport:
    """Play the locations of some users, each by themselves, and count what was said of them.

    Raises
    ------
    SourceError
        When nobody stayed anywhere twice.
    """
    tracks = _tracks(locations)
    enters = {rule: {part: EnterCounts() for part in (*PARTS, "as cut")} for rule in _ENTER_RULES}
    alerts = {rule: {part: AlertCounts() for part in PARTS} for rule in _ALERT_RULES}
    found: list[Place] = []
    done = 0
    for _, track in sorted(tracks.items()):
        its = places(track, truth)
        found += its
        spoken = played(track, its, truth.radius_m, params)
        said = (naive_enters(track, its, truth.radius_m), spoken.enters)
        for rule, each in zip(_ENTER_RULES, said, strict=True):
            _count_enters(enters[rule], each, its, track)
        told = (distance_alerts(track, its, _REACH_M), [*spoken.approaches, *spoken.near], spoken.near)
        arrivals = {place.name: arrivals_at(track, place, truth.radius_m) for place in its}
        for rule, each in zip(_ALERT_RULES, told, strict=True):
            for name, part in _parts(track).items():
                count_alerts(alerts[rule][name], each, its, arrivals, part)
        done += len(track)
        if progress is not None:
            progress(done, None)
    if not found:
        raise SourceError("no place was stayed at twice; needed: locations of some days")
    stays, visits = sum(len(place.stays) for place in found), sum(len(place.visits) for place in found)
    return PresenceReport(
        users=len(tracks),
        positions=done,
        places=len(found),
        visits=visits,
        stays=stays,
        best_missed=stays - visits,
        enters=_as_dicts(enters),
        alerts=_as_dicts(alerts),
    )


def _tracks(locations: Iterable[Location]) -> dict[str, Track]:
    tracks: dict[str, Track] = defaultdict(list)
    for each in locations:
        fix = Fix(
            each.position,
            int(each.event_time.timestamp()),
            each.speed_mps,
            each.heading_deg,
            each.mocked,
            each.device_id or "",
        )
        tracks[each.user_id].append(fix)
    for track in tracks.values():
        track.sort(key=lambda fix: fix.time_s)
    return tracks


def _parts(track: Track) -> dict[str, Part]:
    start_s, end_s = track[0].time_s, track[-1].time_s + 1
    middle_s = 0.5 * (start_s + end_s)
    return {"early": Part(start_s, middle_s), "late": Part(middle_s, end_s), "all": Part(start_s, end_s)}


def _count_enters(counts: dict[str, EnterCounts], said: list[Said], its: list[Place], track: Track) -> None:
    parts = _parts(track)
    for name, part in parts.items():
        count_enters(counts[name], said, its, part)
    count_enters(counts["as cut"], said, its, parts["all"], joined=False)


def _as_dicts(counts: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return {rule: {part: each.as_dict() for part, each in parts.items()} for rule, parts in counts.items()}


def _enter_table(enters: dict[str, dict[str, dict[str, Any]]]) -> str:
    header = ["enters", "", "visits", "said", "repeats", "each", "missed", "share", "no stay", "delay"]
    names = ("visits", "enters", "repeats", "repeats_per_visit", "missed", "missed_share", "without_a_stay")
    return _table(header, enters, (*names, "median_latency_s"))


def _alert_table(alerts: dict[str, dict[str, dict[str, Any]]]) -> str:
    header = ["alerts", "", "visits", "said", "passed", "recalled", "share", "lead", "2-15 min"]
    names = ("visits", "alerts", "pass_bys", "recalled", "recall", "median_lead_s", "lead_2_to_15_min")
    return _table(header, alerts, names)


def _table(header: list[str], counts: dict[str, dict[str, dict[str, Any]]], names: tuple[str, ...]) -> str:
    rows = [
        [rule, part, *(_short(each[name]) for name in names)]
        for rule, parts in counts.items()
        for part, each in parts.items()
    ]
    return format_table(header, rows)


def _short(value: float | None) -> str | int | None:
    if isinstance(value, float) and value < 10.0:
        return f"{value:.2f}"
    return None if value is None else round(value)
