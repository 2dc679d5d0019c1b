"""An evaluation of alerts and foreseen visits as plain text for people."""

from typing import Final

from alerting.delivery.reasons import TITLES, Suppression
from replay.alert_evaluation import AlertEvaluation, Gate, NextPlace, Proximity
from replay.text_table import format_table

_NEXT_PLACE: Final = ("told by", "visits", "users", "acc@1", "acc@5", "acc@10", "known", "cal. error")

_GATES: Final = ("at least", "alerts", "passed by", "per user-day", "precision", "recall", "F1")


def format_alert_evaluation(found: AlertEvaluation) -> str:
    """The figures as a few short tables, none wider than 80 columns."""
    parts = []
    if found.next_place:
        parts.append(
            "Where users went next, foreseen before each visit was learned. acc@k: among the k\n"
            "likeliest of their places; known: share of visits that had a place to be found\n"
            + format_table(_NEXT_PLACE, [_row(each) for each in found.next_place])
        )
    proximity = found.proximity
    parts.append(
        f"Proximity alerts. Came true: the user was there within {found.window_min:g} minutes\n"
        + format_table(("", "value"), _figures(proximity))
    )
    if found.gates:
        parts.append(
            "What a threshold on the probability alone would give, an alert per merchant in four hours\n"
            + format_table(_GATES, [_gate_row(gate) for gate in found.gates])
        )
    if proximity.suppressed:
        parts.append(
            "Not sent, by reason\n"
            + format_table(
                ("reason", "count", "meaning"),
                [(why, count, TITLES[Suppression(why)]) for why, count in proximity.suppressed.items()],
            )
        )
    return "\n\n".join(parts)


def _row(found: NextPlace) -> tuple[object, ...]:
    shares = (found.acc_1, found.acc_5, found.acc_10, found.known, found.calibration_error)
    return (found.source, found.visits, found.users, *shares)


def _gate_row(gate: Gate) -> tuple[object, ...]:
    shares = (gate.per_user_day, gate.precision, gate.recall, gate.f1)
    return (f"{gate.threshold:g}", gate.alerts, gate.passed_by, *shares)


def _figures(found: Proximity) -> list[tuple[str, object]]:
    return [
        ("candidates", found.candidates),
        ("sent", found.sent),
        ("candidates that came true", found.came_true),
        ("precision of alerts sent", found.precision),
        ("recall among visits that had a candidate", found.recall),
        ("F1", found.f1),
        ("recall among all habitual visits", found.recall_of_visits),
        ("Brier score of all candidates", found.brier),
        ("  of always saying their mean", found.base_brier),
        ("calibration error", found.calibration_error),
        ("minutes from alert to visit, 10th percentile", found.lead_min_p10),
        ("  median", found.lead_min_median),
        ("  90th percentile", found.lead_min_p90),
        ("alerts to users who did not come", found.passed_by),
        ("alerts of a visit announced before", found.repeats),
        ("user-days", found.user_days),
        ("alerts per user-day, mean", found.per_user_day_mean),
        ("  median", found.per_user_day_p50),
        ("  95th percentile", found.per_user_day_p95),
    ]
