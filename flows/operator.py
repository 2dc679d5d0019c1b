"""Operator endpoints over HTTP: /livez, /readyz and /metrics, telling the same truth as gRPC health."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from typing_extensions import override

from alerting.engine import Health
from flows.address import Address

_READY: Final = (Health.SERVING, Health.DEGRADED)


class OperatorServer:
    """Serves the endpoints on a thread of its own; bound to its port from the beginning.

    Parameters
    ----------
    address
        Where to listen.
    health
        What the process says of itself now; ready is who serves.
    metrics
        The text of /metrics.

    Raises
    ------
    OSError
        When the address can't be listened on.
    """

    def __init__(self, address: Address, health: Callable[[], Health], metrics: Callable[[], bytes]) -> None:
        handler = type(
            "Handler", (_Handler,), {"health": staticmethod(health), "metrics": staticmethod(metrics)}
        )
        kind = type("Server", (_Server,), {"address_family": address.family})
        self._server: _Server = kind((address.host, address.port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="operator", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and leave the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A prober that hangs up before its answer is not worth a line."""


class _Handler(BaseHTTPRequestHandler):
    health: Callable[[], Health]
    metrics: Callable[[], bytes]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        path = self.path.partition("?")[0]
        if path == "/livez":
            self._answer(200, "text/plain; charset=utf-8", b"alive\n")
        elif path == "/readyz":
            health = self.health()
            body = json.dumps({"health": health}).encode() + b"\n"
            self._answer(200 if health in _READY else 503, "application/json", body)
        elif path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"try /livez, /readyz or /metrics\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds; they are not worth a line."""
