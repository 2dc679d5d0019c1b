"""A broker that goes and comes back; brokers, topics and folders that can't be used."""

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alerting.decision import Source
from flows.broker.params import KafkaParams
from flows.sqlite_shard import ShardFileError
from replay.drills.kafka_rig import KafkaRig
from replay.drills.kafka_server import KafkaServer
from tests.flows.broker.asking import SHORT_S, Asking, check_published
from tests.flows.broker.engines_made import SHARDS, engine
from tests.kafka_level import MakeKafkaParams

MARGIN_S = 5.0
"""What a busy machine may add to a deadline."""


@pytest.mark.slow
def test_a_broker_that_is_killed_costs_nobody_an_answer_and_the_engine_goes_on_when_it_is_back(
    own_kafka: KafkaServer, make_kafka_params: MakeKafkaParams, tmp_path: Path
) -> None:
    params = make_kafka_params(shards=SHARDS)
    with KafkaRig(tmp_path / "rig", own_kafka.bootstrap) as rig:
        asking, a, b = Asking(), rig.server(params, "a").start(), rig.server(params, "b").start()
        asking.until_engine(a, "t-before")
        asking.until_engine(b, "t-before-b")

        own_kafka.kill()

        def ask(number: int) -> tuple[Source, bool]:
            begun, server = time.monotonic(), (a, b)[number % 2]
            given = asking.ask(server, f"t-{number}", number // 2 % SHARDS, SHORT_S)
            return given.source, time.monotonic() - begun < SHORT_S + MARGIN_S

        with ThreadPoolExecutor(16) as callers:
            assert set(callers.map(ask, range(64))) == {(Source.FALLBACK, True)}
        own_kafka.start()

        asking.until_engine(a, "t-after")
        asking.until_engine(b, "t-after-b")
        asking.repeat_all(a)
        check_published(rig, params, asking, tmp_path)


def refusal(kafka: KafkaParams, folder: Path) -> str:
    """What an engine says that can't start."""
    running = engine(kafka, folder)
    with pytest.raises(ShardFileError) as refused:
        running.start()
    return str(refused.value)


def test_a_shard_log_with_another_number_of_partitions_is_refused(
    make_kafka_params: MakeKafkaParams, tmp_path: Path
) -> None:
    params = make_kafka_params(shards=2)
    wrong = KafkaParams(params.bootstrap, params.prefix, 3)
    said = refusal(wrong, tmp_path)
    assert said.startswith(f"{params.prefix}.shard-log.v1 has 2 partitions, kafka.shards is 3")


def test_topics_that_are_missing_are_named_with_what_makes_them(
    make_kafka_params: MakeKafkaParams, tmp_path: Path
) -> None:
    params = make_kafka_params(topics=False)
    said = refusal(params, tmp_path)
    for kind in ("shard-log", "replies", "queries", "decisions"):
        assert f"{params.prefix}.{kind}.v1" in said
    assert "tapwatch topics apply" in said


def test_a_folder_that_another_process_uses_is_refused(kafka_params: KafkaParams, tmp_path: Path) -> None:
    with engine(kafka_params, tmp_path):
        assert refusal(kafka_params, tmp_path) == f"{tmp_path}: another process uses this folder"


def test_serve_says_which_broker_cannot_be_reached_and_ends_with_code_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "replay", "serve", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "--listen", "127.0.0.1:0"],
        env={"PATH": "", "TAPWATCH_KAFKA__BOOTSTRAP": nobody},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert nobody in done.stderr
    assert "can't be reached (connection refused)" in done.stderr.lower()
    assert "Traceback" not in done.stderr
