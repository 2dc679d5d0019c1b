"""An error inside the flow reaches whoever runs it, and nothing is written past the log."""

from collections.abc import Sequence
from typing import cast

import pytest

from flows.dataflow import ONLY_SHARD, Work, run_flow
from flows.log import LogRecord
from flows.outputs import Output
from flows.task import ShardTask


class Piece:
    """Feed, task and effects at once; raises in the one that is named."""

    def __init__(self, breaks: str, error: BaseException) -> None:
        self._breaks = breaks
        self._error = error
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._breaks:
            raise self._error

    def next_batch(self) -> list[Work]:
        self._called("next_batch")
        if len(self.calls) > 20:
            raise StopIteration
        return [(ONLY_SHARD, (cast(ShardTask, self), cast(LogRecord, object())))]

    def apply(self, _record: LogRecord) -> list[Output]:
        self._called("apply")
        return [cast(Output, object())]

    def take(self, _outputs: Sequence[tuple[str, Output]]) -> None:
        self._called("take")


@pytest.mark.parametrize("error", [RuntimeError("planted"), KeyboardInterrupt()])
@pytest.mark.parametrize("breaks", ["next_batch", "apply", "take"])
def test_an_error_ends_the_flow_is_raised_as_it_was_and_prints_nothing(
    breaks: str, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    piece = Piece(breaks, error)
    with pytest.raises(type(error)) as caught:
        run_flow(piece, piece)
    assert caught.value is error
    assert piece.calls[-1] == breaks
    assert piece.calls.count(breaks) == 1
    assert capfd.readouterr() == ("", "")


def test_a_flow_whose_feed_ends_just_returns() -> None:
    piece = Piece("nothing", RuntimeError())
    run_flow(piece, piece)
    assert piece.calls.count("apply") == piece.calls.count("take") > 3
