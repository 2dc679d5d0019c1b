"""What keeps a server from starting is told before it starts: setting, value, what is allowed."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerting.policy import PolicyError
from flows.broker.params import KafkaParams
from flows.settings import load_settings
from flows.startup_checks import read_policy, startup_problems

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="TLS IS NOT TESTED: the command openssl is not installed"
)


def problems(**settings: Any) -> list[str]:
    return startup_problems(load_settings(**settings))


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
    subprocess.run(
        [*command.split(), "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True
    )
    return certificate, key


def tls_problem(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    found = problems(tls={"certificate": certificate, "key": key, "client_ca": client_ca})
    return "\n".join(found)


def test_the_defaults_have_no_problem(tmp_path: Path) -> None:
    assert problems(data_dir=tmp_path / "deep" / "data") == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        (found,) = problems(data_dir=folder)
        assert found.startswith("data_dir: '")
        assert f"{tmp_path / 'file'} is no folder; allowed: one that" in found


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    (found,) = problems(data_dir=tmp_path)
    assert "can't be written; allowed: " in found


def test_two_servers_cannot_share_an_address(tmp_path: Path) -> None:
    (found,) = problems(data_dir=tmp_path, listen="h:5", operator_listen="h:5")
    assert found == "operator_listen: 'h:5' is the address of listen; allowed: one of its own"
    assert problems(data_dir=tmp_path, listen="h:0", operator_listen="h:0") == []


@needs_openssl
def test_a_sound_pair_with_a_client_authority_has_no_problem(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    assert tls_problem(certificate, key, client_ca=certificate) == ""


@needs_openssl
def test_each_tls_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    missing, text = tmp_path / "none.pem", tmp_path / "text.pem"
    text.write_text("hello")
    assert "none.pem': No such file or directory; allowed: a certificate" in tls_problem(missing, key)
    assert "tls.key: '" in tls_problem(certificate, missing)
    assert "Is a directory; allowed: a private key" in tls_problem(certificate, tmp_path)
    assert "tls.certificate: '" in tls_problem(text, key)
    assert "no certificate in PEM form; allowed: a cert" in tls_problem(text, key)
    assert "no key in PEM form; allowed: a private key" in tls_problem(certificate, text)
    assert tls_problem(certificate, key, client_ca=text).startswith("tls.client_ca: '")


@needs_openssl
def test_all_tls_problems_are_named_at_once(tmp_path: Path) -> None:
    found = tls_problem(tmp_path / "a", tmp_path / "b", tmp_path / "c").splitlines()
    assert [line.partition(":")[0] for line in found] == ["tls.certificate", "tls.key", "tls.client_ca"]


@needs_openssl
def test_the_files_that_a_client_of_the_brokers_needs_are_looked_at_too(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    sound = KafkaParams(security="SSL", ca=certificate, certificate=certificate, key=key)
    assert problems(data_dir=tmp_path, kafka=sound) == []
    missing = replace(sound, ca=tmp_path / "none.pem", key=tmp_path / "none.key")
    found = problems(data_dir=tmp_path, kafka=missing)
    assert [line.partition(":")[0] for line in found] == ["kafka.key", "kafka.ca"]
    (swapped,) = problems(data_dir=tmp_path, kafka=replace(sound, certificate=key))
    assert swapped.startswith("kafka.certificate: '")


@needs_openssl
def test_a_key_that_is_not_the_certificates_is_named(tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path, "a")
    _, other = pair(tmp_path, "b")
    assert f"b.key': does not fit {certificate}; allowed: the private key" in tls_problem(certificate, other)


@needs_openssl
def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    locked = tmp_path / "locked.key"
    command = f"openssl ec -in {key} -aes256 -passout pass:secret -out {locked}"
    subprocess.run(command.split(), check=True, capture_output=True)
    assert "the key has a passphrase; allowed: one without" in tls_problem(certificate, locked)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory; allowed: a policy file (TOML)"),
        (b"\xff", "no text in UTF-8"),
        (b"label = 3", "label: 3; allowed: a text"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_with_its_file(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        read_policy(file)
    assert any(line.startswith(f"{file}: {says}") for line in caught.value.problems)
