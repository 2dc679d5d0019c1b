"""Engines on a broker, each with a shard process of its own, and what they are asked."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alerting.decision import Decision
from detectors.events import Payment
from flows.broker.committed import read_published
from flows.broker.files import shard_file
from flows.broker.params import KafkaParams
from flows.engine import Engine, EngineParams
from flows.policy_file import default_policy_text
from flows.shard_spawn import ShardSpawner
from flows.sharding import shard_of
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from tests.flows.broker.outboxes_made import wait_until

SHARDS = 4
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT_S = 60.0


def user_of(shard: int, number: int = 0, shards: int = SHARDS) -> str:
    """A user whose shard it is."""
    fitting = [name for n in range(200) if shard_of("default", name := f"u-{n}", shards) == shard]
    return fitting[number]


def payment(name: str, shard: int = 0, amount_minor: int = 1_000, shards: int = SHARDS) -> Payment:
    return Payment(name, user_of(shard, shards=shards), amount_minor, "EUR", NOON, "m-1")


def engine(kafka: KafkaParams, folder: Path, policy: str | None = None, *, prepared: bool = True) -> Engine:
    """An engine whose shard process is on its way already; not ``prepared`` is for one that never starts."""
    folder.mkdir(parents=True, exist_ok=True)
    spawner = ShardSpawner()
    if prepared:
        spawner.prepare()
    params = EngineParams(folder / SHARD_FILE, policy or default_policy_text(), kafka=kafka)
    return Engine(params, spawn=spawner)


def decide(running: Engine, of: Payment) -> Decision:
    return running.submit(of, PATIENT_S).result()


def owned(running: Engine) -> set[int]:
    """The shards that an engine says it works on."""
    return {int(shard) for shard in running.figures.shards}


def wait_until_owned(*engines: Engine, shards: int = SHARDS) -> None:
    """Until each has its part, and all together have all."""

    def shared_out() -> bool:
        parts = [owned(each) for each in engines]
        everything = sorted(shard for part in parts for shard in part)
        return everything == list(range(shards)) and all(parts)

    wait_until(shared_out, "the shards are shared out")


def log_of(folder: Path, shard: int) -> list[object]:
    """The events of a shard file in order."""
    with closing(SqliteShard.open_reader(shard_file(folder, shard))) as there:
        return [record.event for record in there.read(0, 100_000)]


def ledger_of(folder: Path, shard: int) -> list[tuple[int, bytes]]:
    """The decisions of a shard file, each with its position."""
    with closing(SqliteShard.open_reader(shard_file(folder, shard))) as there:
        return [(row.position, row.decision) for row in there.ledger_after(0, 100_000)]


def wait_until_published(kafka: KafkaParams, ends: Sequence[int]) -> None:
    """Until the group has it that each shard's partition is published up to its end."""

    def done() -> bool:
        found = read_published(kafka, range(len(ends)), 10.0)
        return [found[shard].offset for shard in range(len(ends))] == list(ends)

    wait_until(done, "all is published")
