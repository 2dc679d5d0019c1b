"""Settings: where they come from, in which order, and what is refused."""

from pathlib import Path

import pytest

from flows.settings import SettingsError, effective, load_settings


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tapwatch.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    settings = load_settings()
    assert settings.listen == "127.0.0.1:50551"
    assert settings.engine.intake().max_waiting == 128


def test_a_flag_beats_the_environment_and_that_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, 'listen = "h:1"\ndata_dir = "a"\nlog_format = "json"\n')
    monkeypatch.setenv("TAPWATCH_LISTEN", "h:2")
    monkeypatch.setenv("TAPWATCH_DATA_DIR", "b")
    settings = load_settings(path, listen="h:3", data_dir=None)
    assert (settings.listen, settings.data_dir, settings.log_format) == ("h:3", Path("b"), "json")


def test_sections_set_the_parameters_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, "[edge]\ndefault_deadline_s = 0.2\n[models.amount]\nweight = 0.5\n")
    monkeypatch.setenv("TAPWATCH_ENGINE__MAX_WAITING", "7")
    settings = load_settings(path)
    assert settings.edge.default_deadline_s == 0.2
    assert settings.models.amount.weight == 0.5
    assert settings.engine.max_waiting == 7


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "colour"),
        ("[engine]\nmax_wating = 1", "max_wating"),
        ("[edge]\ndeadline = 1", "deadline"),
        ("[models.amount]\nwieght = 1", "wieght"),
        ("[models]\nrates = {}", "rates"),
        ("[engine]\nmax_waiting = 0", "max_waiting"),
        ('listen = "nowhere"', "listen"),
        ("listen = ", "TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(file(tmp_path, text))


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    path = file(tmp_path, 'colour = 1\nlisten = "nowhere"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert "colour" in str(caught.value)
    assert "listen" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_settings(tmp_path / "none.toml")


def test_effective_values_are_plain() -> None:
    values = effective(load_settings())
    assert values["engine"]["cached_objects"] == 200_000
    assert values["models"]["amount"]["weight"] == 1.0
    assert "rates" not in values["models"]
