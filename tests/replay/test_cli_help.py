"""The help of every command teaches with an example, prints results as JSON on demand; a fault exits 3."""

from collections.abc import Iterator

import pytest
import typer.main
from typer.testing import CliRunner

from flows.cli import Exit
from replay import cli
from replay.cli import app

WITHOUT_A_RESULT = {"serve", "ingest", "broker", "config policy"}
"""Three print a line of JSON when they are up, one prints a file."""


def commands(command: object, names: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Each command with its options."""
    inner = getattr(command, "commands", None)
    if inner is None:
        parameters = getattr(command, "params")  # noqa: B009
        yield " ".join(names), {option for parameter in parameters for option in parameter.opts}
    for name, each in (inner or {}).items():
        yield from commands(each, (*names, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_and_fits_80_columns(name: str) -> None:
    done = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, [*name.split(), "--help"])
    assert done.exit_code == Exit.DONE
    assert f"Example: tapwatch {name}" in " ".join(done.output.split())
    assert max(map(len, done.output.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WITHOUT_A_RESULT))
def test_a_command_with_a_result_prints_it_as_json_on_demand(name: str) -> None:
    assert "--json" in COMMANDS[name]


def test_an_error_that_nobody_expected_is_shown_and_exits_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(**_: object) -> None:
        raise TypeError("planted")

    monkeypatch.setattr(cli, "app", break_down)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == Exit.FAULT
    assert "TypeError: planted" in capsys.readouterr().err
