"""What the Kafka client says of its own doings, toned down.

It reports each attempt to reach a broker several times over and at the level of an error. Here each kind of
message is let through once a minute, as a warning, and none while a client is being made: what goes wrong
then is an exception. That does not name the reason, so the last one that was reported is kept.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka.errors import KafkaError

QUIET_S: Final = 60.0
_CLIENT: Final = "kafka"
_SCHEDULER: Final = "kafka.net.selector"
_CONNECTING: Final = "kafka.net."


class ClientLog(logging.Handler):
    """Stands between the client's loggers and those of the process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[tuple[str, int], float] = {}
        self._failure: BaseException | None = None
        self._connecting = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what was not said within the last minute."""
        if record.name.startswith(_CONNECTING):
            self._remember(record)
        # One kind of message is one line of the client's source.
        kind, now = (record.pathname, record.lineno), time.monotonic()
        if self._connecting or now - self._said.get(kind, -QUIET_S) < QUIET_S:
            return
        self._said[kind] = now
        if record.exc_info and record.exc_info[1] is not None:
            # Where in the client it happened helps nobody, and fills the screen.
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]!r}", None
            record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        root = logging.getLogger()
        if root.isEnabledFor(logging.WARNING):
            root.handle(record)

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Inside, nothing is passed on."""
        # Handlers have a lock of their own, which emit() holds.
        with self._locked():
            self._connecting += 1
            self._failure = None
        try:
            yield
        finally:
            with self._locked():
                self._connecting -= 1

    def reason(self) -> BaseException | None:
        """Why a connection failed last; a reason in detail is not replaced by a vague one."""
        return self._failure

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _remember(self, record: logging.LogRecord) -> None:
        for value in record.args if isinstance(record.args, tuple) else ():
            if isinstance(value, KafkaError) and not (self._failure and _is_vague(value)):
                self._failure = value


def _is_vague(error: KafkaError) -> bool:
    return type(error).__name__ in ("KafkaConnectionError", "KafkaTimeoutError", "RequestTimedOutError")


CLIENT_LOG: Final = ClientLog()
_INSTALLING: Final = threading.Lock()


def tone_down() -> None:
    """Put the client's messages through :data:`CLIENT_LOG`; again does nothing."""
    logger = logging.getLogger(_CLIENT)
    with _INSTALLING:
        if CLIENT_LOG not in logger.handlers:
            logger.addHandler(CLIENT_LOG)
            logger.propagate = False
            logger.setLevel(logging.WARNING)
            # It warns of every tenth of a second that this process did not get from a busy machine.
            logging.getLogger(_SCHEDULER).setLevel(logging.ERROR)
