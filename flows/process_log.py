"""The process's log on standard error: one form for our lines, other libraries' lines and uncaught errors."""

import logging
import os
import sys
import threading
from types import TracebackType
from typing import Any

import structlog


def configure_logging(form: str) -> None:
    """Send everything that the process says to standard error, as JSON lines or for people.

    gRPC's core and a Rust panic write to the file descriptor itself; the first is told to be silent, and the
    dataflow hands its errors on instead of panicking.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    as_json = form == "json"
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    errors: list[Any] = [structlog.processors.format_exc_info] if as_json else []
    last: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, *errors, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *errors, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_hang_up)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def _is_no_hang_up(record: logging.LogRecord) -> bool:
    """A caller that hung up before its answer came is no error of ours."""
    return "ExecuteBatchError raised in core" not in record.getMessage()


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, where: str = "main"
) -> None:
    structlog.get_logger(__name__).error("uncaught_error", where=where, exc_info=(kind, error, trace))


def _unraisable(hooked: "sys.UnraisableHookArgs") -> None:
    error = hooked.exc_value or hooked.exc_type()
    _uncaught(hooked.exc_type, error, hooked.exc_traceback, hooked.err_msg or "unraisable")


def _uncaught_in_thread(hooked: threading.ExceptHookArgs) -> None:
    error = hooked.exc_value or hooked.exc_type()
    name = "thread" if hooked.thread is None else hooked.thread.name
    _uncaught(hooked.exc_type, error, hooked.exc_traceback, name)
