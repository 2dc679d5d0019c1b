"""Reads all input topics as one member of a consumer group, and notes what is done when it is safe.

At least once: the group's offsets move only past records that the brokers have acknowledged in the shard log
or among the dead letters. After a crash the others are read and written again; the owner of a shard knows
them by their event ids. What a member that lost its partitions still had on its way is a repeat of what the
next member sends.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from alerting.engine import Health
from flows.broker.ingest.bad_runs import BadRuns, Partition, Step
from flows.broker.ingest.ingest_counts import Counts, IngestMetrics
from flows.broker.ingest.ingest_flow import Read, run_ingest_flow
from flows.broker.ingest.input_topics import InputTopics
from flows.broker.ingest.inputs import InputReader, Received, Refusal, in_time, place
from flows.broker.ingest.log_writer import GivenUpError, LogWriter, Sent
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams

_log = structlog.get_logger(__name__)

Clock = Callable[[], int]
"""Gives Unix time in microseconds."""


class BadRunError(Exception):
    """Too many bad records in a row; the message says where and what can be done."""


def wall_clock_us() -> int:
    """Now, where the outside world ends and the log begins."""
    return time.time_ns() // 1_000


class Ingest:
    """One process's share of the input topics, from its first record to its last.

    Parameters
    ----------
    kafka, params
        What an operator has set.
    clock
        When a record arrives.

    Raises
    ------
    WriteError
        When the topics to write into are not as they must be.
    """

    def __init__(self, kafka: KafkaParams, params: IngestParams, clock: Clock = wall_clock_us) -> None:
        self._params, self._clock = params, clock
        self._ahead = timedelta(seconds=params.max_ahead_s)
        self._device_ahead = timedelta(seconds=params.max_device_ahead_s)
        self._reader = InputReader(kafka.prefix)
        self._runs = BadRuns(params.alarm_after, params.stop_after)
        self._stop_at: float | None = None
        self.counts = Counts()
        self._metrics = IngestMetrics(self.counts, self._runs.longest)
        self._writer = LogWriter(kafka, self._give_up)
        # The last batch: on its way to the brokers while the next one is read.
        self._sent: Sent = []
        self._behind_sent: dict[Partition, int] = {}
        try:
            self._topics = InputTopics(
                kafka, self._reader.topics, params.max_batch, params.commit_every_s, self._runs.keep
            )
        except BaseException:
            self._writer.close()
            raise
        self._said_at = time.monotonic()
        self._said = 0

    @property
    def health(self) -> Health:
        """Ready means that the group has told this process what to read."""
        if self._stop_at is not None:
            return Health.NOT_SERVING
        return Health.SERVING if self._topics.joined else Health.STARTING

    def metrics(self) -> bytes:
        """The text of /metrics."""
        return self._metrics.text()

    def run(self) -> None:
        """Read until :meth:`stop`.

        Raises
        ------
        BadRunError
            When too many bad records come in a row.
        WriteError
            When the brokers refuse what is written.
        """
        try:
            run_ingest_flow(self)
        except GivenUpError as error:
            _log.warning("drained_in_part", reason=str(error), then="they are read again at the next start")
        finally:
            self.close()

    def stop(self) -> None:
        """Finish what was read, note it, and end. Fine to call from a signal handler."""
        self._stop_at = time.monotonic()

    # The stages of the flow.

    def next_batch(self) -> Sequence[Received]:
        """See :meth:`flows.broker.ingest.ingest_flow.Stage.next_batch`."""
        if self._stop_at is not None:
            self._settle()
            raise StopIteration
        received = self._topics.poll()
        if not received:
            self._settle()
        self._report(idle=not received)
        return received

    def read(self, batch: list[Received]) -> list[Read]:
        """See :meth:`flows.broker.ingest.ingest_flow.Stage.read`."""
        now = datetime.fromtimestamp(self._clock() / 1e6, UTC)
        latest, of_devices, read = now + self._ahead, now + self._device_ahead, self._reader.read
        return [Read(each, in_time(each, read(each, latest), of_devices)) for each in batch]

    def write(self, batch: list[Read]) -> None:
        """See :meth:`flows.broker.ingest.ingest_flow.Stage.write`."""
        arrival_us = self._clock()
        done: dict[Partition, int] = {}
        stopped_by: Read | None = None
        for one in batch:
            received, result = one
            partition = (received.topic, received.partition)
            done[partition] = received.offset + 1
            if isinstance(result, Refusal):
                if self._refuse(received, result, arrival_us) is Step.STOP:
                    stopped_by = one
                    break
            else:
                self.counts.written += self._writer.event(result, arrival_us)
                self.counts.accepted[received.topic] += 1
                self._runs.good(partition)
        self._settle()
        self._sent, self._behind_sent = self._writer.sent(), done
        if batch:
            self.counts.lag.seconds = max(0.0, arrival_us / 1e6 - batch[-1].received.timestamp / 1e3)
        if stopped_by is not None:
            self._settle()
            raise self._too_many(stopped_by.received, stopped_by.result)

    def _refuse(self, received: Received, refusal: Refusal, arrival_us: int) -> Step:
        self._writer.letter(received, refusal, datetime.fromtimestamp(arrival_us / 1e6, UTC))
        self.counts.refused[received.topic, refusal.trouble.value] += 1
        step = self._runs.bad((received.topic, received.partition), received.offset)
        if step is Step.ALARM:
            self.counts.alarms += 1
            _log.error(
                "bad_run",
                topic=received.topic,
                partition=received.partition,
                offset=received.offset,
                in_a_row=self._params.alarm_after,
                error=refusal.trouble.value,
                stops_at=self._params.stop_after,
            )
        return step

    def _too_many(self, received: Received, result: object) -> BadRunError:
        trouble = result.trouble.value if isinstance(result, Refusal) else ""
        return BadRunError(
            f"{place(received)}: the last {self._params.stop_after} records of this partition can't be used"
            f" ({trouble}). They are dead letters (`tapwatch dead-letters list`), and none behind them was"
            " read; mend what is written there, and start again to go on behind them"
        )

    def _settle(self) -> None:
        self._writer.settle(self._sent)
        self._topics.done(self._behind_sent)
        self._sent, self._behind_sent = [], {}

    # Life.

    def _give_up(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at + self._params.drain_s

    def _report(self, idle: bool) -> None:
        now = time.monotonic()
        if now < self._said_at + self._params.progress_every_s:
            return
        seconds, self._said_at = now - self._said_at, now
        self.counts.lag.records = self._topics.behind()
        if idle and not self.counts.lag.records:
            self.counts.lag.seconds = 0.0
        done = self.counts.read - self._said
        if done:
            self._said += done
            _log.info(
                "ingesting",
                records=self.counts.read,
                refused=self.counts.refused.total(),
                per_second=round(done / seconds),
                behind=self.counts.lag.records,
                behind_s=round(self.counts.lag.seconds, 1),
            )

    def close(self) -> None:
        """Note what is done and leave; :meth:`run` does it at its end."""
        self._topics.close()
        self._writer.close()
