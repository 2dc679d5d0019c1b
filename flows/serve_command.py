"""What `tapwatch serve` does, from its settings to its end: signals, first line, reload of the policy."""

import json
import signal
import sys
from collections.abc import Callable
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from alerting.engine import EngineUnavailableError, PayloadConflictError
from alerting.policy import PolicyError
from flows.fault_injection import Faults
from flows.garbage import calm_garbage_collector
from flows.serving import Serving
from flows.settings import Settings
from flows.startup_checks import read_policy
from flows.supervision import Spawn

_LOOK_UP_S: Final = 0.2

_log = structlog.get_logger(__name__)


class _Wish(Enum):
    STOP = auto()
    RELOAD = auto()


def run_server(settings: Settings, faults: Faults | None = None, spawn: Spawn | None = None) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the policy again.

    Raises
    ------
    PolicyError, ServingError
        When the process can't start.
    """
    wishes: SimpleQueue[_Wish] = SimpleQueue()
    serving = Serving(settings, read_policy(settings.policy_file), faults, spawn)
    # A handler only writes down what is wished: it may interrupt anything, a line of the log included.
    for number, wish in (
        (signal.SIGTERM, _Wish.STOP),
        (signal.SIGINT, _Wish.STOP),
        (signal.SIGHUP, _Wish.RELOAD),
    ):
        signal.signal(number, _writer(wishes, wish))
    serving.start()
    try:
        calm_garbage_collector()
        # Others read this line to learn the port, so it goes to standard output.
        print(json.dumps({"event": "serving", "port": serving.port, "operator_port": serving.operator_port}))
        sys.stdout.flush()
        _log.info("serving", port=serving.port, operator_port=serving.operator_port)
        while _next(wishes) is not _Wish.STOP:
            reload_policy(serving, settings)
    finally:
        _log.info("draining")
        serving.stop()
        _log.info("stopped")


def reload_policy(serving: Serving, settings: Settings) -> None:
    """Put the policy file in force as it stands now; the log says whether that was done, and why not."""
    try:
        receipt = serving.change_policy(read_policy(settings.policy_file))
    except PolicyError as error:
        _log.error("policy_refused", kept="the policy in force", problems=list(error.problems))
    except (EngineUnavailableError, PayloadConflictError) as error:
        _log.error("policy_not_activated", kept="the policy in force", reason=str(error))
    else:
        if receipt is None:
            _log.info("policy_unchanged", kept="the policy in force")
        else:
            _log.info("policy_activated", position=receipt.log_position)


def _next(wishes: "SimpleQueue[_Wish]") -> _Wish:
    """Wait for a wish, and look up now and then.

    A signal that comes just before a wait without end does not interrupt it: its handler would never run.
    """
    while True:
        try:
            return wishes.get(timeout=_LOOK_UP_S)
        except Empty:
            continue


def _writer(wishes: "SimpleQueue[_Wish]", wish: _Wish) -> Callable[..., None]:
    return lambda *_: wishes.put(wish)
