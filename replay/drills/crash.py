"""Crash: many callers, repeated requests, a server killed again and again; nothing lost or doubled."""

import random
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alerting.decision import Decision
from detectors.events import Payment
from flows.codec import encode_decision
from flows.dataflow import ONLY_SHARD, Work, run_plain
from flows.keys import JOINT
from flows.outputs import Output
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.store import MemoryStore
from flows.task import ShardTask
from replay.drills.assassin import PATIENT, Assassin, Say, payments_needed
from replay.drills.needs import require_payments
from replay.gateway import GatewayClient, GatewayError
from replay.server_process import ServerProcess

TAIL: Final = JOINT + "tail/"
RETRIED: Final = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL")


@dataclass(slots=True)
class CrashReport:
    """What was sent, what came back, and what the disk holds."""

    requests: int = 0
    distinct: int = 0
    answered: int = 0
    kills: int = 0
    fallbacks: int = 0
    ledger_rows: int = 0
    states_compared: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def crash_drill(
    payments: Sequence[Payment],
    folder: Path,
    duplicates: float = 0.3,
    callers: int = 50,
    kills: int = 5,
    seed: int = 1,
    say: Say = lambda _: None,
) -> CrashReport:
    """Send ``payments``, a share of them twice, from many threads while the server is killed.

    A caller repeats a request until it is answered, as a gateway would. In the end every payment must have
    one ledger row, every repeat the same answer, and the stored state must equal that of a task which saw
    each log record once.

    Raises
    ------
    TooFewPaymentsError
        When so many kills would leave no server to ask.
    """
    require_payments("crash", len(payments), payments_needed(kills))
    requests = _with_duplicates(payments, duplicates, seed)
    report = CrashReport(requests=len(requests), distinct=len(payments))
    data = folder / "data"
    server = ServerProcess(data, environment=PATIENT).start()
    assassin = Assassin(server, kills, seed)
    gateway = _Gateway(server, assassin, len(requests))
    assassin.start()
    try:
        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(gateway.ask, requests))
        report.problems += _compare_with_records(server, answers)
    finally:
        assassin.stop()
        server.stop()
        gateway.close()
    report.answered, report.kills = len(answers), assassin.done
    report.fallbacks = sum(answer.fallback_cause is not None for answer in answers)
    report.problems += _compare_repeats(answers)
    say(f"{report.answered} of {report.requests} requests answered through {report.kills} kills")
    _check_disk(data, report)
    say(f"{report.ledger_rows} ledger rows, {report.states_compared} states compared with the oracle")
    return report


def _with_duplicates(payments: Sequence[Payment], share: float, seed: int) -> list[Payment]:
    chance = random.Random(seed)
    requests: list[Payment] = []
    for payment in payments:
        requests.append(payment)
        if chance.random() < share:
            # Some repeats come at once, some later.
            requests.insert(max(0, len(requests) - chance.choice((1, 1, 5, 100))), payment)
    return requests


class _Gateway:
    """One connection per thread and per life of the server; asks until there is an answer."""

    def __init__(self, server: ServerProcess, assassin: Assassin, total: int) -> None:
        self._server = server
        self._assassin = assassin
        self._total = total
        self._answered = 0
        self._lock = threading.Lock()
        self._clients: dict[tuple[int, int], GatewayClient] = {}

    def ask(self, payment: Payment) -> Decision:
        """The answer to one payment, however often the server dies meanwhile."""
        while True:
            try:
                answer = self._client().decide(payment, timeout_s=30.0)
            except GatewayError as error:
                if error.problem.code not in RETRIED:
                    raise
                self._assassin.wait_for_restart()
                continue
            with self._lock:
                self._answered += 1
                self._assassin.progress = self._answered / self._total
            return answer

    def _client(self) -> GatewayClient:
        key = (threading.get_ident(), self._server.port)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = GatewayClient(self._server.target)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


def _compare_repeats(answers: Sequence[Decision]) -> list[str]:
    seen: defaultdict[str, set[bytes]] = defaultdict(set)
    for answer in answers:
        seen[answer.transaction_id].add(encode_decision(answer))
    return [f"{name}: {len(kinds)} different answers" for name, kinds in seen.items() if len(kinds) > 1]


def _compare_with_records(server: ServerProcess, answers: Sequence[Decision]) -> list[str]:
    with GatewayClient(server.target) as client:
        return [
            f"{answer.transaction_id}: the record differs from the answer"
            for answer in {answer.transaction_id: answer for answer in answers}.values()
            if client.get_decision(answer.transaction_id, timeout_s=30.0) != answer
        ]


def _check_disk(data: Path, report: CrashReport) -> None:
    shard = SqliteShard(data / SHARD_FILE)
    db = sqlite3.connect(data / SHARD_FILE)
    report.ledger_rows = db.execute("SELECT count(*) FROM ledger").fetchone()[0]
    if report.ledger_rows != report.distinct:
        report.problems.append(f"{report.ledger_rows} ledger rows for {report.distinct} payments")
    oracle = _oracle_states(shard)
    stored = dict(db.execute("SELECT key, value FROM state"))
    # A tail is a journal: which of its chunks are on disk depends on when commits came, its sum does not.
    keys = {key for key in oracle.keys() | stored.keys() if not key.startswith(TAIL)}
    report.states_compared = len(keys)
    different = sorted(key for key in keys if oracle.get(key) != stored.get(key))
    report.problems += [f"{key}: the state differs from the oracle's" for key in different[:10]]
    db.close()
    shard.close()


def _oracle_states(shard: SqliteShard) -> dict[str, bytes]:
    """The state of a task that applies each record of the log once, without Bytewax, files or restarts."""
    store = MemoryStore()
    task = ShardTask(store, shard.find)
    run_plain(_LogFeed(shard, task), _Nowhere())
    store.commit(task.changes())
    return store.states


class _LogFeed:
    def __init__(self, shard: SqliteShard, task: ShardTask) -> None:
        self._shard = shard
        self._task = task
        self._at = 0

    def next_batch(self) -> list[Work]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        records = self._shard.read(self._at, 1_000)
        if not records:
            raise StopIteration
        self._at = records[-1].position
        return [(ONLY_SHARD, (self._task, record)) for record in records]


class _Nowhere:
    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
