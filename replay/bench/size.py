"""How large a shard is with a given number of users, and how soon it answers after a start."""

import random
import resource
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from detectors.events import Channel, Payment
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SHARD_FILE
from replay.gateway import GatewayClient
from replay.run import ReplayParams, run_events
from replay.server_process import ServerProcess
from replay.stream_feed import Progress

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_CATEGORIES: Final = ("5411", "5812", "5541", "5311", "4121", "5732", "5912", "7832")


_USER_SIZES: Final = "SELECT length(value) FROM state WHERE key LIKE 'user/%' ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Size:
    """Figures of one shard; bytes are per user unless named otherwise."""

    users: int
    payments: int
    file_mb: float
    user_state_bytes_median: int
    user_state_bytes_mean: float
    state_bytes: float
    log_bytes: float
    ledger_bytes: float
    build_peak_memory_mb: float
    first_decision_s: float
    server_peak_memory_mb: float

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


def measure_size(users: int, payments_per_user: int, folder: Path, progress: Progress) -> Size:
    """Fill a shard in ``folder`` with payments of ``users`` users, start a server on it, ask it once."""
    payments = users * payments_per_user
    run_events(
        payments_of_many(users, payments),
        folder,
        ReplayParams(default_policy_text(), keep_shard=True),
        progress,
    )
    build_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    path = folder / SHARD_FILE
    with sqlite3.connect(path) as db:
        sizes = [
            row[0] for row in db.execute("SELECT length(value) FROM state WHERE key LIKE 'user/%' ORDER BY 1")
        ]
        state, log, ledger = (
            db.execute(f"SELECT sum(length({column})) FROM {table}").fetchone()[0]
            for table, column in (("state", "value"), ("log", "payload"), ("ledger", "decision"))
        )
    begun = time.perf_counter()
    with ServerProcess(folder) as server, GatewayClient(server.target) as client:
        client.decide(_payment(random.Random(2), payments + 1, users, payments), timeout_s=30.0)
        first = time.perf_counter() - begun
        peak = server.peak_memory_mb()
    return Size(
        users=len(sizes),
        payments=payments,
        file_mb=round(path.stat().st_size / 1e6, 1),
        user_state_bytes_median=sizes[len(sizes) // 2],
        user_state_bytes_mean=round(sum(sizes) / len(sizes), 1),
        state_bytes=round(state / len(sizes), 1),
        log_bytes=round(log / len(sizes), 1),
        ledger_bytes=round(ledger / len(sizes), 1),
        build_peak_memory_mb=round(build_peak, 1),
        first_decision_s=round(first, 2),
        server_peak_memory_mb=round(peak, 1),
    )


def payments_of_many(users: int, count: int) -> Iterator[Payment]:
    """Plain payments of so many users: everybody once, then whoever comes; a month in all."""
    chance = random.Random(1)
    for number in range(count):
        yield _payment(chance, number, users, count)


def _payment(chance: random.Random, number: int, users: int, count: int) -> Payment:
    user = number if number < users else chance.randrange(users)
    return Payment(
        f"t-{number}",
        f"u-{user}",
        int(chance.lognormvariate(7.8, 0.9)) + 1,
        "EUR",
        _START + timedelta(days=30) * (number / count),
        f"m-{int(chance.paretovariate(0.6)) % (users // 50 + 10)}",
        mcc=chance.choice(_CATEGORIES),
        channel=Channel.POS,
        card_token=f"card-{user}",
        device_id=f"dev-{user}",
    )
