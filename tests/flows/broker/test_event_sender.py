"""Events that are sent stand in the right topic and partition, in order, as whoever reads them expects."""

from datetime import timedelta

import pytest

from alerting.decision import PolicyActivated
from detectors.events import Location, Merchant, Payment, Tick
from flows.broker.connection import BrokerError, topic
from flows.broker.destination import Destination
from flows.broker.event_sender import EventSender
from flows.broker.params import KafkaParams
from flows.broker.read_topic import TopicRecord, read_topic
from flows.broker.wire import LogMessage, read_message
from flows.codec import Event, decode_event
from flows.sharding import shards_of
from geo import Position
from tests.kafka_level import MakeKafkaParams
from tests.replay.events_made import NOON, a_payment

SHARDS = 3
PAYMENTS = [a_payment(number, number) for number in range(60)]
MIXED: list[Event] = [
    *PAYMENTS[:10],
    Location("u-1", Position(52.5, 13.4), NOON),
    Merchant("m-1", NOON, name="Kiosk"),
    *(Tick("X", "BTC", "EUR", NOON + timedelta(minutes=at), 1.0, 2.0, 1.0, 2.0, 5.0) for at in range(5)),
]
POLICY = PolicyActivated("text", "v", NOON)


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=SHARDS)


def send(params: KafkaParams, to: Destination, events: list[Event]) -> dict[str, int]:
    with EventSender(params, to) as sender:
        for number, event in enumerate(events):
            assert sender.takes(event)
            sender.send(event, arrival_us=number)
    return {name.removeprefix(f"{params.prefix}."): count for name, count in sender.records.items()}


def events_in(records: list[TopicRecord]) -> list[Event]:
    found = [decode_event(record.value or b"", "topic") for record in records]
    assert all(not hasattr(event, "reason") for event in found)
    return found  # type: ignore[return-value]  # the line above


def in_partition(records: list[TopicRecord], partition: int) -> list[TopicRecord]:
    return [record for record in records if record.partition == partition]


def test_all_kinds_go_into_one_topic_in_the_order_of_each_user(params: KafkaParams) -> None:
    assert send(params, Destination.EVENTS, MIXED) == {"events.v1": len(MIXED)}
    found = list(read_topic(params, "events"))
    for shard in range(SHARDS):
        wanted = [event for event in MIXED if not isinstance(event, Merchant | Tick)]
        wanted = [event for event in wanted if shard in shards_of(event, SHARDS)]
        here = events_in(in_partition(found, shard))
        assert [event for event in here if not isinstance(event, Merchant | Tick)] == wanted
    ticks = [event for event in events_in(in_partition(found, 0)) if isinstance(event, Tick)]
    assert ticks == MIXED[-5:]


def test_the_key_is_the_user(params: KafkaParams) -> None:
    send(params, Destination.EVENTS, list(PAYMENTS))
    for record in read_topic(params, "events"):
        (event,) = events_in([record])
        assert isinstance(event, Payment)
        assert record.key == f"default/{event.user_id}".encode()


def test_each_kind_goes_into_its_own_topic(params: KafkaParams) -> None:
    counts = {"payments.v1": 10, "locations.v1": 1, "merchants.v1": 1, "ticks.v1": 5}
    assert send(params, Destination.TOPICS, MIXED) == counts
    assert events_in(list(read_topic(params, "ticks"))) == MIXED[-5:]


def test_the_log_gets_every_event_in_the_shards_that_own_it(params: KafkaParams) -> None:
    events = [POLICY, *MIXED]
    assert send(params, Destination.SHARD_LOG, events) == {"shard-log.v1": 10 + 1 + 3 * 7}
    found = list(read_topic(params, "shard-log"))
    for shard in range(SHARDS):
        messages = [
            read_message(record.value, record.headers, "log") for record in in_partition(found, shard)
        ]
        wanted = [
            LogMessage.of(event, arrival_us=number)
            for number, event in enumerate(events)
            if shard in shards_of(event, SHARDS)
        ]
        assert messages == wanted


def test_policies_belong_into_the_log_alone(params: KafkaParams) -> None:
    taken = {}
    for to in Destination:
        with EventSender(params, to) as sender:
            taken[to] = sender.takes(POLICY)
    assert taken == {Destination.EVENTS: False, Destination.TOPICS: False, Destination.SHARD_LOG: True}


def test_one_partition_can_be_read_alone(params: KafkaParams) -> None:
    send(params, Destination.SHARD_LOG, list(PAYMENTS))
    records = list(read_topic(params, "shard-log"))
    assert len(records) == len(PAYMENTS)
    for shard in range(SHARDS):
        alone = list(read_topic(params, "shard-log", [shard]))
        assert alone == in_partition(records, shard)
        assert [record.offset for record in alone] == list(range(len(alone)))


def test_a_topic_that_is_not_there_is_named(make_kafka_params: MakeKafkaParams) -> None:
    params = make_kafka_params(topics=False)
    with pytest.raises(BrokerError, match=rf"no topic {topic(params, 'shard-log')}; `tapwatch topics apply`"):
        EventSender(params, Destination.SHARD_LOG)
    with pytest.raises(BrokerError, match=f"no topic {topic(params, 'decisions')}"):
        list(read_topic(params, "decisions"))


@pytest.mark.parametrize(("shards", "to"), [(2, Destination.SHARD_LOG), (4, Destination.EVENTS)])
def test_partitions_that_send_users_to_other_shards_are_refused(
    params: KafkaParams, shards: int, to: Destination
) -> None:
    changed = KafkaParams(bootstrap=params.bootstrap, prefix=params.prefix, shards=shards)
    with pytest.raises(BrokerError, match=f"has 3 partitions, but kafka.shards is {shards}"):
        EventSender(changed, to)
