"""The bundled sample is what its documented parameters make."""

from collections.abc import Iterator
from pathlib import Path

from detectors.events import Outcome, Payment
from flows.codec import BadRecord, Event, encode_event
from replay.simulator import SAMPLE, sample_path, simulate, write_sample
from replay.streams import read_stream


def test_making_the_sample_again_gives_the_same_events() -> None:
    bundled = [encode_event(event) for event in _events(sample_path())]
    assert bundled == [encode_event(event) for event in simulate(SAMPLE)]


def test_the_sample_is_small_and_holds_every_kind_of_fraud() -> None:
    events = list(_events(sample_path()))
    assert sample_path().stat().st_size <= 150_000
    assert 3_000 <= sum(isinstance(event, Payment) for event in events) <= 5_000
    assert len({event.code for event in events if isinstance(event, Outcome)}) == 7


def test_a_written_sample_can_be_read(tmp_path: Path) -> None:
    count = write_sample(tmp_path / "again.jsonl.zst")
    assert len(list(_events(tmp_path / "again.jsonl.zst"))) == count


def _events(path: Path) -> Iterator[Event]:
    for event in read_stream(path):
        assert not isinstance(event, BadRecord)
        yield event
