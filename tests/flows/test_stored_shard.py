"""A shard file of an earlier day opens, is understood and goes on."""

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.decision import Source
from detectors.events import Payment
from detectors.profile import EntityProfile, UserProfile
from flows import keys
from flows.codec import decode_decision
from flows.engine import Engine, EngineParams
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

STORED = Path(__file__).parent / "stored" / "shard-v1.db"
"""Made by `tapwatch replay --keep-shard` from the first 60 payments of two simulated users; never made anew:
a change of what is stored must still read it, or bring a migration and a file of its own."""


@pytest.fixture
def shard_path(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORED, tmp_path / "shard.db"))


def test_every_kind_of_stored_state_is_read(shard_path: Path) -> None:
    shard = SqliteShard(shard_path)
    task = ShardTask(shard, shard.find)
    assert task.position == shard.end > 60
    assert task.policy is not None
    payments = [r.event for r in shard.read(0, 1_000) if isinstance(r.event, Payment)]
    for payment in payments:
        raw = shard.load(keys.user(payment.tenant, payment.user_id))
        assert raw is not None
        assert UserProfile.unpack(raw).pack() == raw
        raw = shard.load(keys.merchant(payment.tenant, payment.merchant_id))
        assert raw is not None
        assert EntityProfile.unpack(raw).pack() == raw
        position = shard.find(payment.event_id)
        row = shard.ledger_row(position or 0)
        assert row is not None
        assert decode_decision(row.decision).transaction_id == payment.transaction_id
    shard.close()


def test_its_outbox_begins_empty(shard_path: Path) -> None:
    with closing(SqliteShard.open_reader(shard_path)) as reader:
        assert not reader.alerts.exists()
    with closing(SqliteShard(shard_path)) as shard:
        assert shard.alerts.exists()
        assert shard.alert_rows((0, 0), 10) == []


def test_an_engine_goes_on_with_it(shard_path: Path) -> None:
    shard = SqliteShard(shard_path)
    payments = [r.event for r in shard.read(0, 1_000) if isinstance(r.event, Payment)]
    shard.close()
    last = payments[-1]
    with Engine(EngineParams(shard_path, default_policy_text())) as engine:
        known = engine.submit(last, 60.0).result()
        assert known == engine.find_decision(last.tenant, last.transaction_id)
        later = Payment(
            "t-later",
            last.user_id,
            last.amount_minor,
            last.currency,
            last.event_time + timedelta(hours=5),
            "m-1",
        )
        decision = engine.submit(later, 60.0).result()
        assert decision.source is Source.ENGINE
        explained = dict(engine.explain("default", "t-later").features)
        assert explained["user_count_30d"] > 2
