"""A small client of the alert service, as a notification backend would use it.

It opens a subscription, answers heartbeats, notices a server that is gone, and goes on behind what it has
acknowledged. One thread may iterate; acknowledging is for any thread.

What it promises to whoever iterates: every alert at least once, a user's alerts in order, and none again
after its acknowledgement was confirmed. A repeat has the same alert id.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

import grpc

from alerting.alert_source import Place, read_cursor
from alerting.alerts import Alert, AlertKind
from alerting.rpc.alert_wire import read_alert
from alerting.rpc.convert import write_budget
from replay.alert_news import (
    Alive,
    Confirmed,
    Connected,
    Delivered,
    Lost,
    News,
    SubscriberParams,
    kind_number,
    read_news,
    write_subscription,
)
from replay.gateway import GatewayError, RpcProblem, problem_of
from tapwatch.v1 import alert_pb2 as pb
from tapwatch.v1 import alert_pb2_grpc

FINAL: Final = (
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "UNIMPLEMENTED",
)
"""Statuses that another try can't change."""
TAKEN_OVER: Final = "TAKEN_OVER"
AT_ONCE: Final = 500
"""Ids in one acknowledgement, at most."""


class AlertClient:
    """Calls the alert service of one server; a context manager that closes its connection.

    Parameters
    ----------
    target
        Host and port.
    credentials, token
        As for :class:`replay.gateway.GatewayClient`.
    """

    def __init__(
        self, target: str, *, credentials: grpc.ChannelCredentials | None = None, token: str | None = None
    ) -> None:
        # A subscriber that waits a minute for a server that is back since long is of no use.
        options = (("grpc.max_reconnect_backoff_ms", 1_000), ("grpc.initial_reconnect_backoff_ms", 100))
        if credentials is None:
            self.channel = grpc.insecure_channel(target, options)
        else:
            self.channel = grpc.secure_channel(target, credentials, options)
        self._stub = alert_pb2_grpc.AlertServiceStub(self.channel)
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def subscribe(self, params: SubscriberParams | None = None) -> "AlertSubscription":
        """A subscription; iterate over it."""
        return AlertSubscription(self._stub, self._metadata, params or SubscriberParams())

    def list_page(
        self,
        tenant: str | None = None,
        kinds: Iterable[AlertKind] = (),
        user_id: str | None = None,
        *,
        include_suppressed: bool = False,
        page_size: int = 100,
        page_token: str = "",
        timeout_s: float = 10.0,
    ) -> pb.ListAlertsResponse:
        """One page of alerts."""
        request = pb.ListAlertsRequest(
            tenant=tenant,
            kinds=[kind_number(kind) for kind in kinds],
            user_id=user_id,
            include_suppressed=include_suppressed,
            page_size=page_size,
            page_token=page_token,
        )
        try:
            return self._stub.ListAlerts(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error

    def list_all(self, **wanted: Any) -> Iterator[tuple[Alert, str]]:
        """All alerts in log order, each with why it was suppressed (empty where it was sent)."""
        token = ""
        while True:
            page = self.list_page(page_token=token, page_size=1_000, **wanted)
            for listed in page.alerts:
                yield read_alert(listed.alert), listed.suppressed
            token = page.next_page_token
            if not token:
                return

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AlertSubscription:
    """What a subscription brings, over as many streams as it takes; iterating ends after :meth:`close`.

    Raises
    ------
    GatewayError
        From iterating, when another try would bring the same: a bad request, or another subscriber of the
        same name that has taken over.
    """

    def __init__(
        self,
        stub: alert_pb2_grpc.AlertServiceStub,
        metadata: tuple[tuple[str, str], ...],
        params: SubscriberParams,
    ) -> None:
        self._stub = stub
        self._metadata = metadata
        self._params = params
        self._lock = threading.Lock()
        self._requests: SimpleQueue[pb.SubscribeRequest | None] = SimpleQueue()
        self._call: Any = None
        self._closed = False
        self._heard_s = 0.0
        # Of what was delivered behind the cursor: where it stands, and what of it was confirmed.
        self._places: dict[str, Place] = {}
        self._confirmed: set[str] = set()
        self.cursor = params.cursor
        """Where another subscription may go on and lose nothing."""

    def __iter__(self) -> Iterator[News]:
        pause_s = self._params.first_pause_s
        while not self._closed:
            try:
                for news in self._stream():
                    pause_s = self._params.first_pause_s
                    yield news
                problem = RpcProblem("OK", "", "the server has ended the stream")
            except grpc.RpcError as error:
                problem = problem_of(error)
                if problem.code in FINAL or problem.reason == TAKEN_OVER:
                    if self._closed:
                        return
                    raise GatewayError(problem) from error
            if self._closed:
                return
            yield Lost(problem)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, self._params.longest_pause_s)

    def ack(self, *alert_ids: str) -> None:
        """These are taken care of; :class:`Confirmed` says when the server keeps that."""
        for at in range(0, len(alert_ids), AT_ONCE):
            self._send(pb.SubscribeRequest(ack=pb.Ack(alert_ids=alert_ids[at : at + AT_ONCE])))

    def nack(self, *alert_ids: str, retry_after_s: float = 0.0) -> None:
        """These could not be taken care of: deliver them again, after a while."""
        pause = write_budget(retry_after_s)
        self._send(pb.SubscribeRequest(nack=pb.Nack(alert_ids=alert_ids, retry_after=pause)))

    def extend(self, *alert_ids: str) -> None:
        """These take longer: their leases begin anew."""
        self._send(pb.SubscribeRequest(extend=pb.Extend(alert_ids=alert_ids)))

    def close(self) -> None:
        """End the stream, and the iteration."""
        with self._lock:
            self._closed = True
            self._requests.put(None)
            if self._call is not None:
                self._call.cancel()

    def _send(self, request: pb.SubscribeRequest) -> None:
        # What is said while no stream is open is lost: its alerts come again.
        self._requests.put(request)

    def _stream(self) -> Iterator[News]:
        requests: SimpleQueue[pb.SubscribeRequest | None] = SimpleQueue()
        requests.put(pb.SubscribeRequest(subscription=write_subscription(self._params, self.cursor)))
        inbox: SimpleQueue[pb.SubscribeResponse | grpc.RpcError | None] = SimpleQueue()
        with self._lock:
            if self._closed:
                return
            self._requests = requests
            self._call = self._stub.Subscribe(iter(requests.get, None), metadata=self._metadata)
        call = self._call
        self._heard_s = time.monotonic()
        # Heartbeats are answered however long whoever iterates takes over an alert.
        reader = threading.Thread(target=self._read, args=(call, requests, inbox), daemon=True)
        reader.start()
        try:
            while (came := self._next(call, inbox)) is not None:
                if isinstance(came, grpc.RpcError):
                    raise came
                news = read_news(came)
                if news is not None and not self._is_repeat(news):
                    yield news
        finally:
            call.cancel()
            requests.put(None)
            reader.join()

    def _is_repeat(self, news: News) -> bool:
        """Notes where the subscription stands; whether an alert comes again after it was confirmed.

        A stream without a name goes on behind the cursor: what was acknowledged out of order is there too.
        """
        if isinstance(news, Delivered):
            alert_id = news.alert.alert_id
            self._places[alert_id] = read_cursor(news.cursor)
            if alert_id in self._confirmed:
                self.ack(alert_id)
                return True
        elif isinstance(news, Confirmed):
            self._confirmed.update(news.alert_ids)
        if isinstance(news, Confirmed | Alive | Connected) and news.cursor != self.cursor:
            self.cursor = news.cursor
            mark = read_cursor(news.cursor)
            self._places = {name: place for name, place in self._places.items() if place.is_behind(mark)}
            self._confirmed &= self._places.keys()
        return False

    def _read(
        self,
        call: Any,
        requests: "SimpleQueue[pb.SubscribeRequest | None]",
        inbox: "SimpleQueue[pb.SubscribeResponse | grpc.RpcError | None]",
    ) -> None:
        try:
            for response in call:
                self._heard_s = time.monotonic()
                if response.HasField("heartbeat"):
                    requests.put(pb.SubscribeRequest(pong=pb.Pong(number=response.heartbeat.number)))
                inbox.put(response)
            inbox.put(None)
        except grpc.RpcError as error:
            inbox.put(error)

    def _next(
        self, call: Any, inbox: "SimpleQueue[pb.SubscribeResponse | grpc.RpcError | None]"
    ) -> pb.SubscribeResponse | grpc.RpcError | None:
        """What came next; a server that is silent for two heartbeats is given up."""
        patience_s = 2.0 * self._params.heartbeat_s
        while True:
            try:
                return inbox.get(timeout=patience_s)
            except Empty:
                if time.monotonic() - self._heard_s >= patience_s:
                    call.cancel()
                    return inbox.get()
