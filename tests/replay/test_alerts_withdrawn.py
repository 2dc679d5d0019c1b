"""What is left to deliver when a user withdraws the consent, read from the shard file of a run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from alerting.alert_source import BEGINNING, EVERYTHING
from alerting.alerts import Alert
from flows.codec import Event
from flows.policy_file import default_policy_text
from flows.shard_alerts import ShardAlerts
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.flows.outings_made import MINUTE, TODAY, consent, of_habit, tick, walk

ARRIVAL = walk(TODAY - 4 * MINUTE, 350, -20)


@contextmanager
def the_alert(folder: Path, *events: Event) -> Iterator[tuple[Alert, ShardAlerts]]:
    """The one alert that these events lead to, and where it is read."""
    with StreamWriter(folder / "s.jsonl") as writer:
        for event in events:
            writer.write(event)
    replay([folder / "s.jsonl"], folder / "run", ReplayParams(default_policy_text(), keep_shard=True))
    with closing(ShardAlerts(folder / "run" / "shard.db", lambda: 1)) as source:
        (only,) = source.read(BEGINNING, EVERYTHING, 10).alerts
        yield only.alert, source


def test_an_alert_is_allowed_as_long_as_the_consent_lasts(tmp_path: Path) -> None:
    with the_alert(tmp_path, *of_habit(), *ARRIVAL) as (alert, source):
        assert source.allows(alert)


def test_an_alert_that_was_sent_before_a_withdrawal_is_not_allowed_after_it(tmp_path: Path) -> None:
    behind = ARRIVAL[-1].event_time
    withdrawn = (consent(granted=False, at=behind), tick(behind + MINUTE))
    with the_alert(tmp_path, *of_habit(), *ARRIVAL, *withdrawn) as (alert, source):
        assert not source.allows(alert)


def test_another_tenants_user_of_the_same_name_has_not_consented(tmp_path: Path) -> None:
    with the_alert(tmp_path, *of_habit(), *ARRIVAL) as (alert, source):
        assert not source.allows(replace(alert, tenant="shop"))
