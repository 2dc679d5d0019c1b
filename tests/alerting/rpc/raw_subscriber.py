"""A subscriber without the client's manners."""

from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from replay.gateway import problem_of
from tapwatch.v1 import alert_pb2 as pb

SUBSCRIBE = "/tapwatch.v1.AlertService/Subscribe"


class Raw:
    """A subscriber that says what a test tells it to, and nothing else."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        call: Any = self.channel.stream_stream(SUBSCRIBE)
        self.call = call(iter(self._said.get, None), timeout=30.0)

    def say(self, **request: Any) -> None:
        self._said.put(pb.SubscribeRequest(**request).SerializeToString())

    def end(self) -> None:
        self._said.put(None)

    def heard(self) -> pb.SubscribeResponse:
        return pb.SubscribeResponse.FromString(next(self.call))

    def refusal(self) -> Any:
        with pytest.raises(grpc.RpcError) as caught:
            list(self.call)
        return problem_of(caught.value)
