"""A shard's log begins with a policy: whoever may write to it first, sees to that."""

from contextlib import closing
from typing import Final

from kafka import TopicPartition

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from flows.broker.connection import in_words, make_consumer, make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.topics import require_topics
from flows.broker.wire import LogMessage, message_headers, message_key
from flows.policy_file import parse_policy

_TIMEOUT_S: Final = 10.0


def ensure_first_policy(params: KafkaParams, policy_text: str) -> list[int]:
    """Write the policy to the shard logs that are empty; gives their numbers.

    It has one fixed time, so that equal streams make equal logs, and so that of two who do this at a time
    with one policy only the first counts.

    Raises
    ------
    BrokerError
        When the brokers can't be used, or the topics are not as they must be.
    """
    require_topics(params)
    name = topic(params, SHARD_LOG)
    with in_words(params, f"look at {name}"), closing(make_consumer(params)) as consumer:
        partitions = [TopicPartition(name, shard) for shard in range(params.shards)]
        empty = sorted(each.partition for each, end in consumer.end_offsets(partitions).items() if end == 0)
    if empty:
        policy = PolicyActivated(policy_text, parse_policy(policy_text).version, EARLIEST)
        message = LogMessage.of(policy, 0)
        payload, key, headers = message.record.payload, message_key(policy), message_headers(message)
        with in_words(params, f"write to {name}"), closing(make_producer(params)) as producer:
            sent = [producer.send(name, payload, key, headers, shard) for shard in empty]
            for each in sent:
                each.get(_TIMEOUT_S)  # type: ignore[no-untyped-call]
    return empty
