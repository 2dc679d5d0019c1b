"""What goes wrong with a broker is said in words: which broker, what failed, what to check."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from flows.broker.client_log import QUIET_S, ClientLog
from flows.broker.connection import in_words, make_admin, make_consumer, make_producer, topic
from flows.broker.errors import (
    BrokerError,
    BrokerRefusedError,
    BrokerUnreachableError,
    TopicMissingError,
    broker_error,
)
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from replay.drills.kafka_server import KafkaServer
from tests.kafka_level import PASSWORD, USER

MAKERS: list[Any] = [make_admin, make_producer, make_consumer]
SOON: dict[str, Any] = {"bootstrap_timeout_ms": 500}


@contextmanager
def in_words_caught(params: KafkaParams, doing: str) -> Iterator[pytest.ExceptionInfo[BrokerError]]:
    with pytest.raises(BrokerError) as caught, in_words(params, doing):
        yield caught


@pytest.mark.parametrize("make", MAKERS)
def test_a_port_where_nobody_listens(make: Any) -> None:
    params = KafkaParams(bootstrap=("127.0.0.1:1", "127.0.0.1:2"))
    with pytest.raises(BrokerUnreachableError) as caught:
        make(params, **SOON)
    assert str(caught.value) == (
        "Kafka at 127.0.0.1:1, 127.0.0.1:2: can't connect: 127.0.0.1:1 can't be reached (Connection refused);"
        " 127.0.0.1:2 can't be reached (Connection refused); check kafka.bootstrap and that the brokers run"
    )


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(BrokerUnreachableError, match=r"broker\.invalid:9092 has a name that is not known"):
        make_admin(KafkaParams(bootstrap=("broker.invalid:9092",)), **SOON)


def test_a_port_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        params = KafkaParams(bootstrap=(f"127.0.0.1:{silent.getsockname()[1]}",))
        with pytest.raises(BrokerUnreachableError, match=r"the port is open, but .* kafka\.security"):
            make_admin(params, **SOON)


def test_a_client_that_could_not_be_made_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with pytest.raises(BrokerError):
        make_consumer(KafkaParams(bootstrap=("127.0.0.1:1",)), **SOON)
    for thread in threading.enumerate():
        if thread.name.startswith("kafka-io"):
            thread.join(60)
    assert threading.active_count() <= before


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    for name in ("ca.pem", "none.pem"):
        params = KafkaParams(bootstrap=("127.0.0.1:1",), security="SSL", ca=tmp_path / name)
        with pytest.raises(BrokerError, match=rf"kafka\.ca: .*{name}: "):
            make_admin(params, **SOON)


def test_tls_to_a_port_without(kafka_params: KafkaParams) -> None:
    params = KafkaParams(bootstrap=kafka_params.bootstrap, security="SSL")
    with pytest.raises(BrokerUnreachableError, match=r"does not speak TLS on this port \(kafka\.security\)"):
        make_admin(params, **SOON)


def test_a_session_that_the_broker_finds_too_short_names_the_setting(kafka_params: KafkaParams) -> None:
    consumer = make_consumer(
        kafka_params, topic(kafka_params, SHARD_LOG), group_id=f"{kafka_params.prefix}-g",
        session_timeout_ms=100, heartbeat_interval_ms=30,
    )  # fmt: skip
    with in_words_caught(kafka_params, "join") as caught:
        for _ in range(60):
            consumer.poll(1_000)
    assert "can't join: " in str(caught.value)
    assert "; check kafka.session_timeout_s: the broker allows" in str(caught.value)
    consumer.close()


def test_more_copies_than_brokers_names_the_setting(kafka_params: KafkaParams) -> None:
    admin = make_admin(kafka_params)
    wanted = {f"{kafka_params.prefix}.more": {"num_partitions": 1, "replication_factor": 1_000}}
    with in_words_caught(kafka_params, "make it") as caught:
        admin.create_topics(wanted)
    assert "can't make it: " in str(caught.value)
    assert "; check kafka.replication: no more than there are brokers" in str(caught.value)
    assert "CreateTopicsRequest" not in str(caught.value)
    admin.close()


def test_each_kind_of_error_says_what_to_check() -> None:
    import kafka.errors as client

    params = KafkaParams(bootstrap=("127.0.0.1:1",))
    missing = broker_error(params, "read", client.UnknownTopicOrPartitionError())
    assert isinstance(missing, TopicMissingError)
    assert "`tapwatch topics apply`" in str(missing)
    for kind in (client.TopicAuthorizationFailedError, client.GroupAuthorizationFailedError):
        refused = broker_error(params, "read", kind())
        assert isinstance(refused, BrokerRefusedError)
        assert "access rules allow to this client" in str(refused)


def with_user(server: KafkaServer, **changes: Any) -> KafkaParams:
    params = KafkaParams(
        bootstrap=(server.guarded,),
        security="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username=USER,
        sasl_password=PASSWORD,
    )
    return replace(params, **changes)


def test_a_user_with_the_right_password_is_let_in(own_kafka: KafkaServer) -> None:
    for make in MAKERS:
        make(with_user(own_kafka)).close()


def test_scram_works_too(own_kafka: KafkaServer) -> None:
    admin = make_admin(KafkaParams(bootstrap=(own_kafka.bootstrap,)))
    known = UserScramCredentialUpsertion("scram-user", ScramMechanism.SCRAM_SHA_512, b"secret")
    admin.alter_user_scram_credentials([known])
    admin.close()
    user = with_user(
        own_kafka, sasl_mechanism="SCRAM-SHA-512", sasl_username="scram-user", sasl_password="secret"
    )
    make_producer(user).close()


@pytest.mark.parametrize(
    "wrong", [{"sasl_password": "wrong"}, {"sasl_username": "who"}, {"sasl_mechanism": "SCRAM-SHA-256"}]
)
def test_who_is_not_let_in_is_told_which_settings_to_check(
    own_kafka: KafkaServer, wrong: dict[str, str]
) -> None:
    with pytest.raises(BrokerError) as caught:
        make_admin(with_user(own_kafka, **wrong), bootstrap_timeout_ms=3_000)
    assert own_kafka.guarded in str(caught.value)
    assert "kafka.sasl_mechanism" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_user_where_none_is_wanted_and_none_where_one_is(own_kafka: KafkaServer) -> None:
    too_much = with_user(own_kafka, bootstrap=(own_kafka.bootstrap,))
    with pytest.raises(BrokerRefusedError, match=r"wants no user on this port; check kafka\.security"):
        make_admin(too_much, bootstrap_timeout_ms=3_000)
    with pytest.raises(BrokerUnreachableError, match=r"kafka\.security \(PLAINTEXT\)"):
        make_admin(KafkaParams(bootstrap=(own_kafka.guarded,)), bootstrap_timeout_ms=3_000)


def test_a_broker_that_died_is_named_by_what_was_tried(
    own_kafka: KafkaServer, kafka_params: KafkaParams
) -> None:
    producer = make_producer(
        kafka_params, delivery_timeout_ms=2_000, request_timeout_ms=1_000, max_block_ms=2_000
    )
    own_kafka.kill()
    with in_words_caught(kafka_params, "write the log") as caught:
        producer.send(topic(kafka_params, SHARD_LOG), b"x", partition=0).get(60)  # type: ignore[no-untyped-call]
    assert isinstance(caught.value, BrokerUnreachableError)
    assert "can't write the log: " in str(caught.value)
    assert "(Connection refused)" in str(caught.value)
    producer.close(timeout=1)
    own_kafka.start()


def test_the_client_says_each_thing_once_a_minute_and_nothing_while_it_connects(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    log = ClientLog()

    def say(line: int) -> None:
        log.handle(
            logging.LogRecord("kafka.net.manager", logging.ERROR, "manager.py", line, "lost", (), None)
        )

    for line in (1, 1, 2):
        say(line)
    with log.connecting():
        say(3)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    now += QUIET_S + 1
    say(1)
    assert len(caplog.records) == 3
