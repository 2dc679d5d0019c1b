"""What `tapwatch ingest` does, from its settings to its end: signals, first line, operator endpoints."""

import gc
import json
import signal
import sys
from typing import Any, Final

import structlog

from flows.address import parse_address
from flows.broker.ingest.ingest import Ingest
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.operator import OperatorServer

_YOUNG: Final = 50_000
"""Objects between two collections: some batches of records, most of which leave no cycle behind."""

_log = structlog.get_logger(__name__)


def run_ingest(kafka: KafkaParams, params: IngestParams) -> None:
    """Read input topics until SIGTERM or SIGINT.

    Raises
    ------
    BrokerError, WriteError
        When the process can't start, or the brokers refuse what is written.
    BadRunError
        When too many bad records come in a row.
    OSError
        When the operator's address can't be listened on.
    """
    ingest = Ingest(kafka, params)
    try:
        operator = OperatorServer(
            parse_address(params.operator_listen), lambda: ingest.health, ingest.metrics
        )
    except OSError:
        ingest.close()
        raise
    try:
        operator.start()
        _stop_on_signals(ingest)
        # What was loaded stays. Looking for garbage in it again and again would cost a sixth of the time.
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 20)
        # Others read this line to learn the port, so it goes to standard output.
        print(json.dumps({"event": "ingesting", "operator_port": operator.port}))
        sys.stdout.flush()
        _log.info("started", topics=f"{kafka.prefix}.*", operator_port=operator.port)
        ingest.run()
    finally:
        operator.stop()
    _log.info("stopped", records=ingest.counts.read, refused=ingest.counts.refused.total())


def _stop_on_signals(ingest: Ingest) -> None:
    def stop(number: int, _frame: Any) -> None:
        # The second one ends the process at once: whatever was not noted is read again.
        signal.signal(number, signal.SIG_DFL)
        ingest.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
