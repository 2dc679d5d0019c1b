"""Questions about payments and their answers, as bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.engine import Explanation
from detectors.events import Outcome, Payment
from detectors.features import NAMES
from flows.broker.shards.questions import Question, answer, decode_explanation, encode_explanation
from flows.codec import decode_decision
from flows.sqlite_shard import SqliteShard
from tests.detectors.event_strategies import LABELS, PAYMENTS, STEP_UPS
from tests.flows.broker.outboxes_made import ShardFile

FEATURES = st.lists(st.tuples(st.sampled_from(NAMES), st.floats(allow_nan=False)), max_size=9).map(tuple)
OUTCOMES = st.lists(st.one_of(LABELS, STEP_UPS), max_size=3).map(tuple)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = ShardFile(tmp_path_factory.mktemp("shard") / "shard-0000.db")
    file.pay(3)
    file.close()
    return file.path


@given(st.text(), st.text())
def test_a_question_comes_back_as_it_was(tenant: str, transaction_id: str) -> None:
    question = Question(tenant, transaction_id)
    assert Question.decode(question.encode()) == question


@given(st.binary(max_size=50) | st.sampled_from([b"[]", b"{}", b'["a"]', b'["a", 1]', b'"ab"', b"null"]))
def test_what_is_no_question_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Question.decode(raw)


@given(PAYMENTS, FEATURES, OUTCOMES, st.booleans())
def test_an_explanation_comes_back_as_it_was(
    shard: Path,
    payment: Payment,
    features: tuple[tuple[str, float], ...],
    outcomes: tuple[Outcome, ...],
    quarantined: bool,
) -> None:
    reader = SqliteShard.open_reader(shard)
    row = reader.ledger_after(0, 1)[0]
    reader.close()
    told = Explanation(payment, decode_decision(row.decision), features, outcomes, quarantined)
    assert decode_explanation(encode_explanation(told)) == told


def test_a_shard_file_answers_what_it_knows_and_nothing_else(shard: Path) -> None:
    reader = SqliteShard.open_reader(shard)
    row = reader.ledger_after(0, 1)[0]
    decision = decode_decision(row.decision)
    found = answer(reader, Question(decision.tenant, decision.transaction_id))
    assert found is not None
    told = decode_explanation(found)
    assert told.decision == decision
    assert told.payment.transaction_id == decision.transaction_id
    assert answer(reader, Question(decision.tenant, "t-none")) is None
    assert answer(reader, Question("another", decision.transaction_id)) is None
    reader.close()
