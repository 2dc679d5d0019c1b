"""The serving process: what it says when it can't start, when it is ready, and what it exports."""

import json
import socket
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alerting.engine import Health
from alerting.rpc.server import EdgeServer
from flows.engine import Engine
from flows.policy_file import default_policy_text
from flows.serve_command import reload_policy
from flows.serving import Serving, ServingError
from flows.sqlite_shard import SqliteShard
from tests.flows.settings_made import settings
from tests.flows.shard_threads import on_threads


@contextmanager
def serving(tmp_path: Path, **changed: Any) -> Iterator[Serving]:
    process = Serving(settings(tmp_path, **changed), default_policy_text())
    process.start()
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def taken_address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("name", ["listen", "operator_listen"])
def test_a_taken_address_is_named_with_its_setting(tmp_path: Path, name: str) -> None:
    with taken_address() as address, pytest.raises(ServingError) as caught:
        Serving(settings(tmp_path, **{name: address}), default_policy_text())
    assert str(caught.value) == (
        f"{name}: '{address}': Address already in use; allowed: an address of this machine with a free port"
    )


@pytest.mark.parametrize("name", ["listen", "operator_listen"])
def test_a_host_that_is_not_this_machine_is_named_with_its_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ServingError, match=rf"^{name}: '192\.0\.2\.1:0': Cannot assign requested address; all"
    ):
        Serving(settings(tmp_path, **{name: "192.0.2.1:0"}), default_policy_text())


def test_a_second_server_on_the_folder_is_told_so_and_leaves_its_port(tmp_path: Path) -> None:
    with taken_address() as free_soon:
        pass
    with serving(tmp_path):
        second = Serving(settings(tmp_path, operator_listen=free_soon), default_policy_text())
        with pytest.raises(ServingError, match=r"^data_dir: '.*data'.*another process is writing it"):
            second.start()
    with serving(tmp_path, operator_listen=free_soon):
        pass


def test_a_disk_without_room_is_told_as_a_problem_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: SqliteShard) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SqliteShard, "reserve_log", full)
    process = Serving(settings(tmp_path), default_policy_text(), spawn=on_threads())
    with pytest.raises(ServingError, match=r"^data_dir: .*: database or disk is full; allowed: "):
        process.start()


def test_the_process_lives_before_it_is_ready_and_is_ready_when_grpc_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []
    process = Serving(settings(tmp_path), default_policy_text())
    start_engine, start_edge = Engine.start, EdgeServer.start

    def watched_engine(self: Engine) -> None:
        seen.append(get(process.operator_port, "/livez"))
        start_engine(self)

    def watched_edge(self: EdgeServer) -> None:
        seen.append(get(process.operator_port, "/readyz"))
        start_edge(self)

    monkeypatch.setattr(Engine, "start", watched_engine)
    monkeypatch.setattr(EdgeServer, "start", watched_edge)
    process.start()
    try:
        while process.engine.health() is Health.STARTING:
            pass
        seen.append(get(process.operator_port, "/readyz?verbose"))
    finally:
        process.stop()
    assert [status for status, _ in seen] == [200, 503, 200]
    assert json.loads(seen[2][1]) == {"health": "SERVING"}
    assert process.health() is Health.NOT_SERVING


def test_an_unforeseen_error_at_the_start_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: EdgeServer) -> None:
        raise TypeError("planted")

    monkeypatch.setattr(EdgeServer, "start", break_down)
    process = Serving(settings(tmp_path), default_policy_text())
    with pytest.raises(TypeError, match="planted"):
        process.start()
    assert "shard-flow" not in {thread.name for thread in threading.enumerate()}


def test_metrics_say_what_runs_how_it_is_and_how_often_the_flow_was_started(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        status, text = get(process.operator_port, "/metrics")
        unknown, _ = get(process.operator_port, "/")
    assert (status, unknown) == (200, 404)
    assert "_created" not in text
    assert "# TYPE tapwatch_flow_restarts_total counter" in text
    assert "\ntapwatch_flow_restarts_total 0.0" in text
    assert '\ntapwatch_build_info{python="3.' in text
    assert 'tapwatch_health{tapwatch_health="NOT_SERVING"} 0.0' in text
    assert text.count("tapwatch_health{") == len(Health)


def test_an_unchanged_policy_is_not_logged_again_and_a_changed_one_is(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(default_policy_text())
    with serving(tmp_path) as process, capture_logs() as lines:
        wanted = settings(tmp_path, policy_file=policy)
        reload_policy(process, wanted)
        policy.write_text(default_policy_text() + "# another\n")
        reload_policy(process, wanted)
        reload_policy(process, wanted)
    assert [line["event"] for line in lines] == ["policy_unchanged", "policy_activated", "policy_unchanged"]
    assert lines[1]["position"] == 2
    shard = SqliteShard(tmp_path / "data" / "shard.db")
    assert shard.end == 2
    shard.close()


@pytest.mark.parametrize("content", [b"label = 3", b"\xff", None])
def test_a_policy_that_cannot_be_used_is_refused_with_its_problems(
    tmp_path: Path, content: bytes | None
) -> None:
    policy = tmp_path / "policy.toml"
    if content is not None:
        policy.write_bytes(content)
    with serving(tmp_path) as process, capture_logs() as lines:
        reload_policy(process, settings(tmp_path, policy_file=policy))
    (line,) = lines
    assert (line["event"], line["kept"]) == ("policy_refused", "the policy in force")
    assert all(str(policy) in problem for problem in line["problems"])


def test_a_dead_flow_takes_no_policy_the_log_says_why_and_the_server_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("planted")

    policy = tmp_path / "policy.toml"
    policy.write_text(default_policy_text() + "# another\n")
    wanted = settings(tmp_path, policy_file=policy)
    monkeypatch.setattr("flows.supervision.RESTART_WAIT_S", (0.01,))
    with monkeypatch.context() as dead, capture_logs() as lines:
        dead.setattr("flows.shard_process.run_flow", die)
        process = Serving(settings(tmp_path), default_policy_text(), spawn=on_threads())
        process.start()
        reload_policy(process, wanted)
    try:
        (refusal,) = (line for line in lines if line["event"] != "shard_process_ended")
        assert (refusal["event"], refusal["kept"]) == ("policy_not_activated", "the policy in force")
        assert refusal["reason"]
        assert get(process.operator_port, "/livez") == (200, "alive\n")
        while process.health() is not Health.SERVING:
            pass
        with capture_logs() as lines:
            reload_policy(process, wanted)
        assert [line["event"] for line in lines] == ["policy_activated"]
    finally:
        process.stop()
