"""Settings for all tests: a busy machine must not fail a property; a broker for those that need one."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.kafka_level import (
    hear_worker,
    kafka,
    kafka_params,
    levels_that_ran,
    make_kafka_params,
    mark_broker_tests,
    own_kafka,
    tell_controller,
)

__all__ = ["kafka", "kafka_params", "make_kafka_params", "own_kafka"]

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_broker_tests(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    tell_controller(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    hear_worker(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_sep("=", levels_that_ran(config))
