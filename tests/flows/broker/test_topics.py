"""Topics as code, on a real broker: what differs is named, what can be put right is, the rest is said."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient, TopicPartition

from flows.broker.connection import make_admin, make_consumer, make_producer, topic
from flows.broker.errors import TopicMissingError
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import INPUTS, SHARD_LOG, topic_specs
from flows.broker.topics import Difference, apply_topics, compare_topics, list_topics, require_topics
from tests.kafka_level import MakeKafkaParams

JAN_2018_MS = 1_514_764_800_000
FAR_AHEAD_MS = 4_102_444_800_000


@pytest.fixture
def bare(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    """Parameters with two shards whose topics are not there."""
    return make_kafka_params(shards=2, topics=False)


@pytest.fixture
def admin(bare: KafkaParams) -> Iterator[KafkaAdminClient]:
    client = make_admin(bare)
    yield client
    client.close()


def make(admin: KafkaAdminClient, name: str, partitions: int = 2, **settings: str) -> None:
    configs = {key.replace("_", "."): value for key, value in settings.items()}
    admin.create_topics({name: {"num_partitions": partitions, "configs": configs}}, wait_for_metadata=True)


def of(found: list[Difference], name: str) -> dict[str, tuple[str, str]]:
    return {each.setting: (each.found, each.wanted) for each in found if each.topic == name}


def send(params: KafkaParams, name: str, *timestamps_ms: int) -> None:
    producer = make_producer(params)
    sent = [producer.send(name, b"x", partition=0, timestamp_ms=when) for when in timestamps_ms]
    producer.flush(60)
    producer.close()
    assert all(each.succeeded() for each in sent)


def test_what_is_missing_is_named_and_made(bare: KafkaParams) -> None:
    names = [spec.name for spec in topic_specs(bare)]
    found = compare_topics(bare)
    assert [(each.topic, each.setting, each.found) for each in found] == [
        (n, "topic", "missing") for n in names
    ]
    done = apply_topics(bare)
    assert (sorted(done.created), done.changed, done.left) == (sorted(names), [], [])
    assert compare_topics(bare) == []
    again = apply_topics(bare)
    assert (again.created, again.changed, again.left) == ([], [], [])


def test_a_topic_with_wrong_settings_is_reported_and_put_right(
    bare: KafkaParams, admin: KafkaAdminClient
) -> None:
    log = topic(bare, SHARD_LOG)
    make(
        admin,
        log,
        cleanup_policy="compact",
        retention_ms="3600000",
        message_timestamp_type="CreateTime",
        max_message_bytes="1000",
    )
    assert of(compare_topics(bare), log) == {
        "cleanup.policy": ("compact", "delete"),
        "retention.ms": ("3600000", "-1"),
        "message.timestamp.type": ("CreateTime", "LogAppendTime"),
        "max.message.bytes": ("1000", "1048588"),
    }
    done = apply_topics(bare)
    assert log not in done.created
    assert len(of(done.changed, log)) == 4
    assert done.left == []
    assert compare_topics(bare) == []


def test_a_topic_made_with_the_brokers_defaults_would_go_by_event_time_and_is_reported(
    bare: KafkaParams, admin: KafkaAdminClient
) -> None:
    make(admin, topic(bare, SHARD_LOG))
    found = of(compare_topics(bare), topic(bare, SHARD_LOG))
    assert found["message.timestamp.type"] == ("CreateTime", "LogAppendTime")
    assert found["retention.ms"] == ("604800000", "-1")


def test_more_than_is_asked_for_stays(bare: KafkaParams, admin: KafkaAdminClient) -> None:
    apply_topics(bare)
    decisions = topic(bare, "decisions")
    other = topic(bare, "payments")
    apply_topics(replace(bare, shards=2))
    make_longer = {decisions: {"retention.ms": "-1"}, other: {"max.message.bytes": "5000000"}}
    set_configs(admin, make_longer)
    assert compare_topics(bare) == []
    assert apply_topics(bare).changed == []
    set_configs(admin, {decisions: {"retention.ms": "1000"}})
    assert of(compare_topics(bare), decisions) == {"retention.ms": ("1000", str(30 * 86_400_000))}


def set_configs(admin: KafkaAdminClient, wanted: dict[str, dict[str, str]]) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    asked = [ConfigResource(ConfigResourceType.TOPIC, name, values) for name, values in wanted.items()]
    results = admin.alter_configs(asked)["topic"].values()
    assert set(results) == {"OK"}


def test_an_input_gets_more_partitions_only_while_it_is_empty(bare: KafkaParams) -> None:
    empty, used = topic(bare, "trades"), topic(bare, "payments")
    one = replace(bare, shards=1)
    apply_topics(one)
    send(one, used, JAN_2018_MS)
    admin = make_admin(bare)
    admin.delete_topics([topic(bare, SHARD_LOG)])
    admin.close()
    done = apply_topics(bare)
    assert of(done.changed, empty) == {"partitions": ("1", "2")}
    assert of(done.left, used) == {"partitions": ("1", "2")}
    (left,) = (each for each in done.left if each.topic == used)
    assert "order of each user's records" in left.by_hand


PER_SHARD = ("queries", "decisions", "step-up-requests", "alerts")


def test_the_shard_log_never_gets_more_partitions_and_nothing_else_does_then(bare: KafkaParams) -> None:
    apply_topics(bare)
    wrong = replace(bare, shards=4)
    done = apply_topics(wrong)
    assert done.changed == []
    assert of(done.left, topic(bare, SHARD_LOG)) == {"partitions": ("2", "4")}
    (left,) = done.left
    assert "set kafka.shards to what is there" in left.by_hand
    assert {each.partitions for each in list_topics(bare)} == {1, 2}
    with pytest.raises(TopicMissingError, match=r"has 2 partitions, kafka\.shards is 4; set"):
        require_topics(wrong)
    require_topics(bare)


@pytest.mark.parametrize("kind", PER_SHARD)
def test_an_output_with_fewer_partitions_than_shards_is_named_and_gets_more(
    bare: KafkaParams, admin: KafkaAdminClient, kind: str
) -> None:
    make(admin, topic(bare, kind), partitions=1)
    assert of(apply_topics(replace(bare, shards=1)).left, topic(bare, kind)) == {}
    admin.delete_topics([topic(bare, SHARD_LOG)])
    make(admin, topic(bare, SHARD_LOG))
    with pytest.raises(
        TopicMissingError, match=r"has 1 partitions, needs one for each of 2 shards; add them"
    ):
        require_topics(bare)
    apply_topics(bare)
    require_topics(bare)


def test_an_output_with_more_partitions_than_shards_is_well(
    bare: KafkaParams, admin: KafkaAdminClient
) -> None:
    make(admin, topic(bare, "decisions"), partitions=5)
    apply_topics(bare)
    assert compare_topics(bare) == []
    require_topics(bare)


def test_an_engine_without_topics_is_told_which_and_what_to_do(bare: KafkaParams) -> None:
    with pytest.raises(TopicMissingError, match=r"shard-log\.v1.*`tapwatch topics apply`"):
        require_topics(bare)


def test_too_few_copies_are_named_and_what_would_stop_all_writes_is_not_set(bare: KafkaParams) -> None:
    apply_topics(bare)
    done = apply_topics(replace(bare, replication=3))
    assert done.changed == []
    assert {each.setting for each in done.left} == {"replication"}
    assert all("kafka-reassign-partitions" in each.by_hand for each in done.left)


def test_with_copies_a_write_counts_when_two_brokers_have_it() -> None:
    for copies, wanted in ((1, "1"), (2, "2"), (3, "2"), (5, "2")):
        specs = topic_specs(KafkaParams(replication=copies))
        assert {spec.settings["min.insync.replicas"] for spec in specs} == {wanted}
        assert {spec.replication for spec in specs} == {copies}


def test_records_of_2018_and_of_2100_are_taken_by_every_topic_and_keep_no_time_of_their_own(
    bare: KafkaParams,
) -> None:
    apply_topics(bare)
    for spec in topic_specs(bare):
        send(bare, spec.name, JAN_2018_MS, FAR_AHEAD_MS)
    consumer = make_consumer(bare, consumer_timeout_ms=60_000)
    for spec in topic_specs(bare):
        place = TopicPartition(spec.name, 0)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        times = [next(consumer).timestamp for _ in range(2)]
        assert JAN_2018_MS < times[0] <= times[1] < FAR_AHEAD_MS, spec.name
    consumer.close()


def test_the_list_counts_records_and_shows_what_is_not_there(bare: KafkaParams) -> None:
    assert {each.records for each in list_topics(bare)} == {None}
    apply_topics(bare)
    send(bare, topic(bare, SHARD_LOG), JAN_2018_MS, JAN_2018_MS, JAN_2018_MS)
    facts = {each.name: each for each in list_topics(bare)}
    log = facts[topic(bare, SHARD_LOG)]
    assert (log.partitions, log.replication, log.records, log.retention_ms) == (2, 1, 3, -1)
    assert facts[topic(bare, INPUTS[0])].records == 0
