"""The commands as a person types them: what they print, what they exit with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import Exit
from flows.policy_file import default_policy_text
from replay.cli import app
from replay.simulator.sample import sample_path


def tapwatch(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    done = tapwatch("replay", sample_path(), "--out", out, "--keep-shard")
    assert done.exit_code == Exit.DONE, done.output
    return out


@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("replay",),
        ("import",),
        ("record",),
        ("diff",),
        ("evaluate",),
        ("simulate",),
        ("explain",),
        ("demo",),
        ("drill",),
        ("bench", "inline"),
        ("config", "check"),
    ],
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    done = tapwatch(*command, "--help")
    assert done.exit_code == Exit.DONE
    assert "Usage" in done.output


def test_a_replay_prints_its_summary_as_it_stands_in_the_folder(run_folder: Path) -> None:
    summary = json.loads((run_folder / "summary.json").read_text())
    assert summary["decisions"] == 3_127
    assert summary["dead_letters"] == 0
    assert set(summary["actions"]) <= {"APPROVE", "STEP_UP", "REVIEW", "DECLINE"}


def test_a_folder_with_a_run_is_not_overwritten(run_folder: Path) -> None:
    done = tapwatch("replay", sample_path(), "--out", run_folder)
    assert done.exit_code == Exit.BAD_INPUT
    assert "holds a run already" in done.output


def test_diff_exits_0_on_equal_runs_and_1_on_a_difference(run_folder: Path, tmp_path: Path) -> None:
    same = tmp_path / "same"
    assert tapwatch("replay", sample_path(), "--out", same, "--batch-size", 3).exit_code == Exit.DONE
    assert tapwatch("diff", run_folder, same).exit_code == Exit.DONE
    stricter = tmp_path / "strict.toml"
    stricter.write_text(default_policy_text().replace("step_up = 50.0", "step_up = 20.0"))
    other = tmp_path / "other"
    assert tapwatch("replay", sample_path(), "--out", other, "--policy", stricter).exit_code == Exit.DONE
    done = tapwatch("diff", run_folder, other, "--json")
    assert done.exit_code == Exit.DIFFERENCE
    assert json.loads(done.output)["action_flips"]


def test_evaluate_prints_text_and_json(run_folder: Path) -> None:
    assert "Ranking" in tapwatch("evaluate", run_folder).output
    assert json.loads(tapwatch("evaluate", run_folder, "--json").output)["labels"]["outcomes"] == 66


def test_explain_reads_a_kept_run(run_folder: Path) -> None:
    done = tapwatch("explain", "t-nobody", "--data-dir", run_folder)
    assert done.exit_code == Exit.BAD_INPUT
    assert "t-nobody" in done.output
    recorded = run_folder.parent / "recorded.jsonl"
    assert tapwatch("record", "--data-dir", run_folder, "--out", recorded).exit_code == Exit.DONE
    first = next(json.loads(line) for line in recorded.read_text().splitlines() if '"kind":"payment"' in line)
    done = tapwatch("explain", first["transaction_id"], "--data-dir", run_folder)
    assert done.exit_code == Exit.DONE
    assert first["user_id"] in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", "none.jsonl", "--out", "x"), "none.jsonl"),
        (("replay", "none.csv", "--out", "x"), "allowed"),
        (("replay", "none.jsonl", "--out", "x", "--speed", "fast"), "allowed: max"),
        (("import", "fdh", "none", "--out", "x.jsonl"), "none"),
        (("import", "paper", "none", "--out", "x.jsonl"), "allowed: fdh"),
        (("import", "fdh", "none", "--out", "x.jsonl", "--label-delay", "soon"), "--label-delay: 'soon'"),
        (("evaluate", "none", "--alerts", "--window", "soon"), "--window: 'soon'"),
        (("record", "--data-dir", "none", "--out", "x.jsonl"), "no such file"),
        (("explain", "t-1", "--data-dir", "none"), "no such file"),
        (("evaluate", "none"), "none"),
        (("demo", "--target", "127.0.0.1:1"), "127.0.0.1:1: UNAVAILABLE"),
        (("config", "check", "--policy", "none.toml"), "none.toml"),
        (("config", "check", "--config", "none.toml"), "none.toml"),
    ],
)
def test_bad_input_exits_2_and_says_what_where_and_what_is_allowed(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tapwatch(*arguments)
    assert done.exit_code == Exit.BAD_INPUT, done.output
    assert says in " ".join(done.output.split())


def test_config_check_prints_the_effective_settings(tmp_path: Path) -> None:
    settings = tmp_path / "tapwatch.toml"
    settings.write_text("[engine]\nmax_waiting = 7\n")
    done = tapwatch("config", "check", "--config", settings, "--json")
    assert json.loads(done.output)["engine"]["max_waiting"] == 7
    settings.write_text("[engine]\nmax_wating = 7\n")
    done = tapwatch("config", "check", "--config", settings)
    assert done.exit_code == Exit.BAD_INPUT
    assert "max_wating" in done.output


def test_the_shipped_policy_can_be_printed_and_read_back(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(tapwatch("config", "policy").output)
    assert tapwatch("config", "check", "--policy", policy).exit_code == Exit.DONE


def test_simulate_gives_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = tapwatch("simulate", "--users", 20, "--days", 3, "--out", tmp_path / f"{name}.jsonl")
        assert done.exit_code == Exit.DONE, done.output
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
