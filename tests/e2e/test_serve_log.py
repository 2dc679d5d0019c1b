"""`tapwatch serve` as a process: what it writes to standard error, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerting.decision import FallbackCause
from detectors.events import Payment
from flows.policy_file import default_policy_text
from replay.gateway import GatewayClient

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JSON_LOG = {"TAPWATCH_LOG_FORMAT": "json"}


class Server:
    """A server process whose standard error is kept in a file."""

    def __init__(
        self, folder: Path, arguments: Sequence[object] = (), environment: Mapping[str, str] = JSON_LOG
    ) -> None:
        self._log = folder / "log"
        command = [sys.executable, "-m", "replay", "serve", "--data-dir", str(folder / "data")]
        command += ["--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", *map(str, arguments)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
            )

    def first_line(self) -> dict[str, Any]:
        """What it says on standard output once it serves."""
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        out, _ = self._process.communicate(timeout=60)
        assert out == ""
        return self._process.returncode

    def text(self) -> str:
        """All that it wrote to standard error."""
        return self._log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The same, each line read as JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first line about ``event``, as soon as it is there."""
        while self._process.poll() is None:
            found = [line for line in self.text().splitlines(keepends=True) if f'"{event}"' in line]
            if found and found[0].endswith("\n"):
                line: dict[str, Any] = json.loads(found[0])
                return line
        raise AssertionError(f"the server ended without {event}: {self.text()}")


@pytest.mark.slow
def test_every_line_is_json_whatever_happens(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(default_policy_text())
    server = Server(tmp_path, ["--policy", policy, "--drill-die-at", 2])
    port = server.first_line()["port"]
    with GatewayClient(f"127.0.0.1:{port}") as client:
        answers = [
            client.decide(Payment(f"t-{n}", "u-1", 100, "EUR", NOON, "m-1"), timeout_s=30) for n in (1, 2)
        ]
        assert server.wait_for("flow_died")["level"] == "error"
        server.signal(signal.SIGHUP)
        server.wait_for("policy_unchanged")
        policy.write_text("label = 3")
        server.signal(signal.SIGHUP)
        assert f"{policy}: label: 3; allowed: a text" in server.wait_for("policy_refused")["problems"]
        policy.write_text(default_policy_text() + "# another\n")
        server.signal(signal.SIGHUP)
        server.wait_for("policy_activated")
    server.signal(signal.SIGTERM)
    assert server.ended() == 0
    assert answers[1].fallback_cause is FallbackCause.FAULT
    (death,) = (line for line in server.lines() if line["event"] == "flow_died")
    assert "planted at payment 2" in death["error"]


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["listen", "operator-listen"])
def test_a_server_that_cannot_start_says_why_and_exits_2(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        as_json = Server(tmp_path, [f"--{setting}", address])
        assert as_json.ended() == 2
        (line,) = as_json.lines()
        (problem,) = line["problems"]
        assert line["event"] == "not_started"
        assert problem.startswith(
            f"{setting.replace('-', '_')}: '{address}': Address already in use; allowed: "
        )
        as_text = Server(tmp_path, [f"--{setting}", address], {})
        assert as_text.ended() == 2
        assert as_text.text() == f"error: {problem}\n"


@pytest.mark.slow
def test_bad_settings_are_told_in_the_wanted_form(tmp_path: Path) -> None:
    server = Server(tmp_path, environment={**JSON_LOG, "TAPWATCH_LSITEN": "h:1", "TAPWATCH_ENGINE": "x"})
    assert server.ended() == 2
    (line,) = server.lines()
    assert [problem.partition(":")[0] for problem in line["problems"]] == [
        "TAPWATCH_LSITEN",
        "TAPWATCH_ENGINE",
    ]
