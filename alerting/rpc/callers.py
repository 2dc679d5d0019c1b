"""Which callers may act for which tenants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeAlias

import grpc.aio

from alerting.rpc.errors import CallerUnknownError, TenantNotAllowedError

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

ALL_TENANTS: Final = "*"
_BEARER: Final = "Bearer "
_IDENTITIES: Final = ("peer_spiffe_id", "x509_subject_alternative_name", "x509_common_name", "x509_subject")


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants that a caller may act for."""

    names: frozenset[str]

    def require(self, tenant: str) -> None:
        """Raise :class:`TenantNotAllowedError` unless ``tenant`` is among them."""
        if tenant not in self.names and ALL_TENANTS not in self.names:
            raise TenantNotAllowedError(tenant)


EVERY_TENANT: Final = Tenants(frozenset((ALL_TENANTS,)))


@dataclass(frozen=True, slots=True)
class Callers:
    """The list of callers, each with its tenants; ``"*"`` stands for all tenants.

    Parameters
    ----------
    by_identity
        By what a verified client certificate says of its owner: a SPIFFE id, an alternative name or a
        common name.
    by_token_sha256
        By the SHA-256 (64 hexadecimal digits) of a bearer token, so that settings need not hold the token.

    Examples
    --------
    >>> Callers(by_identity={"spiffe://shop/gateway": frozenset({"shop"})}).tenants_named("spiffe://shop/gateway")
    Tenants(names=frozenset({'shop'}))
    """

    by_identity: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by_token_sha256: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def tenants_named(self, identity: str) -> Tenants | None:
        """The tenants of the owner of a certificate, or None."""
        names = self.by_identity.get(identity)
        return None if names is None else Tenants(names)

    def tenants_of(self, context: Context) -> Tenants:
        """The tenants of the caller behind ``context``; raises :class:`CallerUnknownError`."""
        for tenants in (self._by_certificate(context), self._by_token(context)):
            if tenants is not None:
                return tenants
        raise CallerUnknownError

    def _by_certificate(self, context: Context) -> Tenants | None:
        if not self.by_identity:
            return None
        for identity in shown_identities(context):
            tenants = self.tenants_named(identity)
            if tenants is not None:
                return tenants
        return None

    def _by_token(self, context: Context) -> Tenants | None:
        if not self.by_token_sha256:
            return None
        for key, value in context.invocation_metadata() or ():
            if key == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
                digest = sha256(value.removeprefix(_BEARER).encode()).hexdigest()
                names = self.by_token_sha256.get(digest)
                return None if names is None else Tenants(names)
        return None


def shown_identities(context: Context) -> Iterator[str]:
    """What the caller's certificate says of its owner, the most exact first."""
    shown = context.auth_context()
    for key in _IDENTITIES:
        for identity in shown.get(key, ()):
            yield identity.decode("utf-8", "replace")


def tenants_of(callers: Callers | None, context: Context) -> Tenants:
    """The caller's tenants; every tenant where no list of callers is kept."""
    return EVERY_TENANT if callers is None else callers.tenants_of(context)
