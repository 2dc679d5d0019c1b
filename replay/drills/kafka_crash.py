"""Count and compare: servers and broker killed, owners frozen, and still everything is decided just once."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from detectors.events import Payment
from flows.broker.destination import Destination
from flows.broker.errors import BrokerError
from flows.broker.event_sender import EventSender
from flows.broker.params import KafkaParams
from flows.codec import Event
from flows.sharding import BROADCAST
from replay.drills.assassin import Say
from replay.drills.kafka_callers import Asked, Callers
from replay.drills.kafka_faults import Faults, Saboteur
from replay.drills.kafka_history import Told, check_run
from replay.drills.kafka_rig import Broker, KafkaRig
from replay.drills.needs import require_payments
from replay.history import Finding
from replay.history.sources import sent_of
from replay.server_process import ServerProcess

SHARDS: Final = 4
PAYMENTS_PER_FAULT: Final = 20
FEWEST_PAYMENTS: Final = 100
SHOWN: Final = 20
LOADED: Final = 1.5
"""The load lasts so many times as long as the faults."""
_CHUNK: Final = 100
_AHEAD: Final = 0.02
_PAUSE_S: Final = 0.02


@dataclass(slots=True)
class KafkaCrashReport:
    """What was done, what came back, and what was found."""

    events: int = 0
    asked: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def kafka_crash_drill(
    events: Sequence[Event],
    folder: Path,
    faults: Faults,
    processes: int = 2,
    callers: int = 16,
    timeout_s: float = 5.0,
    seed: int = 1,
    broker: Broker = None,
    say: Say = lambda _: None,
) -> KafkaCrashReport:
    """Decide ``events`` while ``faults`` happen, and check the history of it.

    Half of the users come through callers that ask for decisions, the others through the input topic. A
    broker that is not ours is not killed.

    Raises
    ------
    TooFewPaymentsError
        When there would be more faults than work.
    """
    payments = sum(isinstance(event, Payment) for event in events)
    require_payments("kafka-crash", payments, max(FEWEST_PAYMENTS, PAYMENTS_PER_FAULT * faults.count))
    asked = [event for event in events if isinstance(event, Asked) and _is_caller(event)]
    fed = [event for event in events if isinstance(event, BROADCAST) or not _is_caller(event)]
    report = KafkaCrashReport(len(asked) + len(fed), len(asked))
    with KafkaRig(folder, broker) as rig:
        params = rig.lay_out(SHARDS, snapshots=folder / "snapshots")
        servers = [rig.server(params, f"process-{number}") for number in range(processes)]
        ingest = rig.ingest(params)
        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(ServerProcess.start, servers))
        ingest.start()
        asking = Callers(servers, callers, timeout_s)
        saboteur = Saboteur(rig, servers, faults, seed, lambda: asking.progress, say)
        saboteur.start()
        try:
            _run(asking, asked, LOADED * faults.seconds, params, fed)
        finally:
            saboteur.stop()
        rig.wait_until_idle(params)
        last_answers = asking.ask_again()
        ingest.stop()
        for server in servers:
            server.stop()
        say(f"{len(asking.answers)} answers, {dict(asking.sources)}, repeated {dict(asking.repeated)}")
        sent = [*sent_of(asked, SHARDS, "callers", asked=True), *sent_of(fed, SHARDS, "topic")]
        told = Told(asking.answers, asking.asked_elsewhere, last_answers)
        found = check_run(params, sent, told, [server.data_dir for server in servers], folder / "oracle")
    report.faults, report.answers = dict(saboteur.done), dict(asking.sources)
    report.repeated = dict(asking.repeated)
    if saboteur.done.total() < faults.count:
        report.problems.append(f"{saboteur.done.total()} of {faults.count} faults happened")
    _report(report, found)
    return report


def _is_caller(event: Event) -> bool:
    """Whether the payments of the event's user come through callers."""
    # Not by the hash that places users on shards: each shard is to get both.
    return not isinstance(event, BROADCAST) and crc32(event.user_id.encode()) % 2 == 0


def _run(
    asking: Callers, asked: Sequence[Asked], seconds: float, params: KafkaParams, fed: Sequence[Event]
) -> None:
    """Let callers ask, and feed the topic beside them in step."""
    with ThreadPoolExecutor(1, thread_name_prefix="feeder") as pool:
        feeding = pool.submit(_feed, params, fed, lambda: asking.progress)
        asking.ask_all(asked, seconds)
        feeding.result()


def _feed(params: KafkaParams, events: Sequence[Event], progress: Callable[[], float]) -> None:
    """Send ``events`` in order, little by little; what a broker that is away did not take is sent again."""
    at = 0
    while at < len(events):
        try:
            with EventSender(params, Destination.EVENTS, linger_ms=5) as sender:
                while at < len(events):
                    if at / len(events) > progress() + _AHEAD:
                        time.sleep(_PAUSE_S)
                        continue
                    chunk = events[at : at + _CHUNK]
                    for event in chunk:
                        sender.send(event, time.time_ns() // 1_000)
                    sender.flush()
                    at += len(chunk)
        except BrokerError:
            time.sleep(_PAUSE_S)


def _report(report: KafkaCrashReport, found: Sequence[Finding]) -> None:
    report.findings = dict(Counter(str(finding.fault) for finding in found))
    report.problems += [f"{finding.fault}: {finding.sentence}" for finding in found[:SHOWN]]
    if len(found) > SHOWN:
        report.problems.append(f"and {len(found) - SHOWN:,} more")
