"""TLS and mutual TLS with certificates made on the spot."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from alerting.rpc import Callers, EdgeParams, TlsFiles, build_server
from detectors.events import Payment
from flows.cli import Exit
from replay.cli import app
from replay.gateway import GatewayClient, GatewayError, problem_of
from replay.streams import StreamWriter
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine, a_payment, describe

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="TLS IS NOT TESTED: the command openssl is not installed"
)

SPIFFE = "spiffe://shop.example/gateway"


@dataclass(frozen=True)
class Authority:
    """Signs certificates into its folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, subject_alternative_name: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        signed_by = ("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"))
        _certify(name, certificate, key, *signed_by, "-addext", f"subjectAltName={subject_alternative_name}")
        return certificate, key


def _certify(name: str, certificate: Path, key: Path, *options: str) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    files = ("-out", str(certificate), "-keyout", str(key), "-subj", f"/CN={name}")
    subprocess.run([*command.split(), *files, *options], check=True, capture_output=True)


def _new_authority(folder: Path) -> Authority:
    _certify("authority", folder / "ca.pem", folder / "ca.key")
    return Authority(folder)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return _new_authority(tmp_path_factory.mktemp("authority"))


def test_a_caller_that_trusts_the_authority_is_served(authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    with _server(_files(authority)) as target, GatewayClient(target, credentials=credentials) as it:
        assert it.decide(a_payment())


def test_a_caller_without_tls_is_turned_away(authority: Authority) -> None:
    with _server(_files(authority)) as target, GatewayClient(target) as client:
        assert _code(client) == "UNAVAILABLE"


def test_with_mutual_tls_a_certificate_is_needed(authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    files = _files(authority, mutual=True)
    with _server(files) as target, GatewayClient(target, credentials=credentials) as client:
        assert _code(client) == "UNAVAILABLE"


def test_a_certificate_of_another_authority_is_turned_away(authority: Authority, tmp_path: Path) -> None:
    credentials = _client_credentials(authority, _new_authority(tmp_path))
    files = _files(authority, mutual=True)
    with _server(files) as target, GatewayClient(target, credentials=credentials) as client:
        assert _code(client) == "UNAVAILABLE"


def test_the_name_in_the_certificate_says_which_tenants(authority: Authority) -> None:
    files = _files(authority, mutual=True)
    credentials = _client_credentials(authority, authority)
    for tenants, expected in (({"default"}, "OK"), ({"bank"}, "PERMISSION_DENIED")):
        callers = Callers(by_identity={SPIFFE: frozenset(tenants)})
        with _server(files, callers) as target, GatewayClient(target, credentials=credentials) as client:
            assert _code(client) == expected


def test_a_certificate_that_is_not_listed_is_unknown(authority: Authority) -> None:
    callers = Callers(by_identity={"spiffe://bank.example/gateway": frozenset({"bank"})})
    credentials = _client_credentials(authority, authority)
    with (
        _server(_files(authority, mutual=True), callers) as target,
        GatewayClient(target, credentials=credentials) as client,
    ):
        assert _code(client) == "UNAUTHENTICATED"


def test_a_certificate_that_is_not_listed_is_unknown_before_it_sends_a_message(authority: Authority) -> None:
    callers = Callers(by_identity={"spiffe://bank.example/gateway": frozenset({"bank"})})
    params = EdgeParams(message_timeout_s=3_600.0, stream_idle_s=3_600.0)
    credentials = _client_credentials(authority, authority)
    with (
        _server(_files(authority, mutual=True), callers, params) as target,
        grpc.secure_channel(target, credentials) as channel,
    ):
        for method in ("RiskService/Decide", "RiskService/DecideStream", "IngestService/Publish"):
            silence: SimpleQueue[bytes | None] = SimpleQueue()
            open_call: Any = channel.stream_stream(f"/tapwatch.v1.{method}")
            with pytest.raises(grpc.RpcError) as caught:
                list(open_call(iter(silence.get, None), timeout=20.0))
            silence.put(None)
            assert problem_of(caught.value).reason == "CALLER_UNKNOWN"


def test_owners_of_certificates_have_shares_of_their_own_at_one_address(authority: Authority) -> None:
    params = EdgeParams(max_streams_per_caller=1)
    first, second = (
        _client_credentials(authority, authority),
        _client_credentials(authority, authority, "second"),
    )
    end: SimpleQueue[Payment | None] = SimpleQueue()
    end.put(a_payment("t-1"))
    with (
        _server(_files(authority, mutual=True), params=params) as target,
        GatewayClient(target, credentials=first) as client,
        GatewayClient(target, credentials=second) as other,
    ):
        held = client.decide_stream(iter(end.get, None))
        assert next(held)
        with pytest.raises(GatewayError) as caught:
            list(client.decide_stream([a_payment("t-2")]))
        assert caught.value.problem.reason == "TOO_MANY_STREAMS"
        assert len(list(other.decide_stream([a_payment("t-3")]))) == 1
        end.put(None)


def test_commands_that_call_a_server_show_a_certificate(authority: Authority, tmp_path: Path) -> None:
    stream = tmp_path / "life.jsonl"
    with StreamWriter(stream) as writer:
        writer.write(a_payment())
    certificate, key = map(str, authority.issue("gateway", f"URI:{SPIFFE}"))
    callers = Callers(by_identity={SPIFFE: frozenset({"default"})})
    with _server(_files(authority, mutual=True), callers) as target:
        trusts = ("--target", target, "--ca", str(authority.certificate))
        for command in (("tail", "--no-follow", "--tenant", "default"), ("play", str(stream))):
            shows = ("--certificate", certificate, "--key", key)
            assert CliRunner().invoke(app, [*command, *trusts, *shows]).exit_code == Exit.DONE
            assert "UNAVAILABLE" in CliRunner().invoke(app, [*command, *trusts]).stderr
            assert "goes with" in CliRunner().invoke(app, [*command, *trusts, *shows[:2]]).stderr


def _code(client: GatewayClient) -> str:
    try:
        client.decide(a_payment(), timeout_s=20.0)
    except GatewayError as error:
        return error.problem.code
    return "OK"


def _files(authority: Authority, *, mutual: bool = False) -> TlsFiles:
    certificate, key = authority.issue("localhost", "DNS:localhost")
    return TlsFiles(certificate, key, authority.certificate if mutual else None)


def _client_credentials(
    server_ca: Authority, client_ca: Authority, name: str = "gateway"
) -> grpc.ChannelCredentials:
    certificate, key = client_ca.issue(name, f"URI:spiffe://shop.example/{name}")
    return grpc.ssl_channel_credentials(
        server_ca.certificate.read_bytes(), key.read_bytes(), certificate.read_bytes()
    )


@contextmanager
def _server(tls: TlsFiles, callers: Callers | None = None, params: EdgeParams | None = None) -> Iterator[str]:
    server = build_server(
        FakeEngine(), "localhost:0", params, describe=describe, tls=tls, callers=callers, alerts=FakeAlerts()
    )
    server.start()
    try:
        yield f"localhost:{server.port}"
    finally:
        server.stop(0.0)
