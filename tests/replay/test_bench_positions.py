"""The bench of positions: how its world is made, and that the command shows what it measured."""

import json

import pytest
from typer.testing import CliRunner

from flows.cli import Exit
from geo import Fence, FenceIndex, Position
from replay.bench.positions import measure_positions
from replay.cli import app


def test_the_same_seed_gives_the_same_world_and_people_come_somewhere() -> None:
    row, again = (measure_positions(600, 5, 2_000) for _ in range(2))
    same = ("fences", "positions", "enters", "transitions", "median_bytes", "largest_bytes")
    assert [getattr(row, name) for name in same] == [getattr(again, name) for name in same]
    assert (row.fences, row.positions) == (600, 2_000)
    assert row.enters > 5
    assert 100 < row.median_bytes <= row.largest_bytes
    assert row.per_s > 0


def test_fences_elsewhere_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    around = FenceIndex._around

    def counted(self: FenceIndex, position: Position, reach_m: float) -> list[Fence]:
        found = list(around(self, position, reach_m))
        looked.append(len(found))
        return found

    monkeypatch.setattr(FenceIndex, "_around", counted)
    shares = []
    for fences in (575, 23_000):
        looked.clear()
        measure_positions(fences, 4, 2_000)
        shares.append(sum(looked) / 2_000)
    assert shares[1] < 1.5 * shares[0]


def test_the_command_prints_a_table_or_json() -> None:
    small = ["bench", "positions", "--positions", "500", "--users", "3", "--rounds", "1", "--fences"]
    shown = CliRunner().invoke(app, [*small, "600,1200"])
    assert shown.exit_code == Exit.DONE
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["fences", "600", "1,200"]
    assert json.loads(CliRunner().invoke(app, [*small, "600", "--json"]).stdout)[0]["positions"] == 500


@pytest.mark.parametrize("wrong", ["", "0", "-5", "1e3", "600,x"])
def test_numbers_of_fences_that_are_none_are_refused(wrong: str) -> None:
    done = CliRunner().invoke(app, ["bench", "positions", f"--fences={wrong}"])
    assert done.exit_code == Exit.BAD_INPUT
    assert "allowed: whole numbers from 1" in done.stderr
