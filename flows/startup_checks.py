"""What would keep a server with these settings from starting: files and folders, looked at before use."""

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from alerting.decide import Decider
from alerting.policy import PolicyError
from detectors.features import FEATURE_VERSION, NAMES
from detectors.scoring import MODEL_VERSION
from flows.address import parse_address, system_words
from flows.broker.params import KafkaParams
from flows.policy_file import default_policy_text, parse_policy
from flows.settings import Settings, TlsSettings
from flows.settings_words import shown

_PEM_CERTIFICATE = "a certificate in PEM form"


def startup_problems(settings: Settings) -> list[str]:
    """One line for each problem: setting, value, what is allowed. Changes nothing and opens no port."""
    return [
        *_address_problems(settings),
        *_folder_problems(settings.data_dir),
        *_tls_problems(settings.tls),
        *_kafka_problems(settings.kafka),
    ]


def read_policy(file: Path | None) -> str:
    """The text of a policy file that can be used, or of the shipped policy.

    Raises
    ------
    PolicyError
        With one line for each problem, each beginning with the file.
    """
    name = "the shipped policy" if file is None else str(file)
    try:
        text = default_policy_text() if file is None else file.read_text(encoding="utf-8")
        Decider(parse_policy(text), NAMES, MODEL_VERSION, FEATURE_VERSION)
    except OSError as error:
        raise PolicyError([f"{name}: {error.strerror}; allowed: a policy file (TOML)"]) from None
    except UnicodeDecodeError as error:
        raise PolicyError([f"{name}: no text in UTF-8: {error}"]) from None
    except PolicyError as error:
        raise PolicyError([f"{name}: {problem}" for problem in error.problems]) from None
    return text


def _address_problems(settings: Settings) -> Iterator[str]:
    operator = settings.operator_listen
    if operator is not None and operator == settings.listen and parse_address(operator).port:
        yield f"operator_listen: {shown(operator)} is the address of listen; allowed: one of its own"


def _folder_problems(folder: Path) -> Iterator[str]:
    nearest = next(each for each in (folder, *folder.absolute().parents) if os.path.exists(each))
    problem = None
    if not os.path.isdir(nearest):
        problem = "is no folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        problem = "can't be written"
    if problem:
        yield f"data_dir: {shown(folder)}: {nearest} {problem}; allowed: one that can be made and written"


def _tls_problems(tls: TlsSettings) -> Iterator[str]:
    yield from _pem_problems(
        "tls", {"certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca}
    )


def _kafka_problems(kafka: KafkaParams) -> Iterator[str]:
    yield from _pem_problems("kafka", {"certificate": kafka.certificate, "key": kafka.key, "ca": kafka.ca})


def _pem_problems(section: str, files: Mapping[str, Path | None]) -> Iterator[str]:
    found = []
    for name, file in files.items():
        if file is not None:
            wanted = "a private key in PEM form" if name == "key" else _PEM_CERTIFICATE
            problem = _unreadable(file) or (None if name == "key" else _no_certificate(file))
            if problem:
                found.append(f"{section}.{name}: {shown(file)}: {problem}; allowed: {wanted}")
    certificate, key = files["certificate"], files["key"]
    if certificate is not None and key is not None and not found:
        found += _pair_problems(section, certificate, key)
    yield from found


def _unreadable(file: Path) -> str | None:
    try:
        file.read_bytes()
    except OSError as error:
        return system_words(error)
    return None


def _no_certificate(file: Path) -> str | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=file)
    except ssl.SSLError:
        return "no certificate in PEM form"
    return None


def _pair_problems(section: str, certificate: Path, key: Path) -> Iterator[str]:
    where = f"{section}.key: {shown(key)}"
    if b"ENCRYPTED" in key.read_bytes():
        yield f"{where}: the key has a passphrase; allowed: one without"
        return
    try:
        # The empty passphrase only keeps OpenSSL from asking for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            yield f"{where}: does not fit {certificate}; allowed: the private key of that certificate"
        else:
            yield f"{where}: no key in PEM form; allowed: a private key in PEM form"
