"""Operator endpoints over HTTP: /livez, /readyz and /metrics, telling the same truth as gRPC health."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from alerting.engine import Health
from flows.engine import Engine

_READY: Final = (Health.SERVING, Health.DEGRADED)


class OperatorServer:
    """Serves the endpoints of one engine on a thread of its own.

    Raises
    ------
    OSError
        When the address can't be listened on.
    """

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        handler = type("Handler", (_Handler,), {"engine": engine})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="operator", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    engine: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        health = self.engine.health()
        if self.path == "/livez":
            self._answer(200, "text/plain; charset=utf-8", b"alive\n")
        elif self.path == "/readyz":
            body = json.dumps({"health": health}).encode() + b"\n"
            self._answer(200 if health in _READY else 503, "application/json", body)
        elif self.path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", self.engine.metrics.text())
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
