"""Frames on a line: whatever pieces the socket makes of them, they come out as they went in."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from hypothesis import given
from hypothesis import strategies as st

from flows.frames import (
    Frame,
    Kind,
    Line,
    Noted,
    Worked,
    frame,
    noted_frame,
    read_noted,
    read_worked,
    worked_frame,
)

frames_made = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=20
)


@contextmanager
def a_line() -> Iterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(Line(ours)) as line, theirs:
        yield line, theirs


@given(frames_made, st.lists(st.integers(1, 400), max_size=10))
def test_frames_arrive_whole_and_in_order_however_they_are_cut(
    made: list[tuple[Kind, int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(frame(*each) for each in made)
    with a_line() as (line, other):
        came: list[Frame] = []
        for cut in [*cuts, len(data)]:
            piece, data = data[:cut], data[cut:]
            if piece:
                other.sendall(piece)
                came += line.receive(None)
        assert came == made
        other.close()
        assert line.receive(None) == []
        assert line.closed


def test_a_frame_as_large_as_any_record_needs_no_reader() -> None:
    with a_line() as (line, other), closing(Line(other.dup())) as reader:
        line.send(frame(Kind.EVENT, 1, bytes(262_144)))
        came: list[Frame] = []
        while not came:
            came = reader.receive(None)
        assert len(came[0].body) == 262_144


def test_nothing_comes_within_the_time() -> None:
    with a_line() as (line, _):
        assert line.receive(0.0) == []
        assert line.receive_now() == []
        assert not line.closed


@given(st.integers(0, 2**63), st.booleans(), st.booleans())
def test_noted_round_trip(position: int, duplicate: bool, conflict: bool) -> None:
    noted = Noted(position, duplicate, conflict)
    assert read_noted(noted_frame(7, noted)[13:]) == noted


def test_worked_round_trip() -> None:
    worked = Worked(1 << 40, 64, 0.25, 3)
    assert read_worked(worked_frame(worked)[13:]) == worked
