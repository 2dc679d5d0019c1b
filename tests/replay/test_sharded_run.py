"""Replays by several shards."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from detectors.events import Outcome, OutcomeKind, Verdict
from flows.codec import BadRecord, Event
from flows.policy_file import default_policy_text, parse_policy
from flows.sharding import shard_of
from flows.sqlite_shard import SqliteShard
from replay.cli import app
from replay.decisions import read_decisions
from replay.evaluate import evaluate
from replay.run import ReplayParams, replay, run_events
from replay.streams import StreamWriter
from tests.replay.events_made import NOON, a_payment

TEXT = default_policy_text()


def events(count: int = 400) -> list[Event]:
    made: list[Event] = []
    for number in range(count):
        paid = a_payment(number, minutes=11 * number)
        made.append(paid)
        if number % 40 == 39:
            when = paid.event_time + timedelta(minutes=1)
            report = OutcomeKind.FRAUD_REPORT
            made.append(
                Outcome(f"o-{number}", paid.transaction_id, paid.user_id, report, Verdict.FRAUD, when)
            )
    return made


def a_run(folder: Path, **params: Any) -> dict[str, Any]:
    return run_events(iter(events()), folder, ReplayParams(TEXT, **params))


def test_the_same_streams_give_the_same_decisions_by_several_shards(tmp_path: Path) -> None:
    first, second = (a_run(tmp_path / name, shards=4) for name in "ab")
    assert first["decisions_sha256"] == second["decisions_sha256"]
    assert first["shards"] == second["shards"]
    assert sum(shard["decisions"] for shard in first["shards"]) == first["decisions"] == 400
    assert sum(shard["knowledge_events"] for shard in first["shards"]) > 4


def test_decisions_stand_in_the_order_of_the_events(tmp_path: Path) -> None:
    a_run(tmp_path / "run", shards=3)
    found = list(read_decisions(tmp_path / "run"))
    assert [decision.transaction_id for decision in found] == [f"t-{number}" for number in range(400)]
    positions = [d.log_position for d in found if shard_of("default", d.user_id, 3) == 1]
    assert positions == sorted(set(positions))


def test_one_shard_decides_as_ever(tmp_path: Path) -> None:
    single, plain = a_run(tmp_path / "a", shards=1), a_run(tmp_path / "b")
    assert single["decisions_sha256"] == plain["decisions_sha256"]
    assert "shards" not in single


def test_without_pooling_nothing_is_told(tmp_path: Path) -> None:
    apart = a_run(tmp_path / "apart", shards=4, pooled=False)
    assert all(shard["knowledge_events"] == 0 for shard in apart["shards"])
    assert apart["decisions_sha256"] != a_run(tmp_path / "pooled", shards=4)["decisions_sha256"]


def test_each_shard_keeps_its_own_log(tmp_path: Path) -> None:
    summary = a_run(tmp_path / "run", shards=2, keep_shard=True)
    for number, of_shard in enumerate(summary["shards"]):
        shard = SqliteShard.open_reader(tmp_path / "run" / f"shard-{number:04}.db")
        log = [record.event for record in shard.read(0, 10_000)]
        shard.close()
        assert len(log) == of_shard["log_end"]
        told = [event for event in log if event.kind == "shard_knowledge"]
        other = summary["shards"][1 - number]
        assert len(told) == other["knowledge_events"]
        assert (
            len(log) - len(told) == of_shard["decisions"] + len([e for e in log if e.kind == "outcome"]) + 1
        )


def test_knowledge_of_a_recorded_stream_is_left_out(tmp_path: Path) -> None:
    a_run(tmp_path / "run", shards=2, keep_shard=True)
    shard = SqliteShard.open_reader(tmp_path / "run" / "shard-0000.db")
    known = [record.event for record in shard.read(0, 10_000) if record.event.kind == "shard_knowledge"]
    shard.close()
    assert known
    mixed = run_events(iter([*known, *events()]), tmp_path / "mixed", ReplayParams(TEXT, shards=2))
    again = a_run(tmp_path / "again", shards=2)
    assert mixed["decisions_sha256"] == again["decisions_sha256"]


def test_repeats_and_conflicts_are_told_apart(tmp_path: Path) -> None:
    paid = events()[:50]
    other = a_payment(3, minutes=9_000)
    stream: list[Event] = [*paid, paid[7], other]
    summary = run_events(iter(stream), tmp_path / "run", ReplayParams(TEXT, shards=3))
    assert (summary["duplicates"], summary["dead_letters"]) == (1, 1)


def test_a_policy_in_the_stream_reaches_every_shard(tmp_path: Path) -> None:
    text = TEXT + '\n[[rules]]\nid = "all"\nwhen = "amount > 0"\naction = "REVIEW"\n'
    later = PolicyActivated(text, parse_policy(text).version, NOON + timedelta(days=1))
    stream = events(100)
    run_events(iter([*stream[:50], later, *stream[50:]]), tmp_path / "run", ReplayParams(TEXT, shards=4))
    versions = [decision.policy_version for decision in read_decisions(tmp_path / "run")]
    assert versions[-40:] == [later.version] * 40
    assert versions[:40] == [parse_policy(TEXT).version] * 40
    assert later.event_time > EARLIEST


def test_a_bad_line_is_a_dead_letter_and_the_rest_is_decided(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    with StreamWriter(path) as writer:
        for event in events(30):
            writer.write(event)
    path.write_bytes(b"no event\n" + path.read_bytes())
    summary = replay([path], tmp_path / "run", ReplayParams(TEXT, shards=2))
    assert (summary["dead_letters"], summary["decisions"]) == (1, 30)


def test_the_command_replays_by_shards_and_the_run_can_be_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    with StreamWriter(path) as writer:
        for event in events():
            assert not isinstance(event, BadRecord)
            writer.write(event)
    out = tmp_path / "run"
    ran = CliRunner().invoke(app, ["replay", str(path), "--out", str(out), "--shards", "4", "--no-pooling"])
    assert ran.exit_code == 0, ran.output
    found = evaluate(out)
    assert (found.payments, found.ranking.frauds) == (400, 10)


@pytest.mark.parametrize("shards", ["0", "2000"])
def test_the_number_of_shards_has_bounds(shards: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["replay", "x.jsonl", "--out", str(tmp_path / "o"), "--shards", shards])
    assert ran.exit_code == 2
