"""The shard process for real: killed, orphaned, refused."""

import os
import signal
import subprocess
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.decision import FallbackCause, Source
from alerting.engine import Health
from detectors.events import Payment
from detectors.scoring import ModelParams
from flows.engine import Engine, EngineParams
from flows.frames import Frame, Kind, Line, record_frame
from flows.log import NewRecord
from flows.policy_file import default_policy_text
from flows.shard_process import ShardStart
from flows.shard_spawn import ShardSpawner
from flows.sqlite_shard import ShardFileError, SqliteShard
from flows.supervision import Running

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT_S = 60.0


def payment(name: str) -> Payment:
    return Payment(name, "u-1", 1_000, "EUR", NOON, "m-1")


class Spawned:
    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lines: list[Line] = []

    def __call__(self, start: ShardStart) -> tuple[Line, Running]:
        line, process = ShardSpawner()(start)
        self.lines.append(line)
        self.processes.append(process)
        return line, process


def params(tmp_path: Path) -> EngineParams:
    return EngineParams(tmp_path / "shard.db", default_policy_text())


def test_a_killed_shard_process_is_replaced_and_no_answer_changes(tmp_path: Path) -> None:
    spawned = Spawned()
    with Engine(params(tmp_path), now=lambda: NOON, spawn=spawned) as engine:
        before = engine.submit(payment("t-0"), PATIENT_S).result()
        os.kill(spawned.processes[0].pid, signal.SIGKILL)
        while not engine.restarts or engine.health() is not Health.SERVING:
            threading.Event().wait(0.01)
        assert engine.submit(payment("t-1"), PATIENT_S).result().source is Source.ENGINE
        assert engine.submit(payment("t-0"), PATIENT_S).result() == before
        assert engine.find_decision("default", "t-0") == before
    assert len(spawned.processes) == 2
    assert spawned.processes[1].returncode == 0


def test_who_waits_for_a_shard_process_that_is_killed_gets_the_fallback(tmp_path: Path) -> None:
    spawned = Spawned()
    with Engine(params(tmp_path), now=lambda: NOON, spawn=spawned) as engine:
        engine.submit(payment("t-0"), PATIENT_S).result()
        os.kill(spawned.processes[0].pid, signal.SIGSTOP)
        pending = engine.submit(payment("t-1"), PATIENT_S)
        os.kill(spawned.processes[0].pid, signal.SIGKILL)
        failed = pending.result()
        assert failed.fallback_cause is FallbackCause.FAULT
        assert engine.submit(payment("t-1"), PATIENT_S).result() == failed
    with Engine(params(tmp_path), now=lambda: NOON) as again:
        assert again.submit(payment("t-1"), PATIENT_S).result() == failed


def test_what_came_before_the_line_ended_is_logged_and_applied(tmp_path: Path) -> None:
    line, process = ShardSpawner()(
        ShardStart(tmp_path / "shard.db", default_policy_text(), NOON, ModelParams(), 1_000, 64, 0.01)
    )
    opened: list[Frame] = []
    while not opened:
        opened = line.receive(None)
    assert opened[0].kind == Kind.OPENED
    line.send(record_frame(Kind.PAYMENT, 1, NewRecord.of(payment("t-0"), 1)))
    line.close()
    assert process.wait() == 0
    with closing(SqliteShard(tmp_path / "shard.db")) as shard:
        assert shard.find("payment/default/t-0") == 2
        assert shard.position == 2


def test_a_file_that_is_no_shard_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "shard.db").write_text("no database" * 100)
    with pytest.raises(ShardFileError, match=r"shard\.db"):
        Engine(params(tmp_path), now=lambda: NOON).start()


def test_a_shard_process_that_stands_still_does_not_keep_the_server_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.supervision.STOP_PATIENCE_S", 0.2)
    spawned = Spawned()
    with Engine(params(tmp_path), now=lambda: NOON, spawn=spawned) as engine:
        os.kill(spawned.processes[0].pid, signal.SIGSTOP)
        late = engine.submit(payment("t-0"), 0.01).result()
        assert late.fallback_cause is FallbackCause.DEADLINE
    assert spawned.processes[0].returncode == -signal.SIGKILL
    with Engine(params(tmp_path), now=lambda: NOON) as again:
        assert again.submit(payment("t-0"), PATIENT_S).result() == late


def test_a_shard_process_that_cannot_be_started_again_is_tried_until_it_can(tmp_path: Path) -> None:
    spawned, refusals = Spawned(), iter([False, True, True])

    def spawn(start: ShardStart) -> tuple[Line, Running]:
        if next(refusals, False):
            raise OSError("no more processes")
        return spawned(start)

    with Engine(params(tmp_path), now=lambda: NOON, spawn=spawn) as engine:
        os.kill(spawned.processes[0].pid, signal.SIGKILL)
        while engine.restarts < 3 or engine.health() is not Health.SERVING:
            threading.Event().wait(0.01)
        assert engine.submit(payment("t-0"), PATIENT_S).result().source is Source.ENGINE
