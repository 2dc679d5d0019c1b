"""What a shard's partition holds is read from an offset on, in order, a little at a time."""

from contextlib import closing

from flows.broker.connection import make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.shards.backlog import FEW, Backlog
from flows.broker.topic_specs import SHARD_LOG
from tests.flows.broker.outboxes_made import wait_until
from tests.kafka_level import MakeKafkaParams


def write(params: KafkaParams, shard: int, numbers: range) -> None:
    with closing(make_producer(params)) as producer:
        for number in numbers:
            producer.send(topic(params, SHARD_LOG), str(number).encode(), partition=shard)
        producer.flush()


def test_a_backlog_gives_the_records_of_its_shard_in_their_order_up_to_the_live_end(
    make_kafka_params: MakeKafkaParams,
) -> None:
    params = make_kafka_params(shards=2)
    write(params, 0, range(500))
    write(params, 1, range(1_000, 1_010))
    with closing(Backlog(params, 0)) as backlog:
        assert (backlog.begin, backlog.end) == (0, 500)
        backlog.seek(100)
        came: list[int] = []

        def read(up_to: int) -> bool:
            some = backlog.read(7)
            assert len(some) <= 7
            assert all(int(each.value or b"") == each.offset for each in some)
            came.extend(each.offset for each in some)
            return len(came) + 100 >= up_to

        wait_until(lambda: read(300), "half of it")
        assert not backlog.is_over(came[-1] + 1)
        write(params, 0, range(500, 520))
        wait_until(lambda: read(520), "all of it, and what came meanwhile")
        assert came == list(range(100, 520))
        assert backlog.end == 520
        assert backlog.is_over(520 - FEW)
        assert not backlog.is_over(520 - FEW - 1)


def test_an_empty_partition_is_over_at_once(make_kafka_params: MakeKafkaParams) -> None:
    with closing(Backlog(make_kafka_params(shards=1), 0)) as backlog:
        assert (backlog.begin, backlog.end) == (0, 0)
        assert backlog.is_over(0)
        backlog.seek(0)
        assert backlog.read(10) == []
