"""What the drills on Kafka plan and plant, without a broker."""

from collections import Counter
from pathlib import Path

import pytest

from detectors.events import Payment
from flows.codec import BadRecord, decode_event, encode_event
from replay.drills import kafka_poison
from replay.drills.kafka_crash import kafka_crash_drill
from replay.drills.kafka_equality import kafka_equality_drill
from replay.drills.kafka_faults import Faults, Sabotage
from replay.drills.kafka_poison import kafka_poison_drill
from replay.drills.kafka_takeover import WINDOW, Seen, back_at, requests_since
from replay.drills.needs import TooFewPaymentsError
from tests.replay.events_made import a_payment

MANY = [a_payment(number) for number in range(10_000)]
PAYMENTS = MANY[:400]


def test_the_planned_faults_are_as_many_as_asked_for_and_in_order() -> None:
    faults = Faults(kills=20, broker_kills=3, pauses=2)
    plan = faults.plan(seed=1)
    counts = Counter(kind for _, kind in plan)
    assert counts[Sabotage.KILL] + counts[Sabotage.KILL_CHILD] == 20
    assert (counts[Sabotage.BROKER], counts[Sabotage.PAUSE]) == (3, 2)
    points = [point for point, _ in plan]
    assert points == sorted(points)
    assert 0.0 < points[0] < points[-1] < 1.0
    assert len(plan) == faults.count


def test_the_moments_follow_from_the_seed() -> None:
    assert Faults().plan(seed=1) == Faults().plan(seed=1) != Faults().plan(seed=2)


@pytest.mark.parametrize("spoil", [*kafka_poison.UNREADABLE, *kafka_poison.SENSELESS])
def test_what_is_planted_as_poison_can_not_be_read(spoil: kafka_poison.Spoil) -> None:
    assert isinstance(decode_event(spoil(encode_event(PAYMENTS[0])), "here"), BadRecord)


def test_a_poisoned_stream_says_of_each_record_what_is_to_become_of_it() -> None:
    stream = kafka_poison.poisoned(MANY, seed=1)
    kinds = Counter(stream.poison.values())
    assert kinds["from the future"] == len(stream.ahead) > 10
    assert kinds["unreadable"] > 50
    assert kinds["senseless"] > 20
    assert len(stream.records) == len(stream.sound) + kinds.total() == 10_000


def test_a_shard_is_back_when_the_engine_answers_its_usual_share_again() -> None:
    answers = ["ENGINE", *["FALLBACK"] * 5, *["ENGINE", "FALLBACK"] * WINDOW]
    seen = [Seen(float(at), 0, source) for at, source in enumerate(answers)]
    assert back_at(seen, 0.0, window=1) == 0.0
    assert back_at(seen, 0.5) == 6.0
    assert back_at(seen, 0.6) is None
    assert back_at([], 0.0) is None


def test_requests_are_found_by_shard_and_time_whenever_they_were_answered() -> None:
    dues = [3.0, 1.0, 2.0, 5.0, 4.0, 7.0, 6.0]
    seen = [Seen(due, int(due) % 2, "ENGINE") for due in dues]
    assert [each.due for each in requests_since(seen, [0], 2.0)] == [2.0, 4.0, 6.0]
    assert [each.due for each in requests_since(seen, [0, 1], 3.0, 6.0)] == [3.0, 4.0, 5.0]


def test_drills_that_could_show_nothing_are_refused(tmp_path: Path) -> None:
    few: list[Payment] = PAYMENTS[:50]
    with pytest.raises(TooFewPaymentsError, match="kafka-equality"):
        kafka_equality_drill(few, tmp_path)
    with pytest.raises(TooFewPaymentsError, match="kafka-poison"):
        kafka_poison_drill(few, tmp_path)
    with pytest.raises(TooFewPaymentsError, match="kafka-crash drill: 50; allowed: 520 or more"):
        kafka_crash_drill(few, tmp_path, Faults())
