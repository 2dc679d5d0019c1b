"""A shard's log begins with a policy: whoever may write to it first, sees to that."""

from kafka import TopicPartition

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from flows.broker.connection import BrokerError, make_consumer, make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.wire import LogMessage, message_headers, message_key
from flows.policy_file import parse_policy

_TIMEOUT_S = 10.0


def ensure_first_policy(params: KafkaParams, policy_text: str) -> list[int]:
    """Write the policy to the shard logs that are empty; gives their numbers.

    It has one fixed time, so that equal streams make equal logs, and so that of two who do this at a time
    with one policy only the first counts.

    Raises
    ------
    BrokerError
        When the shard log is not there or has another number of partitions.
    """
    name = topic(params, "shard-log")
    consumer = make_consumer(params)
    try:
        found = consumer.partitions_for_topic(name)
        if not found:
            raise BrokerError(f"{name}: no such topic; make it with 'tapwatch topics apply'")
        if len(found) != params.shards:
            raise BrokerError(
                f"{name}: has {len(found)} partitions, but kafka.shards is {params.shards}; the number of"
                " shards is fixed on day one"
            )
        partitions = [TopicPartition(name, shard) for shard in range(params.shards)]
        empty = [each.partition for each, end in consumer.end_offsets(partitions).items() if end == 0]
    finally:
        consumer.close()
    if empty:
        policy = PolicyActivated(policy_text, parse_policy(policy_text).version, EARLIEST)
        message = LogMessage.of(policy, 0)
        payload, key, headers = message.record.payload, message_key(policy), message_headers(message)
        producer = make_producer(params)
        try:
            sent = [producer.send(name, payload, key, headers, shard) for shard in empty]
            for each in sent:
                each.get(_TIMEOUT_S)  # type: ignore[no-untyped-call]
        finally:
            producer.close()
    return sorted(empty)
