"""A bare HTTP/2 client, for what well-behaved gRPC clients never do."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import pack, unpack
from types import TracebackType
from typing import Final, Self

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
WINDOW_UPDATE: Final = 8
END_STREAM: Final = 0x1
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
REFUSED_STREAM: Final = 7

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_ACK: Final = 0x1
_END_HEADERS: Final = 0x4
_PATIENT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a connection."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def is_last(self) -> bool:
        """Whether it ends its stream."""
        return self.kind == RST_STREAM or (self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM))


class RawHttp2:
    """One connection; ``source`` is the address it comes from, ``settings`` what it announces of itself."""

    def __init__(
        self, port: int, source: str = "127.0.0.1", settings: Mapping[int, int] | None = None
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENT_S, (source, 0))
        self._stream = -1
        announced = b"".join(pack("!HI", name, value) for name, value in (settings or {}).items())
        self._socket.sendall(_PREFACE)
        self._send(SETTINGS, 0, 0, announced)

    def open_call(self, method: str) -> int:
        """Begin a call and send no message; gives the number of its stream."""
        self._stream += 2
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        self._send(HEADERS, _END_HEADERS, self._stream, b"".join(map(_literal, headers.items())))
        return self._stream

    def send_message(self, stream: int, message: bytes, *, last: bool = False) -> None:
        """One message of a call."""
        self._send(DATA, END_STREAM if last else 0, stream, pack("!BI", 0, len(message)) + message)

    def widen(self, stream: int, size: int) -> None:
        """Let the server send ``size`` more bytes on ``stream``."""
        self._send(WINDOW_UPDATE, 0, stream, pack("!I", size))

    def frames(self) -> Iterator[Frame]:
        """What the server sends; its settings and pings are acknowledged."""
        while True:
            head = self._read(9)
            frame = Frame(head[3], head[4], unpack("!I", head[5:])[0], self._read(int.from_bytes(head[:3])))
            if frame.kind in (SETTINGS, PING) and not frame.flags & _ACK:
                self._send(frame.kind, _ACK, 0, frame.payload if frame.kind == PING else b"")
            yield frame

    def settings(self) -> Mapping[int, int]:
        """What the server announces of itself."""
        first = next(frame for frame in self.frames() if frame.kind == SETTINGS)
        pairs = (first.payload[at : at + 6] for at in range(0, len(first.payload), 6))
        return dict(unpack("!HI", pair) for pair in pairs)

    def end_of(self, stream: int) -> Frame:
        """The frame that ends ``stream``."""
        return next(frame for frame in self.frames() if frame.stream == stream and frame.is_last)

    def messages_of(self, stream: int) -> list[bytes]:
        """All messages that the server sends on ``stream`` until it ends."""
        data, messages = b"", []
        for frame in self.frames():
            if frame.stream != stream:
                continue
            data += frame.payload if frame.kind == DATA else b""
            if frame.is_last:
                break
        while data:
            size = int.from_bytes(data[1:5])
            messages.append(data[5 : 5 + size])
            data = data[5 + size :]
        return messages

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._socket.sendall(
            len(payload).to_bytes(3, "big") + bytes((kind, flags)) + pack("!I", stream) + payload
        )

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _literal(header: tuple[str, str]) -> bytes:
    """A header as HPACK without index and without compression."""
    name, value = header
    return bytes((0, len(name))) + name.encode() + bytes((len(value),)) + value.encode()
