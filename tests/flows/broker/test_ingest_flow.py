"""The flow hands records on in order, ends when its topics end, and raises what a stage raised."""

from collections.abc import Sequence

import pytest

from flows.broker.ingest.bad_runs import BadRuns, Step
from flows.broker.ingest.ingest_flow import Read, run_ingest_flow
from flows.broker.ingest.inputs import InputReader, Received
from flows.broker.ingest_params import IngestParams
from flows.codec import encode_event
from tests.flows.broker.received_made import NOW, Made
from tests.replay.events_made import a_payment

RECORDS = [Made(value=encode_event(a_payment(number)), offset=number) for number in range(10)]


class Broken(Exception):
    """What a stage raises."""


class Stages:
    """A topic of ten records in batches of three, and a log in memory."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.given = 0
        self.written: list[Read] = []
        self._reader = InputReader("tapwatch")

    def next_batch(self) -> Sequence[Received]:
        if self.given and self.broken == "next_batch":
            raise Broken
        if self.given >= len(RECORDS):
            raise StopIteration
        self.given += 3
        return RECORDS[self.given - 3 : self.given]

    def read(self, batch: list[Received]) -> list[Read]:
        if self.broken == "read" and batch[0].offset:
            raise Broken
        return [Read(each, self._reader.read(each, NOW)) for each in batch]

    def write(self, batch: list[Read]) -> None:
        if self.broken == "write" and batch[0].received.offset:
            raise Broken
        self.written += batch


def test_all_records_are_handed_on_in_their_order() -> None:
    stages = Stages()
    run_ingest_flow(stages)
    assert [each.received for each in stages.written] == RECORDS
    assert [each.result for each in stages.written] == [a_payment(number) for number in range(10)]


@pytest.mark.parametrize("broken", ["next_batch", "read", "write"])
def test_an_error_ends_the_flow_without_a_panic(broken: str, capfd: pytest.CaptureFixture[str]) -> None:
    stages = Stages(broken)
    with pytest.raises(Broken):
        run_ingest_flow(stages)
    assert [each.received.offset for each in stages.written] == [0, 1, 2]
    assert capfd.readouterr().err == ""


def test_runs_are_counted_for_each_partition_by_itself() -> None:
    runs = BadRuns(alarm_after=2, stop_after=3)
    one, other = ("payments", 0), ("payments", 1)
    assert [runs.bad(*each) for each in ((one, 1), (other, 1), (one, 2), (other, 5))] == [
        Step.NOTHING,
        Step.NOTHING,
        Step.ALARM,
        Step.ALARM,
    ]
    runs.good(other)
    assert (runs.bad(one, 3), runs.bad(other, 7), runs.longest()) == (Step.STOP, Step.NOTHING, 3)


def test_a_run_outlives_that_partitions_are_dealt_out_anew() -> None:
    runs = BadRuns(alarm_after=2, stop_after=3)
    mine, lost = ("payments", 0), ("payments", 1)
    for partition in (mine, lost):
        runs.bad(partition, 1)
    runs.keep({mine})
    assert [runs.bad(mine, offset) for offset in (1, 2, 3)] == [Step.NOTHING, Step.ALARM, Step.STOP]
    assert runs.bad(lost, 1) is Step.NOTHING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alarm_after", 0),
        ("stop_after", 99),
        ("max_batch", 0),
        ("max_ahead_s", float("nan")),
        ("drain_s", -1.0),
        ("operator_listen", "nowhere"),
    ],
)
def test_a_setting_out_of_its_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"^(alarm_after|" + name + r"): .*; allowed: "):
        IngestParams(**{name: value})  # type: ignore[arg-type]
