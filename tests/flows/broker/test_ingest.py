"""Records of input topics stand in the right shard logs, or among the dead letters with what was wrong."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from alerting.rpc.convert import write_alone
from detectors.events import Location, Merchant, Payment, Tick
from flows.broker import membership
from flows.broker.connection import make_producer, topic
from flows.broker.ingest.ingest import BadRunError, Ingest
from flows.broker.ingest.log_writer import WriteError
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.codec import Event
from flows.frames import Kind
from flows.sharding import shard_of
from geo import Position
from tests.flows.broker.header_made import RawName
from tests.flows.broker.ingest_runs import (
    Input,
    events,
    letters,
    of,
    running,
    send,
    shard_logs,
    wait_until,
)
from tests.kafka_level import MakeKafkaParams
from tests.replay.events_made import NOON, a_payment

SHARDS = 4
PROTOBUF = ("content-type", b"application/x-protobuf")


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=SHARDS)


def ingest_all(params: KafkaParams, records: int, settings: IngestParams | None = None) -> Ingest:
    """An ingest flow that has read so many records, and ended."""
    with running(params, settings) as ingest:
        wait_until(lambda: ingest.counts.read >= records)
    return ingest


def of_user(logs: list[list[Event]], user: str) -> list[Event]:
    shard = shard_of("default", user, SHARDS)
    return [event for event in logs[shard] if isinstance(event, Payment) and event.user_id == user]


def test_good_records_are_logged_in_order_and_bad_ones_are_kept_with_what_was_wrong(
    params: KafkaParams,
) -> None:
    payments = [a_payment(number, number % 60) for number in range(3_000)]
    inputs = [of(payment) for payment in payments]
    for number in range(50, 3_000, 100):
        key = inputs[number].key
        inputs[number] = Input(b"\x00 no event \xff %d" % number, key, [("trace", b"t-%d" % number)])
        inputs[number + 1] = Input(b'{"transaction_id":"t-%d"}' % number, inputs[number + 1].key)
    good = [each for number, each in enumerate(payments) if number % 100 not in (50, 51)]
    before = datetime.now(UTC)
    send(params, "payments", inputs)

    ingest = ingest_all(params, 3_000)

    logs = [events(log) for log in shard_logs(params)]
    assert sum(map(len, logs)) == len(good) == ingest.counts.written
    for user in {payment.user_id for payment in payments}:
        assert of_user(logs, user) == [payment for payment in good if payment.user_id == user]
    bad = letters(params)
    assert {letter.value for letter in bad} == {
        inputs[n + i].value for n in range(50, 3_000, 100) for i in (0, 1)
    }
    assert len(bad) == 60
    for letter in bad:
        unreadable = letter.headers != []
        assert letter.trouble == ("unreadable" if unreadable else "invalid")
        assert letter.reason.startswith("Invalid JSON" if unreadable else "user_id: ")
        assert letter.place.topic == topic(params, "payments")
        assert before <= letter.refused_at <= datetime.now(UTC)
        assert not unreadable or letter.headers == [("trace", b"t-" + (letter.value or b"").split()[-1])]
    places = {letter.place for letter in bad}
    assert len(places) == 60
    metrics = ingest.metrics().decode()
    assert f'tapwatch_ingest_accepted_total{{topic="{params.prefix}.payments.v1"}} 2940.0' in metrics
    assert (
        f'tapwatch_ingest_refused_total{{error="invalid",topic="{params.prefix}.payments.v1"}} 30.0'
        in metrics
    )


def test_what_all_shards_need_stands_in_all_logs(params: KafkaParams) -> None:
    ticks = [
        Tick("X", "BTC", "EUR", NOON + timedelta(minutes=at), 1.0, 2.0, 1.0, 2.0, 5.0) for at in range(20)
    ]
    merchants = [Merchant(f"m-{number}", NOON) for number in range(20)]
    send(params, "ticks", [of(tick)._replace(partition=0) for tick in ticks])
    send(params, "merchants", [of(merchant) for merchant in merchants])

    ingest = ingest_all(params, 40)

    assert ingest.counts.written == 40 * SHARDS
    for log in shard_logs(params):
        assert [event for event in events(log) if isinstance(event, Tick)] == ticks
        assert {e.event_id for e in events(log) if isinstance(e, Merchant)} == {m.event_id for m in merchants}


def test_protobuf_and_json_make_the_same_record(params: KafkaParams) -> None:
    payment, place = a_payment(1), Location("u-1", Position(48.85, 2.35), NOON, device_id="d")
    spaced = of(payment).value.replace(b'":', b'" : ')  # type: ignore[union-attr]
    schema, message = write_alone(payment)
    send(params, "payments", [of(payment), Input(spaced), Input(message, b"k", [PROTOBUF])])
    send(
        params,
        "events",
        [of(place), Input(write_alone(place)[1], b"k", [PROTOBUF, ("schema", b"tapwatch.v1.Location")])],
    )

    ingest_all(params, 5)

    found = [message for log in shard_logs(params) for message in log]
    assert len(found) == 5
    assert all(message.kind is Kind.EVENT and message.origin is None for message in found)
    assert {(m.record.event, m.record.payload, m.record.digest) for m in found} == {
        (m.record.event, of(m.record.event).value, m.record.digest) for m in found
    }
    assert {message.record.event for message in found} == {payment, place}
    assert schema == "tapwatch.v1.Payment"


def test_the_order_between_the_kinds_of_a_user_is_kept_on_the_mixed_topic(params: KafkaParams) -> None:
    mixed: list[Event] = [
        event
        for minute in range(50)
        for event in (
            a_payment(minute * 7, minute),
            Location("u-0", Position(1.0, 2.0), NOON + timedelta(minutes=minute)),
        )
    ]
    send(params, "events", [of(event) for event in mixed])

    ingest_all(params, 100)

    assert events(shard_logs(params)[shard_of("default", "u-0", SHARDS)]) == mixed


def test_a_second_run_goes_on_where_the_first_one_ended(params: KafkaParams) -> None:
    send(params, "payments", [of(a_payment(number)) for number in range(100)])
    ingest_all(params, 100)
    send(params, "payments", [of(a_payment(number)) for number in range(100, 150)])

    assert ingest_all(params, 50).counts.read == 50

    assert sum(map(len, shard_logs(params))) == 150


def test_many_bad_records_in_a_row_raise_an_alarm_and_too_many_stop(params: KafkaParams) -> None:
    good, bad = of(a_payment(1))._replace(partition=0), Input(b"poison", partition=0)
    other = [of(a_payment(number))._replace(partition=1) for number in range(10)]
    send(params, "payments", [*other, *[bad] * 9, good, *[bad] * 40])
    settings = IngestParams(alarm_after=10, stop_after=25)

    with pytest.raises(BadRunError, match=r"payments\.v1/0/34: the last 25 records .* \(unreadable\)"):
        Ingest(params, settings).run()

    assert sorted(letter.place.offset for letter in letters(params)) == [*range(9), *range(10, 35)]
    # An operator who starts it again goes on behind what is among the dead letters.
    with running(params, IngestParams(alarm_after=10, stop_after=1_000)) as ingest:
        # The other partition may have been read to its end before, or be read once more.
        wait_until(lambda: ingest.counts.refused.total() >= 15)
        wait_until(lambda: sum(len(events(log)) for log in shard_logs(params)) == 10)
        assert ingest.counts.alarms == 1
        assert "tapwatch_ingest_bad_run_alarms_total 1.0" in ingest.metrics().decode()
    assert sorted(letter.place.offset for letter in letters(params)) == [*range(9), *range(10, 50)]
    assert sum(len(events(log)) for log in shard_logs(params)) == 10


def test_a_record_as_large_as_a_topic_takes_becomes_a_letter(params: KafkaParams) -> None:
    # Random, so that it does not fit because it is packed.
    huge = Random(7).randbytes(1_000_000)
    send(params, "payments", [Input(huge), Input(huge[:900_000])])

    ingest_all(params, 2)

    kept = {letter.place.offset: letter for letter in letters(params)}
    assert {letter.trouble for letter in kept.values()} == {"too-large"}
    assert {len(letter.value or b"") for letter in kept.values()} == {65_536, 900_000}
    assert {letter.whole for letter in kept.values()} == {True, False}


def test_a_header_name_that_is_no_text_stops_nobody(params: KafkaParams) -> None:
    payments = [a_payment(number, number) for number in range(40)]
    inputs = [of(payment) for payment in payments]
    inputs[10] = inputs[10]._replace(headers=[(RawName(b"caf\xe9"), b"au lait")])
    inputs[20] = Input(b"no event", inputs[20].key, [(RawName(b"\xff\xfe"), b"")])
    send(params, "payments", inputs)

    ingest_all(params, len(inputs))

    logged = {event.event_id for log in shard_logs(params) for event in events(log)}
    assert logged == {payment.event_id for payment in payments} - {payments[20].event_id}
    (letter,) = letters(params)
    assert (letter.value, letter.headers) == (b"no event", [(r"\xff\xfe", b"")])


def test_a_missing_topic_is_named_at_the_start(make_kafka_params: MakeKafkaParams) -> None:
    params = make_kafka_params(topics=False)
    with pytest.raises(WriteError, match=r"shard-log\.v1: there is no such topic"):
        Ingest(params, IngestParams())


def test_another_number_of_shards_is_named_at_the_start(params: KafkaParams) -> None:
    other = KafkaParams(bootstrap=params.bootstrap, prefix=params.prefix, shards=SHARDS + 1)
    with pytest.raises(WriteError, match=r"has 4 partitions; allowed: 5"):
        Ingest(other, IngestParams())


def test_the_marks_of_transactions_are_not_taken_for_records_that_nobody_reads(
    make_kafka_params: MakeKafkaParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "STALLED_S", 1.0)
    params = make_kafka_params(shards=2, session_timeout_s=1.0)
    with closing(make_producer(params, transactional_id=params.prefix)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic(params, "events"), b"no event", partition=0)
        producer.commit_transaction()
    with running(params, IngestParams(commit_every_s=0.2)) as ingest:
        client = ingest._topics._consumer
        wait_until(lambda: ingest.counts.read == 1)
        time.sleep(3.0)  # as long as it takes to find a client that stands still
        assert ingest._topics._consumer is client
