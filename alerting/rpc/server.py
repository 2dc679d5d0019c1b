"""The gRPC server for callers on other threads: it runs on an event loop with a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread

from prometheus_client import CollectorRegistry

from alerting.alert_source import AlertSource
from alerting.decision import Reason
from alerting.engine import RiskEngine
from alerting.rpc.callers import Callers
from alerting.rpc.edge import ALERT_SERVICE, INGEST_SERVICE, RISK_SERVICE, Edge
from alerting.rpc.loop import new_loop
from alerting.rpc.params import EdgeParams, TlsFiles

__all__ = ["ALERT_SERVICE", "INGEST_SERVICE", "RISK_SERVICE", "EdgeServer", "build_server"]


class EdgeServer:
    """A server that is bound to its port; :meth:`start` opens it, :meth:`stop` drains and closes it.

    Its methods are for other threads than its own.
    """

    def __init__(self, bind: Callable[[], Edge]) -> None:
        self._bound: Future[tuple[asyncio.AbstractEventLoop, Edge]] = Future()
        self._thread = Thread(target=self._run, args=(bind,), name="edge", daemon=True)
        self._thread.start()
        self._loop, self._edge = self._bound.result()
        self.port = self._edge.port

    def start(self) -> None:
        """Answer calls from now on."""
        asyncio.run_coroutine_threadsafe(self._edge.start(), self._loop).result()

    def refresh_health(self) -> None:
        """Tell the health service what the engine says of itself now."""
        asyncio.run_coroutine_threadsafe(self._edge.refresh_health(), self._loop).result()

    def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, let those under way end within ``grace_s``, then close."""
        with suppress(RuntimeError):  # the loop is closed: stopped before
            self._loop.call_soon_threadsafe(self._edge.ask_to_stop, grace_s)
        self._thread.join()

    def _run(self, bind: Callable[[], Edge]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._live(bind))

    async def _live(self, bind: Callable[[], Edge]) -> None:
        try:
            edge = bind()
        except Exception as error:  # noqa: BLE001  # raised again by the thread that builds the server
            self._bound.set_exception(error)
            return
        self._bound.set_result((asyncio.get_running_loop(), edge))
        await edge.live()


def build_server(
    engine: RiskEngine,
    address: str,
    params: EdgeParams | None = None,
    *,
    describe: Callable[[Reason], str],
    tls: TlsFiles | None = None,
    callers: Callers | None = None,
    registry: CollectorRegistry | None = None,
    alerts: AlertSource | None = None,
) -> EdgeServer:
    """A server for ``engine``, bound to ``address`` (``"127.0.0.1:0"`` takes any free port).

    Without ``tls`` it speaks plain text; without ``callers`` everyone may act for every tenant; with
    ``registry`` its calls are counted there; with ``alerts`` these are delivered. ``describe`` puts a reason
    into words.
    """
    bind = partial(Edge, engine, address, params or EdgeParams(), describe, tls, callers, registry, alerts)
    return EdgeServer(bind)
