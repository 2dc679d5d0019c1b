"""`config check`: all that is wrong at once, in plain words, without opening anything."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import Exit, app
from flows.settings import effective, load_settings


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["config", "check", *map(str, arguments)])


def test_problems_of_settings_policy_and_environment_are_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("label = 3\ncolour = 1\n")
    settings = tmp_path / "tapwatch.toml"
    settings.write_text(
        f'listen = "h"\npolicy_file = "{policy}"\n[engine]\nmax_wating = 1\n[tls]\nkey = "k"\n'
    )
    monkeypatch.setenv("TAPWATCH_LSITEN", "h:1")
    done = check("--config", settings)
    assert done.exit_code == Exit.BAD_INPUT
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for wanted in (
        "TAPWATCH_LSITEN: no such setting, the nearest is TAPWATCH_LISTEN",
        f"{settings}: listen: 'h'; allowed: host:port",
        f"{settings}: engine.max_wating: 1; no such key, the nearest is max_waiting",
        f"{settings}: tls: key without certificate; allowed: certificate and key together, or no",
        f"{policy}: label: 3; allowed: a text",
        f"{policy}: colour: unknown key with the value 1; allowed: label",
    ):
        assert any(line.startswith(f"error: {wanted}") for line in lines), wanted
    as_json = check("--config", settings, "--json")
    assert as_json.exit_code == Exit.BAD_INPUT
    assert json.loads(as_json.stdout)["problems"] == [line.removeprefix("error: ") for line in lines]


def test_what_serve_would_refuse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = tmp_path / "tapwatch.toml"
    settings.write_text(f'data_dir = "{tmp_path}/file"\n[tls]\ncertificate = "none.pem"\nkey = "none.key"\n')
    done = check("--config", settings)
    assert done.exit_code == Exit.BAD_INPUT
    starts = [line.partition(": ")[2].partition(":")[0] for line in done.stderr.splitlines()]
    assert starts == ["data_dir", "tls.certificate", "tls.key"]


def test_the_text_form_is_a_settings_file(tmp_path: Path) -> None:
    settings = tmp_path / "tapwatch.toml"
    settings.write_text('log_format = "json"\n[callers.by_identity]\n"spiffe://shop/gateway" = ["shop"]\n')
    done = check("--config", settings)
    assert done.exit_code == Exit.DONE, done.output
    assert tomllib.loads(done.stdout)["callers"]["by_identity"] == {"spiffe://shop/gateway": ["shop"]}
    again = tmp_path / "again.toml"
    again.write_text(done.stdout)
    assert effective(load_settings(again)) == effective(load_settings(settings))


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == Exit.DONE
    assert done.stdout.startswith("tapwatch 0.")
