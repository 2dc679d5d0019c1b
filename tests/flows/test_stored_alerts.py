"""A shard file of an earlier day that has users, habits and alerts opens, is understood and goes on."""

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.alert_source import BEGINNING, EVERYTHING
from alerting.alerts import AlertKind
from alerting.delivery.person import Person
from alerting.proximity.outing import Outing
from detectors.events import Location, Merchant, Visit
from detectors.habits.habits import Habits
from detectors.habits.intent import IntentModel
from detectors.habits.next_place import NextPlaceModel
from flows import keys
from flows.log import NewRecord
from flows.outputs import TaskFault
from flows.shard_alerts import ShardAlerts
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

STORED = Path(__file__).parent / "stored" / "shard-alerts-v1.db"
"""Made by `tapwatch replay --keep-shard` from twelve days of three simulated users with ways, two visits of
theirs at the end, the last one weeks ahead; never made anew, as the file beside it."""
UNPACK: dict[str, Callable[[bytes], Person | Outing | Habits | NextPlaceModel | IntentModel]] = {
    "person/": Person.unpack,
    "outing/": Outing.unpack,
    "habit/": Habits.unpack,
    keys.NEXT_PLACE: NextPlaceModel.unpack,
    keys.INTENT: IntentModel.unpack,
}


@pytest.fixture
def shard_path(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORED, tmp_path / "shard.db"))


def test_every_kind_of_stored_state_is_read(shard_path: Path) -> None:
    with closing(SqliteShard(shard_path)) as shard:
        for prefix, unpack in UNPACK.items():
            found = list(shard.scan(prefix))
            assert len(found) == (3 if prefix.endswith("/") else 1)
            assert all(unpack(raw).pack() == raw for _, raw in found)


def test_its_outbox_is_read(shard_path: Path) -> None:
    with closing(SqliteShard(shard_path)), closing(ShardAlerts(shard_path, lambda: 1)) as source:
        kinds = [each.alert.kind for each in source.read(BEGINNING, EVERYTHING, 100).alerts]
    assert (kinds.count(AlertKind.PROXIMITY), kinds.count(AlertKind.STEP_UP_REQUEST)) == (13, 1)


def test_a_task_goes_on_with_it_and_learns_what_waited(shard_path: Path) -> None:
    with closing(SqliteShard(shard_path)) as shard:
        records = [record.event for record in shard.read(0, 10_000)]
        waits = [event for event in records if isinstance(event, Visit)][-1]
        where = [event for event in records if isinstance(event, Location)][-1].position
        count = len([event for event in records if isinstance(event, Merchant)])
        assert len(list(shard.scan(keys.DIRECTORY))) == count
        task = ShardTask(shard, shard.find)
        before = shard.load(keys.habits(waits.tenant, waits.user_id))
        later = [
            Location(waits.user_id, where, waits.event_time + timedelta(minutes=minute))
            for minute in range(30)
        ]
        shard.append([NewRecord.of(event) for event in later])
        said = [output for record in shard.read(task.position, 100) for output in task.apply(record)]
        assert not [each for each in said if isinstance(each, TaskFault)]
        shard.commit(task.changes())
        assert shard.load(keys.DEFERRED) in (None, b"")
        assert shard.load(keys.habits(waits.tenant, waits.user_id)) != before
