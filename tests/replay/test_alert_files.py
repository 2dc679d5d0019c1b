"""The alerts of a run: written, read back, digested, counted and compared."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.alerts import AlertKind
from alerting.delivery.reasons import Suppression
from flows.cli import Exit
from flows.codec import encode_alert
from flows.policy_file import default_policy_text
from replay.alert_diff import AlertDiff, diff_alerts
from replay.alerts import AlertWriter, CandidateRow, read_alerts
from replay.cli import app
from replay.decisions import DecisionWriter
from replay.errors import RunError
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.alerting.alerts_made import a_payment_alert, a_proximity_alert
from tests.replay.events_made import a_payment

ROWS = [
    CandidateRow(0, a_payment_alert(1), None),
    CandidateRow(0, a_payment_alert(2, kind=AlertKind.FRAUD_ALERT), Suppression.NOT_JUDGED),
    CandidateRow(1, a_proximity_alert(2), None),
]
RULES = (
    default_policy_text()
    + """
[[rules]]
id = "large"
when = "amount >= 0"
action = "STEP_UP"
"""
)


def written(folder: Path, rows: list[CandidateRow]) -> Path:
    folder.mkdir()
    with AlertWriter(folder) as writer:
        for row in rows:
            writer.write(row)
    with DecisionWriter(folder):
        pass
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    assert list(read_alerts(written(tmp_path / "run", ROWS))) == ROWS


def test_candidates_are_those_sent_and_those_suppressed(tmp_path: Path) -> None:
    with AlertWriter(tmp_path) as writer:
        for row in ROWS:
            writer.write(row)
    said = writer.summary()
    assert said["alert_candidates"] == 3
    assert said["alerts_sent"] == {"PROXIMITY": 1, "STEP_UP_REQUEST": 1}
    assert said["alerts_suppressed"] == {"NOT_JUDGED": 1}
    reasons = (b"", b"NOT_JUDGED", b"")
    lines = (
        b"%b %b\n" % (encode_alert(row.alert), reason) for row, reason in zip(ROWS, reasons, strict=True)
    )
    assert said["alerts_sha256"] == sha256(b"".join(lines)).hexdigest()


def test_runs_with_the_same_alerts_are_identical(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", ROWS), written(tmp_path / "b", ROWS)
    assert diff_alerts(a, b) == AlertDiff(3, 3)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (ROWS[1:], {"only_a": 1}),
        ([*ROWS, ROWS[0]], {"only_b": 1}),
        ([ROWS[1], ROWS[0], ROWS[2]], {"moved": 1}),
        ([ROWS[0]._replace(suppressed="NOT_JUDGED"), *ROWS[1:]], {"changed": 1}),
        ([ROWS[0]._replace(alert=replace(ROWS[0].alert, collapse_key="k")), *ROWS[1:]], {"changed": 1}),
        ([ROWS[0]._replace(seq=4), *ROWS[1:]], {"changed": 1}),
    ],
)
def test_every_difference_is_counted(
    tmp_path: Path, rows: list[CandidateRow], wanted: dict[str, int]
) -> None:
    found = diff_alerts(written(tmp_path / "a", ROWS), written(tmp_path / "b", rows))
    assert found is not None
    counts = ("only_a", "only_b", "changed", "moved")
    assert {name: getattr(found, name) for name in counts if getattr(found, name)} == wanted
    assert not found.identical


def test_another_end_is_told_and_the_command_fails(tmp_path: Path) -> None:
    a = written(tmp_path / "a", ROWS)
    b = written(tmp_path / "b", [ROWS[0]._replace(suppressed="NOT_JUDGED"), *ROWS[1:]])
    done = CliRunner().invoke(app, ["diff", str(a), str(b)])
    assert done.exit_code == Exit.DIFFERENCE
    assert "sent -> NOT_JUDGED" in done.output


def test_a_run_without_alerts_on_record_is_compared_by_its_decisions(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", ROWS), written(tmp_path / "b", [])
    (b / "alerts.parquet").unlink()
    assert diff_alerts(a, b) is None
    done = CliRunner().invoke(app, ["diff", str(a), str(b)])
    assert done.exit_code == Exit.DONE
    assert "Alerts are not compared" in done.output


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ROWS)
    (folder / "alerts.parquet").write_bytes(b"no parquet")
    with pytest.raises(RunError, match=r"alerts\.parquet: is damaged"):
        list(read_alerts(folder))


@pytest.mark.parametrize("how", ["batch 1", "plain", "kept shard"])
def test_a_replay_gives_the_same_alerts_in_every_way(tmp_path: Path, how: str) -> None:
    stream = tmp_path / "s.jsonl"
    with StreamWriter(stream) as writer:
        for number in range(200):
            writer.write(a_payment(number, minutes=number))
    first = replay([stream], tmp_path / "a", ReplayParams(RULES))
    ways = {
        "batch 1": ReplayParams(RULES, batch_size=1),
        "plain": ReplayParams(RULES, plain=True),
        "kept shard": ReplayParams(RULES, keep_shard=True),
    }
    second = replay([stream], tmp_path / "b", ways[how])
    assert first["alert_candidates"] == sum(first["alerts_sent"].values()) == 200
    assert first["alerts_sha256"] == second["alerts_sha256"]
    if how == "kept shard":
        other = tmp_path / "b" / "shard.db"
        done = CliRunner().invoke(app, ["diff", str(tmp_path / "a"), str(other)])
        assert (done.exit_code, "200 alert candidates" in done.output) == (Exit.DONE, True), done.output


def test_what_changed_in_an_alert_is_named(tmp_path: Path) -> None:
    near = a_proximity_alert(2)
    assert near.proximity is not None
    other = replace(near, proximity=replace(near.proximity, probability=0.5))
    before = written(tmp_path / "a", [ROWS[0], CandidateRow(1, near, None)])
    after = written(tmp_path / "b", [ROWS[0], CandidateRow(1, other, None)])
    report = diff_alerts(before, after)
    assert report is not None
    (example,) = report.examples
    assert example.endswith("sent at log position 2; probability 0.62 -> 0.5")
