"""The drills, small, on real server processes: what `tapwatch drill` does at length."""

from itertools import islice
from pathlib import Path

import pytest

from detectors.events import Outcome, Payment
from flows.codec import Event
from replay.cli_input import lives_or_stream
from replay.demo import sample_events
from replay.drills.alerts import alerts_drill
from replay.drills.crash import crash_drill
from replay.drills.equality import equality_drill


def sample(payments: int) -> list[Event]:
    """The first payments of the bundled stream and all outcomes between them."""
    found: list[Event] = []
    for event in sample_events():
        if isinstance(event, Payment | Outcome):
            found.append(event)
            payments -= isinstance(event, Payment)
        if not payments:
            break
    return found


@pytest.mark.slow
def test_replay_live_and_live_under_kill_9_give_one_digest(tmp_path: Path) -> None:
    report = equality_drill(lives_or_stream(None, 1_000), tmp_path, kills=3)
    assert report.problems == []
    assert report.kills == 3
    assert len(report.digests) == 5


@pytest.mark.slow
def test_repeating_callers_and_a_killed_server_lose_and_double_nothing(tmp_path: Path) -> None:
    payments = list(islice((e for e in sample(800) if isinstance(e, Payment)), 800))
    report = crash_drill(payments, tmp_path, callers=20, kills=2)
    assert report.problems == []
    assert report.kills == 2
    assert report.answered == report.requests > 800
    assert report.ledger_rows == 800


@pytest.mark.slow
def test_alerts_reach_their_subscribers_through_kills_of_both_sides(tmp_path: Path) -> None:
    report = alerts_drill(1_500, tmp_path, subscribers=24, slow=3, killed=5, kills=2)
    assert report.problems == []
    assert (report.alerts, report.server_kills, report.subscriber_kills) == (1_500, 2, 2)
    assert report.deliveries >= 1_500
