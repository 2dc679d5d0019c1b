"""Take-over: the owner of shards is killed under load; how long until the engine answers its users again."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc

from alerting.rpc.convert import PAYMENT, read_decision
from detectors.events import Payment
from flows.broker.destination import Destination
from flows.broker.params import KafkaParams
from flows.broker.status import read_status
from flows.sharding import shard_of
from replay.bench.open_loop import DECIDE
from replay.bench.size import payments_of_many
from replay.drills.assassin import Say
from replay.drills.kafka_rig import Broker, DrillTimeoutError, KafkaRig
from replay.send import send_events
from replay.server_process import ServerProcess
from tapwatch.v1 import risk_pb2

SHARDS: Final = 4
TARGET_S: Final = 10.0
"""The longest take-over of nineteen in twenty kills."""
WINDOW: Final = 20
"""A shard is back when of so many requests the engine answers its usual share, or nearly."""
NEARLY: Final = 0.9
TIMEOUT_S: Final = 1.0
_QUIET_S: Final = 3.0
_PATIENCE_S: Final = 120.0
_SECONDS_PER_KILL: Final = 120


@dataclass(slots=True)
class KafkaTakeoverReport:
    """Of each kill: the shards that changed hands, and the seconds until the last of them was back.

    Back means that the engine answered as many of its requests as before the kill (``engine_share``), or
    nearly: a machine that is too slow for the rate gives fallback answers all the time. ``first_s`` is when
    each of the shards had its first answer by the engine.
    """

    users: int = 0
    rate_per_s: float = 0.0
    kills: list[dict[str, Any]] = field(default_factory=list)
    seconds_median: float = 0.0
    seconds_p95: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Seen(NamedTuple):
    """What became of a request that was due at a moment: ENGINE, FALLBACK, or the code of an error."""

    due: float
    shard: int
    source: str


def kafka_takeover_drill(
    folder: Path,
    users: int = 100_000,
    rate_per_s: float = 500.0,
    kills: int = 10,
    broker: Broker = None,
    say: Say = lambda _: None,
) -> KafkaTakeoverReport:
    """Kill one of two servers again and again while requests come to the other one.

    Raises
    ------
    DrillTimeoutError
        When a shard does not come back.
    """
    report = KafkaTakeoverReport(users, rate_per_s)
    payments = payments_of_many(users, users + int(kills * rate_per_s * _SECONDS_PER_KILL))
    with KafkaRig(folder, broker) as rig:
        params = rig.lay_out(SHARDS, snapshots=folder / "snapshots")
        survivor, victim = (rig.server(params, name).start() for name in ("survivor", "victim"))
        send_events(islice(payments, users), params, Destination.SHARD_LOG)
        rig.wait_until_idle(params)
        say(f"{users:,} users are known")
        with closing(_Load(survivor.target, payments, rate_per_s)) as load:
            for number in range(kills):
                shards = _wait_for_shards(params, victim)
                figures = _kill(victim, shards, load)
                report.kills.append(figures)
                say(f"kill {number + 1}: shards {shards} are back after {figures['seconds']} s")
                victim.start()
        _sum_up(report, load.seen)
    return report


def _kill(victim: ServerProcess, shards: Sequence[int], load: "_Load") -> dict[str, Any]:
    """Kill the owner of ``shards``; gives the seconds until all of them are back, and what else was seen."""
    time.sleep(_QUIET_S)
    begun = time.monotonic()
    before = requests_since(load.seen, shards, begun - _QUIET_S, begun - TIMEOUT_S)
    share = sum(map(_by_engine, before)) / max(1, len(before))
    victim.kill()
    gone = time.monotonic()
    while time.monotonic() < begun + _PATIENCE_S:
        time.sleep(0.1)
        after = [requests_since(load.seen, [shard], gone) for shard in shards]
        back = [back_at(seen, NEARLY * share) for seen in after]
        first = [back_at(seen, 0.0, window=1) for seen in after]
        if None not in back and None not in first:
            return {
                "shards": list(shards),
                "engine_share": round(share, 3),
                "first_s": round(max(at - begun for at in first if at is not None), 2),
                "seconds": round(max(at - begun for at in back if at is not None), 2),
            }
    raise DrillTimeoutError(f"shards {list(shards)} did not come back within {_PATIENCE_S:g} s")


def requests_since(
    seen: Sequence[Seen], shards: Sequence[int], since: float, until: float = inf
) -> list[Seen]:
    """The requests of some shards that were due between two moments, by when they were due."""
    found = []
    # From the end: a run of a minute has thirty thousand requests before.
    for each in reversed(seen):
        if each.due < since - 2 * TIMEOUT_S:
            break
        if since <= each.due < until and each.shard in shards:
            found.append(each)
    return sorted(found)


def back_at(requests: Sequence[Seen], share: float, window: int = WINDOW) -> float | None:
    """When the first request was due that the engine answered, and with it ``share`` of a ``window``.

    >>> requests = [Seen(float(at), 0, "FALLBACK" if at < 3 or at == 5 else "ENGINE") for at in range(50)]
    >>> back_at(requests, 0.9), back_at(requests, 1.0), back_at(requests[:10], 0.9)
    (3.0, 6.0, None)
    """
    for at in range(len(requests) - window + 1):
        if _by_engine(requests[at]):
            answered = sum(map(_by_engine, requests[at : at + window]))
            if answered >= share * window:
                return requests[at].due
    return None


def _by_engine(request: Seen) -> bool:
    return request.source == "ENGINE"


def _wait_for_shards(params: KafkaParams, server: ServerProcess) -> list[int]:
    """The shards that a server owns, once the group has settled and it owns some."""
    name = (server.data_dir / "process-id").read_text()[:8]
    patient_until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < patient_until:
        status = read_status(params)
        owned = [each.shard for each in status.shards if name in (each.owner or "")]
        if owned and status.shard_group.state == "Stable" and len(status.shard_group.members) > 1:
            return owned
        time.sleep(0.2)
    raise DrillTimeoutError("the server that was started again gets no shard")


def _sum_up(report: KafkaTakeoverReport, seen: Sequence[Seen]) -> None:
    took = sorted(kill["seconds"] for kill in report.kills)
    report.seconds_median = took[len(took) // 2]
    report.seconds_p95 = took[min(len(took) - 1, int(0.95 * len(took)))]
    counts = Counter(each.source for each in seen)
    report.answers = {source: counts.pop(source, 0) for source in ("ENGINE", "FALLBACK")}
    report.unanswered = dict(counts)
    if report.unanswered:
        report.problems.append(f"requests without an answer: {report.unanswered}")
    if report.seconds_p95 > TARGET_S:
        report.problems.append(f"a take-over took {report.seconds_p95:.1f} s at p95, over {TARGET_S:g} s")


class _Load:
    """Sends payments to a server at a fixed rate, however slow the answers are, until it is closed."""

    def __init__(self, target: str, payments: Iterator[Payment], rate_per_s: float) -> None:
        self._channel = grpc.insecure_channel(target)
        self._decide: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(DECIDE)
        self._payments = payments
        self._rate_per_s = rate_per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.seen: list[Seen] = []
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        for payment in self._payments:
            if self._ended.wait(max(0.0, due - time.monotonic())):
                return
            request = risk_pb2.DecideRequest(payment=PAYMENT.write(payment)).SerializeToString()
            shard = shard_of(payment.tenant, payment.user_id, SHARDS)
            future = self._decide.future(request, timeout=TIMEOUT_S)
            future.add_done_callback(partial(self._note, due, shard))
            due += 1.0 / self._rate_per_s

    def _note(self, due: float, shard: int, done: "grpc.Future[bytes]") -> None:
        error = done.exception()
        if error is None:
            reply = risk_pb2.DecideResponse.FromString(done.result())
            source = str(read_decision(reply.decision).source)
        else:
            source = error.code().name if isinstance(error, grpc.Call) else repr(error)
        self.seen.append(Seen(due, shard, source))

    def close(self) -> None:
        """Stop; returns when what is under way has its answer."""
        self._ended.set()
        self._thread.join()
        time.sleep(2 * TIMEOUT_S)
        self._channel.close()
