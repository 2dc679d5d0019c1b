"""Alerts: many subscribers, some slow, some killed, and a server killed again and again."""

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alerting.alerts import BUCKETS, bucket_of
from detectors.events import Payment
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.subscription_file import SUBSCRIPTIONS_FILE, read_subscriptions
from replay.drills.alert_crowd import HEARTBEAT_S, Crowd, silent_peer_noticed_s
from replay.drills.alert_subscriber import Plan, arguments_of, read_journal
from replay.drills.assassin import PATIENT, Assassin, Say, payments_needed
from replay.drills.needs import require_payments
from replay.gateway import GatewayClient, GatewayError, RpcProblem
from replay.history import Deliveries, Raised, Step, check_deliveries
from replay.server_process import ServerProcess

START: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
USERS: Final = 2_000
IN_ONE_PROCESS: Final = 45
KILLED_TOGETHER: Final = 5
SLOW_S: Final = 0.03
PATIENCE_S: Final = 60.0
"""How long the subscribers may make no progress before the drill gives up on them."""
SLACK_S: Final = 1.0
"""What a busy machine and looking at the metrics may add to two heartbeats."""
RULE: Final = """
[[rules]]
id = "all"
when = "amount >= 0"
action = "STEP_UP"
"""


@dataclass(slots=True)
class AlertsReport:
    """What was raised, delivered and killed, and how long it took."""

    alerts: int = 0
    subscribers: int = 0
    server_kills: int = 0
    subscriber_kills: int = 0
    deliveries: int = 0
    deliveries_again: int = 0
    seconds: float = 0.0
    silent_peer_noticed_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)


def alerts_drill(
    alerts: int,
    folder: Path,
    subscribers: int = 200,
    slow: int = 20,
    killed: int = 20,
    kills: int = 5,
    seed: int = 1,
    say: Say = lambda _: None,
) -> AlertsReport:
    """Raise ``alerts`` on a server that is killed ``kills`` times, for subscribers that share the users.

    Of the subscribers, ``slow`` take their time over each alert, and ``killed`` are killed and started again,
    some at a time, as often as the server. In the end each must be done with each of its alerts.

    Raises
    ------
    TooFewPaymentsError
        When so many kills would leave no server to ask.
    """
    require_payments("alerts", alerts, payments_needed(kills))
    report = AlertsReport(subscribers=subscribers)
    plans = _plans(subscribers, slow)
    journals = folder / "journals"
    journals.mkdir(parents=True)
    server = _server(folder)
    begun = time.monotonic()
    with _running(plans, killed, server, journals, kills, seed) as crowd:
        try:
            report.server_kills = _send_all(_payments(alerts), server, kills, seed, crowd, report.problems)
            say(f"{alerts} alerts raised through {report.server_kills} kills of the server")
            raised = _raised(folder / "data", plans)
            _wait_for(raised, plans, journals, report)
            report.problems += _not_kept(raised, folder / "data")
            report.seconds = round(time.monotonic() - begun, 1)
            report.silent_peer_noticed_s = silent_peer_noticed_s(server, journals)
        finally:
            crowd.stop()
            server.stop_if_running()
    report.subscriber_kills = crowd.kills
    if report.silent_peer_noticed_s > 2 * HEARTBEAT_S + SLACK_S:
        report.problems.append(f"a silent subscriber was noticed after {report.silent_peer_noticed_s} s")
    _check(raised, plans, journals, report)
    say(f"{report.deliveries} deliveries in {report.seconds} s, {report.deliveries_again} of them repeats")
    return report


def _plans(subscribers: int, slow: int) -> list[Plan]:
    edges = [BUCKETS * number // subscribers for number in range(subscribers + 1)]
    return [
        Plan(
            f"worker-{number:03}",
            (edges[number], edges[number + 1]),
            pause_s=SLOW_S if number < slow else 0.0,
            max_in_flight=4 if number < slow else 64,
        )
        for number in range(subscribers)
    ]


def _server(folder: Path) -> ServerProcess:
    policy = folder / "policy.toml"
    text = default_policy_text().replace("expires_s = 600\n", "expires_s = 604800\n")
    policy.write_text(text + RULE)
    with socket.socket() as free:  # the subscribers find each life of the server at one address
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("--listen", f"127.0.0.1:{port}", "--policy", str(policy))
    return ServerProcess(folder / "data", arguments, PATIENT).start()


def _payments(count: int) -> list[Payment]:
    chance = random.Random(count)
    return [
        Payment(
            f"t-{number}",
            f"u-{chance.randrange(USERS)}",
            chance.randrange(100, 50_000),
            "EUR",
            START + timedelta(milliseconds=10 * number),
            f"m-{chance.randrange(50)}",
        )
        for number in range(count)
    ]


@contextmanager
def _running(
    plans: Sequence[Plan], killed: int, server: ServerProcess, journals: Path, kills: int, seed: int
) -> Iterator[Crowd]:
    mortal = _grouped(plans[-killed:] if killed else [], KILLED_TOGETHER)
    others = _grouped(plans[: len(plans) - killed], IN_ONE_PROCESS)
    commands = [arguments_of(group, server.target, journals) for group in (*mortal, *others)]
    crowd = Crowd(commands, len(mortal), kills * len(mortal), seed)
    crowd.start()
    yield crowd


def _grouped(plans: Sequence[Plan], size: int) -> list[list[Plan]]:
    return [list(plans[at : at + size]) for at in range(0, len(plans), size)]


def _send_all(
    payments: Sequence[Payment],
    server: ServerProcess,
    kills: int,
    seed: int,
    crowd: Crowd,
    problems: list[str],
) -> int:
    """Send in order, again what has no answer, to a server that is killed; returns how often it was."""
    assassin = Assassin(server, kills, seed)
    assassin.start()
    at = 0
    try:
        while at < len(payments):
            with GatewayClient(server.target) as client:
                try:
                    for answer in client.decide_stream(payments[at:]):
                        if isinstance(answer, RpcProblem):
                            problems.append(f"{answer.code} {answer.message}")
                        at += 1
                        crowd.progress = assassin.progress = at / len(payments)
                except GatewayError:
                    pass  # the server died
            if at < len(payments):
                assassin.wait_for_restart()
    finally:
        assassin.stop()
    return assassin.done


def _raised(data: Path, plans: Sequence[Plan]) -> list[Raised]:
    """What the outbox holds, once all of it is committed."""
    with closing(SqliteShard.open_reader(data / SHARD_FILE)) as shard:
        while shard.position < shard.end:
            time.sleep(0.05)
        rows = shard.alert_rows((0, 0), 1 << 31)
    ends = [plan.users[1] for plan in plans]
    found = []
    for row in rows:
        if row.suppressed is None:
            bucket = bucket_of(row.tenant, row.user_id)
            name = next(plan.name for plan, end in zip(plans, ends, strict=True) if bucket < end)
            found.append(Raised(row.alert_id, row.user_id, name))
    return found


def _wait_for(raised: Sequence[Raised], plans: Sequence[Plan], journals: Path, report: AlertsReport) -> None:
    """Return when all is done with, or nothing happens any more."""
    known, patient_until = -1, time.monotonic() + PATIENCE_S
    while time.monotonic() < patient_until:
        count = sum(_done(plan, journals) for plan in plans)
        if count >= len(raised):
            return
        if count > known:
            known, patient_until = count, time.monotonic() + PATIENCE_S
        time.sleep(0.5)
    report.problems.append(
        f"{len(raised) - known} alerts are not done with after {PATIENCE_S:g} s of silence"
    )


def _not_kept(raised: Sequence[Raised], data: Path) -> list[str]:
    """What subscribers are done with by their own account and not by the server's."""
    with closing(SqliteShard.open_reader(data / SHARD_FILE)) as shard:
        last = {each.subscriber: shard.alerts.named(each.alert_id)[0][:2] for each in raised}
    patient_until = time.monotonic() + PATIENCE_S
    while True:
        marks = {each.name.name: each.mark[:2] for each in read_subscriptions(data / SUBSCRIPTIONS_FILE)}
        behind = [name for name, place in last.items() if marks[name] < place]
        if not behind or time.monotonic() > patient_until:
            return [f"{name}: the server does not know that all is done with" for name in behind]
        time.sleep(0.5)


def _done(plan: Plan, journals: Path) -> int:
    seen = read_journal(plan.journal(journals))
    return len({each.alert_id for each in seen if each.step in (Step.ACKED, Step.EXPIRED)})


def _check(raised: Sequence[Raised], plans: Sequence[Plan], journals: Path, report: AlertsReport) -> None:
    seen = {plan.name: read_journal(plan.journal(journals)) for plan in plans}
    report.alerts = len(raised)
    delivered = Counter(
        each.alert_id for steps in seen.values() for each in steps if each.step is Step.DELIVERED
    )
    report.deliveries, report.deliveries_again = delivered.total(), delivered.total() - len(delivered)
    findings = check_deliveries(Deliveries(raised, seen))
    kinds = Counter(finding.fault for finding in findings)
    report.problems += [f"{fault}: {count} times" for fault, count in sorted(kinds.items())]
    report.problems += [finding.sentence for finding in findings[:10]]
