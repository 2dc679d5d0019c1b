"""`tapwatch topics`: what it prints, and its exit codes."""

import json

import pytest
from typer.testing import CliRunner, Result

from flows.broker.params import KafkaParams
from flows.broker.topic_specs import topic_specs
from flows.cli import Exit
from replay.cli import app
from tests.kafka_level import MakeKafkaParams


def topics(*arguments: str, of: KafkaParams, shards: int | None = None) -> Result:
    environment = {
        "TAPWATCH_KAFKA__BOOTSTRAP": ",".join(of.bootstrap),
        "TAPWATCH_KAFKA__PREFIX": of.prefix,
        "TAPWATCH_KAFKA__SHARDS": str(shards or of.shards),
    }
    return CliRunner().invoke(app, ["topics", *arguments], env=environment)


@pytest.fixture
def bare(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=2, topics=False)


def test_diff_apply_list(bare: KafkaParams) -> None:
    names = [spec.name for spec in topic_specs(bare)]
    missing = topics("diff", of=bare)
    assert missing.exit_code == Exit.DIFFERENCE
    assert f"{bare.prefix}.shard-log.v1" in missing.stdout
    assert len(json.loads(topics("diff", "--json", of=bare).stdout)) == len(names)

    made = topics("apply", of=bare)
    assert (made.exit_code, made.stdout.splitlines()[-1]) == (
        Exit.DONE,
        f"{len(names)} made, 0 settings changed",
    )
    same = topics("diff", of=bare)
    assert (same.exit_code, same.stdout) == (Exit.DONE, "all topics are as they must be\n")

    rows = topics("list", of=bare).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["topic", *names]
    assert rows[1].split()[1:6] == ["2", "1", "0", "7", "d"]
    facts = json.loads(topics("list", "--json", of=bare).stdout)
    assert [(each["name"], each["records"]) for each in facts] == [(name, 0) for name in names]


def test_what_apply_cannot_put_right_is_an_error(bare: KafkaParams) -> None:
    topics("apply", of=bare)
    done = topics("apply", "--json", of=bare, shards=3)
    assert done.exit_code == Exit.DIFFERENCE
    wanted = f"error: {bare.prefix}.shard-log.v1: partitions is 2, should be 3; set kafka.shards to what is"
    assert wanted in done.stderr
    assert json.loads(done.stdout)["changed"] == []


def test_a_broker_that_is_not_there_is_said_in_words() -> None:
    done = topics("diff", of=KafkaParams(bootstrap=("127.0.0.1:1",)))
    assert done.exit_code == Exit.BAD_INPUT
    assert done.stderr == (
        "error: Kafka at 127.0.0.1:1: can't connect: 127.0.0.1:1 can't be reached (Connection refused);"
        " check kafka.bootstrap and that the brokers run\n"
    )


@pytest.mark.parametrize("command", ["apply", "diff", "list"])
def test_without_a_broker_named_the_setting_is_named(command: str) -> None:
    done = CliRunner().invoke(app, ["topics", command])
    assert done.exit_code == Exit.BAD_INPUT
    assert done.stderr.startswith("error: kafka.bootstrap: no broker is named; allowed: host:port")
