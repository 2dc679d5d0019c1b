"""Kill -9 of a real server process at the worst moment: an answer is out and its flow stands still."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.decision import Decision, FallbackCause, Source
from detectors.events import Payment
from flows.codec import encode_decision
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.store import MemoryStore
from flows.task import ShardTask
from replay.gateway import GatewayClient, GatewayError
from replay.server_process import ServerProcess, ServerStartError

STANDS_STILL = ("--drill-stall", "60/0")
PATIENT = {"TAPWATCH_EDGE__DEFAULT_DEADLINE_S": "60"}
PATIENT_S = 60.0


def payment(name: str, amount_minor: int = 1_000) -> Payment:
    return Payment(name, "u-1", amount_minor, "EUR", datetime(2026, 3, 1, 12, tzinfo=UTC), "m-1")


def bytes_of(decisions: list[Decision]) -> list[bytes]:
    return [encode_decision(decision) for decision in decisions]


@pytest.mark.slow
def test_fallback_answers_survive_kill_9_byte_for_byte(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # The flow has the first payment and stands still with it; the others never reach the log.
    payments = [payment(f"t-{number}") for number in range(5)]
    server = ServerProcess(data, STANDS_STILL).start()
    with GatewayClient(server.target) as client:
        given = [client.decide(one, PATIENT_S) for one in payments]
        server.kill()
    assert {answer.fallback_cause for answer in given} == {FallbackCause.DEADLINE}
    for _ in range(2):  # the second time from the ledger alone
        with ServerProcess(data, environment=PATIENT) as server, GatewayClient(server.target) as client:
            found = [client.get_decision(one.transaction_id, timeout_s=PATIENT_S) for one in payments]
            again = [client.decide(one, PATIENT_S) for one in payments]
            assert bytes_of(found) == bytes_of(again) == bytes_of(given)
            with pytest.raises(GatewayError, match="PAYLOAD_CONFLICT"):
                client.decide(payment("t-3", amount_minor=5), PATIENT_S)
    with ServerProcess(data, environment=PATIENT) as server, GatewayClient(server.target) as client:
        assert client.decide(payment("t-new"), PATIENT_S).source is Source.ENGINE
    shard = SqliteShard(data / SHARD_FILE)
    # The policy, a payment with its answer beside it, four answers in place of theirs, and the last one.
    assert shard.end == shard.position == 1 + 2 + 4 + 1
    replayed = MemoryStore()
    task = ShardTask(replayed, shard.find)
    for record in shard.read(0, 100):
        task.apply(record)
    replayed.commit(task.changes())
    for position in range(1, shard.end + 1):
        assert replayed.ledger_row(position) == shard.ledger_row(position)
    shard.close()


@pytest.mark.slow
def test_the_engines_answers_stay_when_a_restarted_flow_stands_still(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(data, environment=PATIENT).start()
    with GatewayClient(server.target) as client:
        given = [client.decide(payment(f"t-{number}"), PATIENT_S) for number in range(5)]
        server.kill()
    server = ServerProcess(data, STANDS_STILL).start()
    with GatewayClient(server.target) as client:
        assert client.decide(payment("t-new"), PATIENT_S).source is Source.FALLBACK
        again = [client.decide(payment(f"t-{number}"), PATIENT_S) for number in range(5)]
        server.kill()
    assert bytes_of(again) == bytes_of(given)


@pytest.mark.slow
def test_a_second_server_on_the_same_folder_ends_with_code_2(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data) as first:
        with pytest.raises(ServerStartError, match="ended with code 2"):
            ServerProcess(data).start()
        said = " ".join((tmp_path / "data.log").read_text(encoding="utf-8").split())
        assert "another process is writing it" in said
        with GatewayClient(first.target) as client:
            assert client.decide(payment("t-1"), PATIENT_S).transaction_id == "t-1"
