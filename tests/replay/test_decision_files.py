"""The decisions and outcomes of a run as files."""

import tempfile
from datetime import UTC
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq  # pyarrow ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.decision import Decision, Reason, StepUpAdvice
from detectors.events import Outcome
from flows.codec import encode_decision
from replay.decisions import (
    ROW_GROUP,
    DecisionWriter,
    OutcomeWriter,
    digest_decisions,
    read_decisions,
    read_outcomes,
)
from replay.errors import RunError
from tests.replay.runs_made import MONDAY, a_decision, a_fallback, a_run, an_outcome, payment_of

times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))
numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe_numbers = st.none() | numbers
texts = st.text(max_size=8)
decisions = st.builds(
    Decision,
    event_time=times,
    score=numbers,
    raw_score=numbers,
    log_position=st.integers(0, 2**62),
    reasons=st.lists(
        st.builds(
            Reason,
            value=numbers,
            usual_low=maybe_numbers,
            usual_high=maybe_numbers,
            weight=numbers,
            code=texts,
            unit=texts,
            subject=texts,
        ),
        max_size=3,
    ).map(tuple),
    rule_ids=st.lists(texts, max_size=3).map(tuple),
    step_up=st.builds(
        StepUpAdvice, tra_band_eur=st.none() | st.integers(0, 500), expires_at=st.none() | times
    ),
)


@settings(max_examples=25, deadline=None)
@given(written=st.lists(decisions, max_size=8))
def test_any_decisions_come_back_bit_by_bit(written: list[Decision]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with DecisionWriter(folder) as writer:
            for decision in written:
                writer.write(decision)
        back = list(read_decisions(folder))
        assert back == written
        assert digest_decisions(folder) == writer.decisions_sha256


def test_the_digest_is_over_the_canonical_bytes_one_line_each(tmp_path: Path) -> None:
    made = [a_decision(1), a_fallback(1, 2)]
    with DecisionWriter(tmp_path) as writer:
        for decision in made:
            writer.write(decision)
    wanted = sha256(b"".join(encode_decision(decision) + b"\n" for decision in made)).hexdigest()
    assert (writer.decisions_sha256, writer.count) == (wanted, 2)


def test_more_rows_than_a_row_group_keep_their_order(tmp_path: Path) -> None:
    made = [a_decision(number) for number in range(ROW_GROUP + 3)]
    a_run(tmp_path, made)
    assert list(read_decisions(tmp_path)) == made
    assert pq.ParquetFile(tmp_path / "decisions.parquet").num_row_groups == 2


def test_the_file_can_be_read_by_any_tool_with_money_and_what_was_replaced(tmp_path: Path) -> None:
    engine, fallback = a_decision(7), a_fallback(7, 9)
    with DecisionWriter(tmp_path) as writer:
        writer.write(engine, payment_of(engine, 250, "JPY"))
        writer.write(fallback, replaces_position=7)
    first, second = pq.read_table(tmp_path / "decisions.parquet").to_pylist()
    assert (first["amount_minor"], first["currency"], first["payment_type"]) == (250, "JPY", "PURCHASE")
    assert (first["replaces_position"], second["replaces_position"]) == (None, 7)
    assert (second["source"], second["fallback_cause"], second["amount_minor"]) == (
        "FALLBACK",
        "DEADLINE",
        None,
    )
    assert first["reasons"][0]["family"] == "ABNORMAL_SPENDING"
    assert first["event_time"] == engine.event_time


def test_outcomes_come_back_with_their_positions(tmp_path: Path) -> None:
    made: list[tuple[int, Outcome]] = [(5, an_outcome(1)), (9, an_outcome(2, days=0.5))]
    with OutcomeWriter(tmp_path) as writer:
        for position, outcome in made:
            writer.write(outcome, position)
    assert list(read_outcomes(tmp_path)) == made


def test_a_run_without_decisions_has_an_empty_file(tmp_path: Path) -> None:
    a_run(tmp_path, [])
    assert list(read_decisions(tmp_path)) == []
    assert digest_decisions(tmp_path) == sha256().hexdigest()


def test_a_run_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with DecisionWriter(tmp_path) as writer:
            writer.write(a_decision(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_missing_damaged_and_foreign_files_are_errors_that_name_them(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"decisions\.parquet: is missing"):
        list(read_decisions(tmp_path))
    path = a_run(tmp_path, [a_decision(1)]) / "decisions.parquet"
    table, raw = pq.read_table(path), path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(RunError, match=r"decisions\.parquet: is damaged"):
        list(read_decisions(tmp_path))
    pq.write_table(table.drop_columns(["score"]), path)
    with pytest.raises(RunError, match=r"decisions\.parquet: lacks the columns score"):
        list(read_decisions(tmp_path))
    at = table.schema.get_field_index("user_id")
    pq.write_table(table.set_column(at, "user_id", [[None]]).cast(table.schema), path)
    with pytest.raises(RunError, match="user_id: is missing"):
        list(read_decisions(tmp_path))


def test_times_are_in_utc_of_the_standard_library(tmp_path: Path) -> None:
    a_run(tmp_path, [a_decision(0)])
    (decision,) = read_decisions(tmp_path)
    assert repr(decision.event_time) == repr(MONDAY)
