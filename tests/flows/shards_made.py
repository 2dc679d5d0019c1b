"""Builders of logs with a task over them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from detectors.events import (
    Channel,
    Outcome,
    OutcomeKind,
    Payment,
    ThreeDSStatus,
    Verdict,
)
from detectors.profile import UserProfile
from flows import keys
from flows.alert_params import AlertParams
from flows.codec import Event
from flows.habit_stage import WatchVisits
from flows.log import MemoryLog, NewRecord
from flows.outputs import Decided, Output
from flows.policy_file import default_policy_text, parse_policy
from flows.store import MemoryStore
from flows.task import ShardTask

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRICT_FOR_CASINOS = (
    default_policy_text()
    + """
[[rules]]
id = "casino"
when = "mcc == '7995'"
action = "STEP_UP"
"""
)


def policy(text: str = STRICT_FOR_CASINOS) -> PolicyActivated:
    return PolicyActivated(text, parse_policy(text).version, EARLIEST)


def payment(number: int, **changes: object) -> Payment:
    made = Payment(
        f"t-{number}",
        f"u-{number % 3}",
        1_000 + 37 * (number % 11),
        "EUR",
        NOON + timedelta(minutes=7 * number),
        f"m-{number % 5}",
        mcc="5411",
        device_id=f"dev-{number % 3}",
        card_token=f"card-{number % 3}",
        channel=Channel.ECOMMERCE,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def outcome(number: int, verdict: Verdict = Verdict.GENUINE, user: str | None = None) -> Outcome:
    name = user or f"u-{number % 3}"
    when = NOON + timedelta(days=1, minutes=number)
    return Outcome(f"o-{number}", f"t-{number}", name, OutcomeKind.ANALYST, verdict, when)


def passed_challenge(number: int) -> Outcome:
    made = outcome(number, Verdict.UNDECIDED)
    return replace(made, outcome_kind=OutcomeKind.STEP_UP, three_ds_status=ThreeDSStatus.Y)


class Shard:
    """A log and a task over it, both in memory."""

    def __init__(
        self,
        events: Sequence[Event] = (),
        store: MemoryStore | None = None,
        watch_visits: WatchVisits | None = None,
        alerts: AlertParams | None = None,
    ) -> None:
        self.log = MemoryLog()
        self.store = store or MemoryStore()
        self.task = ShardTask(self.store, self.log.find, watch_visits=watch_visits, alerts=alerts)
        self.outputs: list[Output] = []
        self.add(policy(), *events)

    def add(self, *events: Event) -> list[Output]:
        """Append events and apply those that are new."""
        before = self.log.end
        self.log.append([NewRecord.of(event) for event in events])
        fresh = [o for record in self.log.read(before, 10_000) for o in self.task.apply(record)]
        self.outputs += fresh
        return fresh

    def commit(self) -> None:
        self.store.commit(self.task.changes())

    def user(self, name: str) -> UserProfile:
        self.commit()
        raw = self.store.load(keys.user("default", name))
        return UserProfile() if raw is None else UserProfile.unpack(raw)


def decided(outputs: Sequence[Output]) -> list[Decided]:
    return [output for output in outputs if isinstance(output, Decided)]


def norms(profile: UserProfile) -> tuple[object, ...]:
    return (profile.norms.tolist(), profile.seen.tolist(), profile.position_s)
