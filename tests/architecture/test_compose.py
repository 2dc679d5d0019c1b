"""The compose file can be read, and its parts fit together and the settings."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from flows.settings import load_settings
from replay.cli import app
from replay.drills.kafka_jars import KAFKA_VERSION

Compose = dict[str, Any]


@pytest.fixture
def compose(checkout: Path) -> Compose:
    found: Compose = yaml.safe_load((checkout / "compose.yaml").read_text())
    return found


def own_services(compose: Compose) -> dict[str, Compose]:
    return {name: each for name, each in compose["services"].items() if "build" in each}


def test_the_services_are_there_on_the_broker_that_the_tests_run_on(compose: Compose) -> None:
    assert compose["services"].keys() == {"kafka", "topics", "serve", "ingest"}
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_every_setting_is_one(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in own_services(compose).values():
        with monkeypatch.context() as environment:
            for name, value in service["environment"].items():
                assert isinstance(value, str), name
                environment.setenv(name, value)
            assert load_settings().kafka.bootstrap == ("kafka:19092",)


def test_every_command_is_one(compose: Compose) -> None:
    root = typer.main.get_command(app)
    for name, service in own_services(compose).items():
        context = root.make_context("tapwatch", ["--help"], resilient_parsing=True)
        command, arguments = root, list(service["command"])
        while (inner := getattr(command, "commands", None)) is not None:
            command = inner[arguments.pop(0)]
        command.make_context(name, arguments, parent=context).close()


def test_clients_inside_and_outside_are_sent_to_a_listener_that_is_open(compose: Compose) -> None:
    settings = compose["services"]["kafka"]["environment"]
    listeners = dict(each.split("://") for each in settings["KAFKA_LISTENERS"].split(","))
    advertised = dict(each.split("://") for each in settings["KAFKA_ADVERTISED_LISTENERS"].split(","))
    for name, address in advertised.items():
        assert address.endswith(listeners[name])
    assert advertised["INSIDE"] == "kafka:19092"
    assert f"127.0.0.1:{advertised['OUTSIDE'].split(':')[1]}:9092" in compose["services"]["kafka"]["ports"]


def test_who_waits_for_whom_exists_and_volumes_are_declared(compose: Compose) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
    assert all(port.startswith("127.0.0.1:") for each in services.values() for port in each.get("ports", ()))


def test_the_image_copies_what_is_there_and_runs_as_nobody_special(checkout: Path) -> None:
    lines = (checkout / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [shlex.split(line, comments=True) for line in lines]
    copied = [name for step in steps if step and step[0] == "COPY" for name in step[1:-1]]
    assert [name for name in copied if not (checkout / name).exists()] == []
    ignored = (checkout / ".dockerignore").read_text().splitlines()
    assert [name for name in copied if f"!{name}" not in ignored] == []
    assert ["USER", "tapwatch"] in steps
    assert ["FROM", "python:3.11-slim"] in steps
