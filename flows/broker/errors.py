"""What can go wrong between Tapwatch and a broker, in words that an operator understands.

::

    BrokerError
    ├── BrokerUnreachableError    no connection, or no answer in time
    ├── BrokerRefusedError        the broker doesn't let this client do it
    └── TopicMissingError         a topic is not there

Each message says which broker, what failed, and what to check.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import kafka.errors as client

from flows.address import Address, parse_address, system_words
from flows.broker.client_log import CLIENT_LOG
from flows.broker.params import KafkaParams

_PROBE_S: Final = 3.0
_BROKER_SAID: Final = re.compile(r"""error_message=(['"])(.+?)\1[,)]""")
_NO_ANSWER: Final = (
    client.InvalidMetadataError,
    client.KafkaTimeoutError,
    client.NodeNotReadyError,
    client.RequestTimedOutError,
    client.BrokerNotAvailableError,
    client.MetadataEmptyBrokerList,
    client.Cancelled,
)
_NOT_SIGNED_IN: Final = (
    client.SaslAuthenticationFailedError,
    client.UnsupportedSaslMechanismError,
    client.IllegalSaslStateError,
)
_CHECKS: Final[dict[type[client.KafkaError], str]] = {
    client.NotEnoughReplicasError: "fewer brokers are in step than min.insync.replicas asks for: check them",
    client.NotEnoughReplicasAfterAppendError: "a broker fell out of step meanwhile: check them all",
    client.InvalidReplicationFactorError: "check kafka.replication: no more than there are brokers",
    client.InvalidSessionTimeoutError: (
        "check kafka.session_timeout_s: the broker allows group.min.session.timeout.ms to"
        " group.max.session.timeout.ms"
    ),
    client.MessageSizeTooLargeError: "check the topic's max.message.bytes with `tapwatch topics diff`",
    client.RecordListTooLargeError: "check the topic's max.message.bytes with `tapwatch topics diff`",
    client.UnsupportedVersionError: "the broker is too old: Tapwatch needs Apache Kafka 3.0 or newer",
    client.PolicyViolationError: "the brokers have a policy against it: ask who runs them",
}


class BrokerError(Exception):
    """A broker can't be used; the message says which, what failed and what to check."""


class BrokerUnreachableError(BrokerError):
    """No connection to a broker, or no answer in time; trying again later may help."""


class BrokerRefusedError(BrokerError):
    """A broker does not let this client in, or not do what it wants."""


class TopicMissingError(BrokerError):
    """A topic is not there."""


@contextmanager
def in_words(params: KafkaParams, doing: str) -> Iterator[None]:
    """Whatever the Kafka client raises inside becomes a :class:`BrokerError`.

    Parameters
    ----------
    doing
        What is tried inside, to complete "can't ...", such as ``"read shop.shard-log.v1"``.
    """
    try:
        yield
    except client.KafkaError as error:
        raise broker_error(params, doing, error) from error


def broker_error(params: KafkaParams, doing: str, error: BaseException) -> BrokerError:
    """The error of the Kafka client, in words."""
    head = f"Kafka at {', '.join(params.bootstrap)}: can't {doing}"
    said = _said(error)
    if isinstance(error, client.UnknownTopicOrPartitionError):
        return TopicMissingError(
            f"{head}: {said}; check that the topics are there: `tapwatch topics diff` names what is missing,"
            " `tapwatch topics apply` makes it"
        )
    if isinstance(error, client.AuthorizationError):
        user = f"user {params.sasl_username!r}" if params.authenticated else "this client"
        return BrokerRefusedError(f"{head}: {said}; check what the brokers' access rules allow to {user}")
    if isinstance(error, _NO_ANSWER + _NOT_SIGNED_IN):
        return _unreachable(params, head, error)
    for kind, check in _CHECKS.items():
        if isinstance(error, kind):
            return BrokerError(f"{head}: {said}; {check}")
    return BrokerError(f"{head}: {said}")


def _said(error: BaseException) -> str:
    """The client's words without its class names and numbers; the broker's own, if it said any."""
    if found := _BROKER_SAID.search(str(error)):
        return found.group(2).strip().rstrip(".")
    texts = [str(text) for text in error.args if text] or [getattr(error, "description", None) or str(error)]
    return " ".join(texts).strip().rstrip(".")


def _unreachable(params: KafkaParams, head: str, error: BaseException) -> BrokerError:
    signing_in = error if isinstance(error, _NOT_SIGNED_IN) else CLIENT_LOG.reason()
    found = [f"{broker} {problem}" for broker in params.bootstrap if (problem := _probe(params, broker))]
    if len(found) == len(params.bootstrap):
        return BrokerUnreachableError(
            f"{head}: {'; '.join(found)}; check kafka.bootstrap and that the brokers run"
        )
    if isinstance(signing_in, _NOT_SIGNED_IN):
        return BrokerRefusedError(f"{head}: {_refusal(params, signing_in)}")
    reason = "the port is open, but the broker hung up or did not answer in time"
    check = f"that the brokers are well, that the port is one for clients, kafka.security ({params.security})"
    if params.authenticated:
        check += ", kafka.sasl_mechanism, kafka.sasl_username, kafka.sasl_password"
    if isinstance(error, client.KafkaTimeoutError) and "metadata" in str(error):
        check += ", and that the topic is there (`tapwatch topics diff`)"
    return BrokerUnreachableError(f"{head}: {reason}; check {check}")


def _refusal(params: KafkaParams, error: BaseException) -> str:
    if isinstance(error, client.SaslAuthenticationFailedError):
        return (
            f"the broker refuses user {params.sasl_username!r} or its password; check kafka.sasl_username,"
            " kafka.sasl_password and kafka.sasl_mechanism"
        )
    if isinstance(error, client.UnsupportedSaslMechanismError):
        return f"the broker doesn't know {params.sasl_mechanism}; check kafka.sasl_mechanism"
    return "the broker wants no user on this port; check kafka.security and the port"


def _probe(params: KafkaParams, broker: str) -> str | None:
    """Why no connection to ``broker`` can be made; None when one can."""
    address = parse_address(broker)
    try:
        return _probe_connection(params, address)
    except socket.gaierror:
        return "has a name that is not known here"
    except TimeoutError:
        return "does not answer (a firewall?)"
    except OSError as error:
        return f"can't be reached ({system_words(error)})"


def _probe_connection(params: KafkaParams, address: Address) -> str | None:
    with socket.create_connection((address.host, address.port), timeout=_PROBE_S) as connection:
        if not params.encrypted:
            return None
        try:
            tls_context(params).wrap_socket(connection, server_hostname=address.host).close()
        except ssl.SSLCertVerificationError as error:
            return f"shows a certificate that is not trusted ({error.verify_message}; kafka.ca)"
        except (ssl.SSLError, ConnectionResetError, TimeoutError):
            return "does not speak TLS on this port (kafka.security)"
    return None


def tls_context(params: KafkaParams) -> ssl.SSLContext:
    """What to trust and what to show on an encrypted connection.

    Raises
    ------
    BrokerError
        When a file can't be read or is not in PEM form.
    """
    name = "ca"
    try:
        context = ssl.create_default_context(cafile=params.ca)
        if params.certificate is not None and params.key is not None:
            name = "certificate"
            # The empty passphrase only keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(params.certificate, params.key, password="")
    except OSError as error:
        raise BrokerError(f"kafka.{name}: {getattr(params, name)}: {system_words(error)}") from None
    return context
