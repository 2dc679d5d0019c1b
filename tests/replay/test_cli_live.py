"""Commands that run a server: what they refuse before they start one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import Exit
from replay.cli import app
from replay.demo import sample_events
from replay.server_process import ServerProcess, ServerStartError
from replay.streams import StreamWriter


def tapwatch(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("drill", "deadline", "--payments", 100),
            "payments of the deadline drill: 100; allowed: 5,400 or more",
        ),
        (
            ("drill", "crash", "--payments", 100, "--kills", 9),
            "of the crash drill: 100; allowed: 180 or more",
        ),
        (("drill", "equality", "--payments", 100), "of the equality drill: 100; allowed: 400 or more"),
        (("drill", "crash", "--stream", "none.jsonl"), "none.jsonl"),
        (("bench", "overhead", "--stream", "none.jsonl"), "none.jsonl"),
        (("bench", "inline", "--rates", "fast"), "--rates: 'fast'; allowed: numbers above 0"),
        (("bench", "merchants", "--sizes", "1e6"), "--sizes: '1e6'; allowed: whole numbers from 1"),
        (("bench", "merchants", "--sizes", "10,0"), "--sizes: '10,0'; allowed: whole numbers from 1"),
        (("bench", "inline", "--rates", "500,0"), "--rates: '500,0'; allowed: numbers above 0"),
    ],
)
def test_bad_input_exits_2_and_says_what_is_allowed(arguments: tuple[object, ...], says: str) -> None:
    done = tapwatch(*arguments)
    assert done.exit_code == Exit.BAD_INPUT, done.output
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_a_stream_without_enough_payments_is_refused(tmp_path: Path) -> None:
    stream = tmp_path / "short.jsonl"
    with StreamWriter(stream) as writer:
        for event in sample_events()[:60]:
            writer.write(event)
    done = tapwatch("drill", "crash", "--stream", stream, "--kills", 0)
    assert done.exit_code == Exit.BAD_INPUT
    assert "allowed: 100 or more" in done.stderr


def test_the_figures_of_a_bench_are_text_or_json() -> None:
    command = ("bench", "overhead", "--payments", 100, "--rounds", 1)
    assert "\nwhole_flow_us  " in tapwatch(*command).stdout
    assert json.loads(tapwatch(*command, "--json").stdout)["events"] == 100


@pytest.mark.slow
def test_a_server_that_does_not_come_up_is_told_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(
        ServerStartError, match=r"ended with code 2 before it served; it said:\nerror: data_dir"
    ):
        ServerProcess(tmp_path / "data").start()


@pytest.mark.slow
def test_the_inline_benchmark_fits_80_columns() -> None:
    done = tapwatch("bench", "inline", "--rates", "100", "--seconds", 1, "--warm-up", 0)
    assert done.exit_code == Exit.DONE, done.output
    head, names, row = done.stdout.splitlines()[:3]
    assert len(head) < len(names) == len(row) <= 80
    assert len(names.split()) == len(row.split())


def test_the_figures_of_directories_fit_80_columns() -> None:
    done = tapwatch("bench", "merchants", "--sizes", "500,1000", "--positions", 50)
    assert done.exit_code == Exit.DONE, done.output
    lines = done.stdout.splitlines()
    assert [len(line) <= 80 for line in lines] == [True] * 4
    assert len(lines[1]) == len(lines[2]) == len(lines[3])
    assert lines[3].split()[0] == "1,000"
    (row,) = json.loads(tapwatch("bench", "merchants", "--sizes", "500", "--positions", 50, "--json").stdout)
    assert row["merchants"] == 500
    assert row["near"] >= row["inside"] > 0.0


@pytest.mark.slow
def test_the_inline_benchmark_of_a_stream_answers_every_payment() -> None:
    done = tapwatch("bench", "inline", "--stream", "--rates", "100", "--seconds", 1, "--warm-up", 0, "--json")
    assert done.exit_code == Exit.DONE, done.output
    (row,) = json.loads(done.stdout)
    assert row["errors"] == 0
    assert 0 < row["p50_ms"] <= row["max_ms"]


@pytest.mark.slow
def test_the_demo_answers_every_payment_and_its_figures_are_json() -> None:
    done = tapwatch("demo", "--json")
    assert done.exit_code == Exit.DONE, done.output
    seen = json.loads(done.stdout)
    assert seen["answered"] == seen["payments"] == sum(seen["actions"].values()) > 3_000
    assert 0 < seen["p50_ms"] <= seen["p99_ms"]
