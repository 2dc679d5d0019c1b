"""The gRPC edge: the only place that knows the wire."""

from alerting.rpc.callers import ALL_TENANTS, Callers
from alerting.rpc.params import EdgeParams, TlsFiles
from alerting.rpc.server import EdgeServer, build_server

__all__ = ["ALL_TENANTS", "Callers", "EdgeParams", "EdgeServer", "TlsFiles", "build_server"]
