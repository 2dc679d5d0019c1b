"""Which alerts still are to be told by what came since, read from the shard file of a run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.alert_source import BEGINNING, EVERYTHING
from alerting.alerts import Alert, AlertKind
from detectors.events import Channel, Outcome, OutcomeKind, ThreeDSStatus, Verdict
from flows.codec import Event
from flows.shard_alerts import ShardAlerts
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.flows.outings_made import ARRIVAL, MINUTE, USER, consent, of_habit, tick
from tests.flows.shards_made import STRICT_FOR_CASINOS, payment


@contextmanager
def the_alert(folder: Path, *events: Event) -> Iterator[tuple[Alert, ShardAlerts]]:
    """The first alert that these events lead to, and where it is read."""
    folder.mkdir()
    with StreamWriter(folder / "s.jsonl") as writer:
        for event in events:
            writer.write(event)
    replay([folder / "s.jsonl"], folder / "run", ReplayParams(STRICT_FOR_CASINOS, keep_shard=True))
    with closing(ShardAlerts(folder / "run" / "shard.db", lambda: 1)) as source:
        yield source.read(BEGINNING, EVERYTHING, 10).alerts[0].alert, source


def test_an_alert_stands_as_long_as_the_consent_lasts(tmp_path: Path) -> None:
    with the_alert(tmp_path / "a", *of_habit(), *ARRIVAL) as (alert, source):
        assert source.stands(alert)


def test_an_alert_that_was_sent_before_a_withdrawal_does_not_stand_after_it(tmp_path: Path) -> None:
    behind = ARRIVAL[-1].event_time
    withdrawn = (consent(granted=False, at=behind), tick(behind + MINUTE))
    with the_alert(tmp_path / "a", *of_habit(), *ARRIVAL, *withdrawn) as (alert, source):
        assert not source.stands(alert)


def test_another_tenants_user_of_the_same_name_has_not_consented(tmp_path: Path) -> None:
    with the_alert(tmp_path / "a", *of_habit(), *ARRIVAL) as (alert, source):
        assert not source.stands(replace(alert, tenant="shop"))


AT_A_CASINO = payment(
    1, user_id=USER, event_time=ARRIVAL[-1].event_time, mcc="7995", channel=Channel.ECOMMERCE
)


def answered(status: ThreeDSStatus) -> Outcome:
    return Outcome(
        "o",
        AT_A_CASINO.transaction_id,
        USER,
        OutcomeKind.STEP_UP,
        Verdict.UNDECIDED,
        AT_A_CASINO.event_time + MINUTE,
        three_ds_status=status,
    )


def test_an_alert_about_a_merchant_does_not_stand_while_its_user_is_asked_to_authenticate(
    tmp_path: Path,
) -> None:
    came = (*of_habit(), *ARRIVAL, AT_A_CASINO)
    with the_alert(tmp_path / "a", *came) as (alert, source):
        assert alert.kind is AlertKind.PROXIMITY
        assert not source.stands(alert)
    with the_alert(tmp_path / "b", *came, answered(ThreeDSStatus.Y)) as (alert, source):
        assert source.stands(alert)


@pytest.mark.parametrize(
    ("status", "stands"), [(ThreeDSStatus.C, True), (ThreeDSStatus.Y, False), (ThreeDSStatus.N, False)]
)
def test_a_step_up_request_stands_until_it_is_answered(
    tmp_path: Path, status: ThreeDSStatus, stands: bool
) -> None:
    with the_alert(tmp_path / "a", AT_A_CASINO) as (alert, source):
        assert alert.kind is AlertKind.STEP_UP_REQUEST
        assert source.stands(alert)
    with the_alert(tmp_path / "b", AT_A_CASINO, answered(status)) as (alert, source):
        assert source.stands(alert) is stands
