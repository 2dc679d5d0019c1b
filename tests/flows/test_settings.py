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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("colour = 1", "colour: 1; no such key, allowed: alerts, callers, data_dir"),
        ("[engine]\nmax_wating = 1", "engine.max_wating: 1; no such key, the nearest is max_waiting"),
        ("[models.amount]\nwieght = 1", "models.amount.wieght: 1; no such key, the nearest is weight"),
        ("[engine]\nmax_waiting = 0", "engine.max_waiting: 0; allowed: 1 or more"),
        ("[engine]\nmax_waiting = 1.5", "engine.max_waiting: 1.5; allowed: a whole number"),
        ("[edge]\nmax_calls = 0", "edge.max_calls: 0 is out of range; allowed: 1 or more"),
        ("[edge]\nmax_calls = 'x'", "edge.max_calls: 'x'; allowed: a whole number"),
        ("[models.amount]\nweight = nan", "models.amount.weight: nan; allowed: a finite number"),
        ("engine = 3", "engine: 3; allowed: a table"),
        ("log_format = 'xml'", "log_format: 'xml'; allowed: 'console' or 'json'"),
        (
            "listen = '127.0.0.1:99999'",
            "listen: '127.0.0.1:99999'; allowed: host:port with a port of 0..",
        ),
        ("listen = ':50551'", "listen: ':50551'; allowed: host:port"),
        ("operator_listen = 'h:-1'", "operator_listen: 'h:-1'; allowed: host:port"),
        ("[tls]\nkey = 'k'", "tls: key without certificate; allowed: certificate and key together"),
        ("[tls]\nclient_ca = 'c'", "tls: client_ca without certificate and key; allowed: "),
    ],
)
def test_a_problem_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, line: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: {line}")


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("TAPWATCH_LSITEN", "h:1", "TAPWATCH_LSITEN: no such setting, the nearest is TAPWATCH_LISTEN"),
        ("TAPWATCH_PORT", "50551", "TAPWATCH_PORT: no such setting, "),
        (
            "TAPWATCH_ENGINE__MAX_WATING",
            "1",
            "TAPWATCH_ENGINE__MAX_WATING: no such setting, the nearest is ",
        ),
        ("TAPWATCH_LISTEN__PORT", "1", "TAPWATCH_LISTEN__PORT: no such setting, the nearest is "),
        ("TAPWATCH_EDGE__MAX_CALLS", "0", "TAPWATCH_EDGE__MAX_CALLS: 0 is out of range; allowed: 1 or more"),
        ("TAPWATCH_ENGINE__MAX_BATCH", "x", "TAPWATCH_ENGINE__MAX_BATCH: 'x'; allowed: a whole number"),
        ("TAPWATCH_ENGINE", "x", "TAPWATCH_ENGINE: 'x'; allowed: a table as JSON"),
        ("TAPWATCH_EDGE", '{"calls": 1}', "TAPWATCH_EDGE: calls: 1; no such key, the nearest is max_calls"),
        ("tapwatch_log_format", "xml", "TAPWATCH_LOG_FORMAT: 'xml'; allowed: 'console' or 'json'"),
    ],
)
def test_what_is_wrong_with_a_variable_is_told_by_its_name(
    variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.startswith(line)


def test_a_flag_is_told_by_its_name() -> None:
    with pytest.raises(SettingsError, match=r"^--operator-listen: 'x'; allowed: host:port"):
        load_settings(operator_listen="x")


def test_a_mistyped_variables_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPWATCH_TOKEN", "secret")
    with pytest.raises(SettingsError, match="TAPWATCH_TOKEN") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_variables_of_tests_and_links_of_a_pod_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPWATCH_TEST_DATA", "x")
    monkeypatch.setenv("TAPWATCH_CONFIG", "x")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("TAPWATCH_PORT_50551_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("TAPWATCH_CALLERS__BY_IDENTITY", '{"spiffe://shop/gateway": ["shop"]}')
    assert load_settings().callers.by_identity == {"spiffe://shop/gateway": ["shop"]}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_settings(tmp_path / "none.toml")


def test_effective_values_are_plain() -> None:
    values = effective(load_settings())
    assert values["engine"]["cached_objects"] == 200_000
    assert values["models"]["amount"]["weight"] == 1.0
    assert "rates" not in values["models"]


def test_brokers_are_a_list_in_the_file_and_one_text_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, '[kafka]\nbootstrap = ["a:1"]\nshards = 16\n')
    assert load_settings(path).kafka.bootstrap == ("a:1",)
    monkeypatch.setenv("TAPWATCH_KAFKA__BOOTSTRAP", "a:1, b:2")
    assert load_settings(path).kafka.bootstrap == ("a:1", "b:2")
    assert load_settings(path).kafka.shards == 16


def test_without_a_broker_named_the_engine_is_embedded() -> None:
    assert load_settings().kafka.bootstrap == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("bootstrap = ['h']", "kafka.bootstrap: 'h'; allowed: a list of host:port with a port of 1..65535"),
        ("bootstrap = ['h:0']", "kafka.bootstrap: 'h:0'; allowed: a list of host:port"),
        ("shards = 0", "kafka.shards: 0 is out of range; allowed: 1 to 10,000"),
        ("session_timeout_s = nan", "kafka.session_timeout_s: nan is out of range; allowed: 1.0 to 300"),
        ("prefix = 'a b'", "kafka.prefix: 'a b'; allowed: up to 200 letters"),
        ("compression = 'rar'", "kafka.compression: 'rar'; allowed: 'none', 'gzip' or 'zstd'"),
        ("security = 'TLS'", "kafka.security: 'TLS'; allowed: 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or"),
        ("security = 'SASL_SSL'", "kafka.sasl_username: missing; allowed: a text, as security is SASL_SSL"),
        ("ca = 'ca.pem'", "kafka.ca: given, but security is PLAINTEXT; allowed: with security SSL or SASL"),
        ("sasl_username = 'u'", "kafka.sasl_username: given, but security is PLAINTEXT; allowed: with secur"),
        ("security = 'SSL'\nkey = 'k.pem'", "kafka.key: given without certificate; allowed: both or neither"),
        ("sasl_password = 7", "kafka.sasl_password: ********; allowed: a text"),
    ],
)
def test_what_is_wrong_with_the_kafka_section_is_named(tmp_path: Path, text: str, line: str) -> None:
    path = file(tmp_path, f"[kafka]\n{text}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert [problem.startswith(f"{path}: {line}") for problem in caught.value.problems] == [True]


def test_a_password_is_used_but_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, "[kafka]\nsecurity = 'SASL_PLAINTEXT'\nsasl_username = 'u'\n")
    monkeypatch.setenv("TAPWATCH_KAFKA__SASL_PASSWORD", "open-sesame")
    settings = load_settings(path)
    assert settings.kafka.sasl_password == "open-sesame"
    assert effective(settings)["kafka"]["sasl_password"] == "********"
    assert "open-sesame" not in repr(settings)
    monkeypatch.setenv("TAPWATCH_KAFKA", '{"sasl_password": "open-sesame"')
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert "open-sesame" not in str(caught.value)
