"""Kafka equals the embedded log, and what a shard decides does not depend on how many processes there are."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from detectors.events import Payment
from flows.broker.destination import Destination
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.codec import Event
from flows.policy_file import default_policy_text, parse_policy
from replay.drills.assassin import Say
from replay.drills.kafka_rig import Broker, KafkaRig
from replay.drills.needs import require_payments
from replay.run import ReplayParams, replay
from replay.send import send_events
from replay.server_process import ServerProcess
from replay.streams import StreamWriter

SHARDS: Final = 4
FEWEST_PAYMENTS: Final = 100


@dataclass(slots=True)
class KafkaEqualityReport:
    """The digest of each way: of all decisions with one shard, of each shard with several."""

    payments: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    by_shard: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def kafka_equality_drill(
    events: Sequence[Event],
    folder: Path,
    broker: Broker = None,
    say: Say = lambda _: None,
    processes: Sequence[int] = (1, 2, 3),
) -> KafkaEqualityReport:
    """Decide ``events`` by replay and on Kafka, with one shard and with four, those by several ``processes``.

    The logs are written whole before a process starts, so every run sees the same; what shards tell each
    other comes behind all of it.

    Raises
    ------
    TooFewPaymentsError
        When a shard would see next to nothing.
    """
    payments = sum(isinstance(event, Payment) for event in events)
    require_payments("kafka-equality", payments, FEWEST_PAYMENTS)
    policy = default_policy_text()
    stream = [PolicyActivated(policy, parse_policy(policy).version, EARLIEST), *events]
    report = KafkaEqualityReport(payments)
    with StreamWriter(folder / "stream.jsonl") as writer:
        for event in stream:
            writer.write(event)
    report.digests["replay"] = str(_replay(folder, 1)["decisions_sha256"])
    say(f"replay: {report.digests['replay']}")
    told = _replay(folder, SHARDS)["shards"]
    report.by_shard["replay"] = [shard["decisions_sha256"] for shard in told]
    with KafkaRig(folder, broker) as rig:
        (report.digests["Kafka"],) = _decide(rig, stream, shards=1, processes=1)
        say(f"Kafka: {report.digests['Kafka']}")
        for count in processes:
            name = f"Kafka, {count} process{'es' if count > 1 else ''}"
            report.by_shard[name] = _decide(rig, stream, SHARDS, count)
            say(f"{SHARDS} shards, {name}: {', '.join(digest[:16] for digest in report.by_shard[name])}")
    if len(set(report.digests.values())) != 1:
        report.problems.append("one shard on Kafka decides otherwise than the embedded log")
    if len(set(map(tuple, report.by_shard.values()))) != 1:
        report.problems.append("what a shard decides depends on where or by how many it is decided")
    return report


def _replay(folder: Path, shards: int) -> dict[str, Any]:
    params = ReplayParams(default_policy_text(), shards=shards, pooled=False)
    return replay([folder / "stream.jsonl"], folder / f"replay-{shards}", params)


def _decide(rig: KafkaRig, stream: Iterable[Event], shards: int, processes: int) -> list[str]:
    """The digest of each shard's decisions, made by so many processes from a log that is there already."""
    params = rig.lay_out(shards)
    send_events(stream, params, Destination.SHARD_LOG)
    servers = [rig.server(params, f"process-{number}") for number in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(ServerProcess.start, servers))
        rig.wait_until_idle(params)
        list(pool.map(ServerProcess.stop, servers))
    return published_digests(params)


def published_digests(params: KafkaParams) -> list[str]:
    """The SHA-256 over each shard's published decisions, one a line, in their order."""
    digests = [sha256() for _ in range(params.shards)]
    for record in read_topic(params, "decisions"):
        digests[record.partition].update((record.value or b"") + b"\n")
    return [digest.hexdigest() for digest in digests]
