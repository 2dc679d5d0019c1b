import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka.structs import ConsumerGroupMetadata

import flows.broker.publishing.publisher as publisher_module
from flows.broker.committed import Published, commit_of, read_published, shard_partition
from flows.broker.connection import make_producer
from flows.broker.params import KafkaParams
from flows.broker.publishing.publisher import Publisher
from flows.broker.topic_specs import DECISIONS
from replay.drills.kafka_server import KafkaServer
from tests.flows.broker.outboxes_made import (
    ShardFile,
    joined,
    nobody_fences,
    positions_and_values,
    published,
    wait_until,
)

CHECKOUT = Path(__file__).parents[3]
CHILD = "tests.flows.broker.publisher_child"
MORE_THAN_ONE_TRANSACTION = 1_500


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[ShardFile]:
    with closing(ShardFile(tmp_path / "shard-0000.db")) as made:
        yield made


@pytest.fixture
def forgotten_sockets() -> Iterator[None]:
    """The client forgets to close what could not connect; better found here than in another test."""
    yield
    gc.collect()


@pytest.mark.parametrize(
    ("moment", "successor"),
    [("before-offsets", "one"), ("before-commit", "one"), ("before-commit", "another")],
)
def test_a_publisher_that_is_killed_in_mid_transaction_and_replaced_publishes_each_row_once(
    kafka_params: KafkaParams, shard: ShardFile, moment: str, successor: str
) -> None:
    shard.pay(MORE_THAN_ONE_TRANSACTION)
    arguments = [kafka_params.bootstrap[0], kafka_params.prefix, str(shard.path), moment]
    with subprocess.Popen(
        [sys.executable, "-m", CHILD, *arguments], stdout=subprocess.PIPE, cwd=CHECKOUT
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().decode().strip() == moment
        child.kill()
    assert 0 < len(published(kafka_params, DECISIONS)) < MORE_THAN_ONE_TRANSACTION

    shard.pay(10)
    with closing(joined(kafka_params)) as member:
        publisher = Publisher(kafka_params, successor, member.group_metadata, nobody_fences)
        publisher.own(0, shard.path)
        publisher.start()
        assert publisher.stop(60.0)

    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()


def test_an_owner_that_missed_the_take_over_is_refused_and_its_successor_publishes_the_rest(
    kafka_params: KafkaParams, shard: ShardFile
) -> None:
    reasons: list[str] = []
    with closing(joined(kafka_params)) as old:
        as_it_was = old.group_metadata()  # type: ignore[no-untyped-call]
        sleeper = Publisher(kafka_params, "old", lambda: as_it_was, reasons.append)
        sleeper.own(0, shard.path)
        sleeper.start()
        shard.pay(100)
        wait_until(lambda: sleeper.figures()["published"] == 100, "the old owner has published")
    with closing(joined(kafka_params)) as new:
        shard.pay(100)
        wait_until(lambda: bool(reasons), "the old owner is refused")
        successor = Publisher(kafka_params, "new", new.group_metadata, nobody_fences)
        successor.own(0, shard.path)
        successor.start()
        assert successor.stop(60.0)

    assert sleeper.stop(60.0)
    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()
    assert (sleeper.figures()["published"], sleeper.figures()["fenced"]) == (100, 1)
    assert successor.figures()["published"] == 100
    assert read_published(kafka_params, [0], 30.0) == {0: Published(201, 402)}


def test_a_membership_that_is_renewed_in_mid_transaction_costs_a_transaction_and_no_shard(
    kafka_params: KafkaParams, shard: ShardFile
) -> None:
    with closing(joined(kafka_params)) as member:
        current = member.group_metadata()  # type: ignore[no-untyped-call]
        asked: list[ConsumerGroupMetadata] = []

        def renewed_while_publishing() -> ConsumerGroupMetadata:
            old = current._replace(generation_id=current.generation_id - 1)
            asked.append(current if asked else old)
            return asked[-1]

        shard.pay(10)
        publisher = Publisher(kafka_params, "one", renewed_while_publishing, nobody_fences)
        publisher.own(0, shard.path)
        publisher.start()
        assert publisher.stop(60.0)

    figures = publisher.figures()
    assert (figures["published"], figures["aborted"], figures["fenced"]) == (10, 1, 0)
    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()


def test_what_is_still_owned_goes_on_once_the_group_knows_the_process_anew(
    kafka_params: KafkaParams, shard: ShardFile
) -> None:
    reasons: list[str] = []
    with closing(joined(kafka_params)) as member:
        current = member.group_metadata()  # type: ignore[no-untyped-call]
        shown = [current._replace(generation_id=current.generation_id - 1)]
        publisher = Publisher(kafka_params, "one", lambda: shown[0], reasons.append)
        publisher.own(0, shard.path)
        publisher.start()
        shard.pay(10)
        wait_until(lambda: bool(reasons), "the old membership is refused")

        shown[0] = current
        wait_until(lambda: publisher.figures()["behind"] == {0: 0}, "the rest is published")
        assert publisher.stop(60.0)

    assert len(reasons) == 1
    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()


@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_broker_that_is_killed_costs_nothing(
    kafka_params: KafkaParams, shard: ShardFile, own_kafka: KafkaServer
) -> None:
    with closing(joined(kafka_params)) as member:
        publisher = Publisher(kafka_params, "one", member.group_metadata, nobody_fences)
        publisher.own(0, shard.path)
        publisher.start()
        shard.pay(3_000)
        wait_until(lambda: publisher.figures()["published"] != 0, "a transaction is through")
        own_kafka.kill()
        shard.pay(500)
        own_kafka.start()
        shard.pay(500)
        wait_until(lambda: publisher.figures()["behind"] == {0: 0}, "all is published")
        assert publisher.stop(60.0)

    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()


def test_a_transaction_that_hangs_holds_up_publication_for_a_while_only(
    kafka_params: KafkaParams, shard: ShardFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "HANGING_S", 2.0)
    shard.pay(10)
    with (
        closing(joined(kafka_params)) as member,
        closing(make_producer(kafka_params, transactional_id=f"{kafka_params.prefix}-hanging")) as hanging,
    ):
        hanging.init_transactions()
        hanging.begin_transaction()
        commit = {shard_partition(kafka_params, 0): commit_of(Published(5, 5))}
        hanging.send_offsets_to_transaction(commit, member.group_metadata())  # type: ignore[no-untyped-call]
        publisher = Publisher(kafka_params, "one", member.group_metadata, nobody_fences)
        publisher.start()
        publisher.own(0, shard.path)
        wait_until(lambda: len(published(kafka_params, DECISIONS)) >= 10, "the rows are out all the same")
        publisher.stop()
        hanging.abort_transaction()
    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()
