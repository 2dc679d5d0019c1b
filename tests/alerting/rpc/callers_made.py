"""Callers that must show a token: one of a tenant, one of the operator."""

from hashlib import sha256

from alerting.rpc.callers import ALL_TENANTS, Callers

CALLERS = Callers(
    by_token_sha256={
        sha256(b"shop-token").hexdigest(): frozenset({"shop"}),
        sha256(b"operator-token").hexdigest(): frozenset({ALL_TENANTS}),
    }
)
