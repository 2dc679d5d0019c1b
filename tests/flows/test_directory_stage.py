"""The merchant directory in the shard task: across restarts, kills and copies, and with an older log."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from detectors.directory import MerchantDirectory
from detectors.events import Merchant
from detectors.habits.places import place_of
from flows import keys
from flows.broker.shards.changes import Changes, apply_changes, read_reach, write_changes
from flows.sqlite_shard import SqliteShard
from flows.store import MemoryStore, Slice
from flows.task import ShardTask
from geo import Position
from tests.flows.shards_made import NOON, Shard

HERE = Position(50.85, 4.35)


def shop(number: int = 1, hour: int = 0, tenant: str = "default", closed: bool = False) -> Merchant:
    when = NOON + timedelta(hours=hour)
    return Merchant(f"m/{number}", when, tenant, f"Shop {number} {hour}", position=HERE, closed=closed)


def directory_of(task: ShardTask) -> MerchantDirectory:
    return task._alert_stages._merchants.directory


def names(task: ShardTask, tenant: str = "default") -> set[str | None]:
    return {near.fence.name for near in directory_of(task).near(tenant, HERE)}


def restarted(shard: Shard) -> ShardTask:
    return ShardTask(shard.store, shard.log.find)


def test_merchants_are_known_and_no_output_is_made_of_them() -> None:
    shard = Shard([shop(1), shop(2), shop(2, tenant="other")])
    assert shard.outputs == []
    assert (names(shard.task), names(shard.task, "other")) == ({"Shop 1 0", "Shop 2 0"}, {"Shop 2 0"})


def test_the_directory_survives_a_restart_and_goes_on_from_there() -> None:
    shard = Shard([shop(1), shop(2), shop(3), shop(1, hour=2), shop(2, hour=2, closed=True)])
    shard.commit()
    shard.task = restarted(shard)
    assert names(shard.task) == {"Shop 1 2", "Shop 3 0"}
    shard.add(shop(1, hour=1), shop(2, hour=1), shop(3, hour=1))
    assert names(shard.task) == {"Shop 1 2", "Shop 3 1"}


def test_an_older_entry_is_not_stored() -> None:
    shard = Shard([shop(1, hour=1)])
    shard.commit()
    shard.add(shop(1))
    assert keys.listed("default", "m/1") not in shard.task.changes().states


@settings(max_examples=25)
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=25),
    cut=st.integers(0, 25),
)
def test_killed_and_started_again_it_knows_the_same(steps: list[tuple[int, int, bool]], cut: int) -> None:
    events = [shop(number, hour, closed=closed) for number, hour, closed in dict.fromkeys(steps)]
    whole, killed = Shard(events), Shard(events[:cut])
    killed.commit()
    killed.add(*events[cut:])
    again = restarted(killed)
    for record in killed.log.read(again.position, 1_000):
        again.apply(record)
    assert names(again) == names(killed.task) == names(whole.task)
    store = MemoryStore()
    for task in (killed.task, whole.task):
        store.commit(task.changes())
    assert names(ShardTask(store, whole.log.find)) == names(whole.task)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], SqliteShard]:
    return lambda name: SqliteShard(tmp_path / f"{name}.db", follows=True)


def test_the_directory_travels_in_copies_and_in_what_changed_since(
    opened: Callable[[str], SqliteShard],
) -> None:
    shard = Shard([shop(1), shop(2), shop(3)])
    states = shard.task.changes().states
    owner, copy, changes = opened("owner"), opened("copy"), Changes()
    for each in (owner, copy):
        each.belongs_to(7)
        each.commit(Slice(1, states))
        each.close()
    since = read_reach(owner.path)
    shard.add(shop(1, hour=1), shop(2, hour=1, closed=True))
    owner = opened("owner")
    owner.stored = changes.note
    owner.commit(Slice(2, shard.task.changes().states))
    written = owner.path.with_name("changes.db")
    write_changes(owner.path, since, changes.take(), written)
    owner.close()
    apply_changes([written], copy.path)
    copy = opened("copy")
    assert names(ShardTask(copy, shard.log.find)) == names(shard.task) == {"Shop 1 1", "Shop 3 0"}
    copy.close()


def test_hours_of_an_old_log_that_nobody_understands_are_left_out_and_said() -> None:
    old = Merchant("m-1", NOON, position=HERE, name="Old", opening_hours="9 to 5")
    with capture_logs() as said:
        shard = Shard([old])
    assert names(shard.task) == {"Old"}
    (line,) = said
    assert (line["event"], line["event_id"]) == ("merchant_not_understood", old.event_id)
    assert line["reason"].startswith("opening_hours: '9 to 5' can't be read")


def test_habits_learn_places_with_what_the_directory_knows_of_them() -> None:
    shard = Shard([Merchant("m-1", NOON, mcc="5411", chain_id="x"), Merchant("m-2", NOON, closed=True)])
    find_place = shard.task._alert_stages._find_place
    assert find_place("default", "m-1") == place_of("m-1", "5411", "x")
    assert [find_place("default", "m-2"), find_place("other", "m-1")] == [None, None]
