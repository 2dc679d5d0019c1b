"""What the shard task knows, object by object: loaded when first touched, kept while there is room."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol, Self, TypeVar, cast

from flows.store import StateStore


class Packed(Protocol):
    """A piece of state that turns into bytes and back without loss."""

    def pack(self) -> bytes:
        """The state as bytes; the first byte is a schema version."""
        ...

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The state that :meth:`pack` wrote."""
        ...


P = TypeVar("P", bound=Packed)


class State:
    """A write-back cache of typed state over a store.

    Which objects are in memory never shows in a result: an object that was dropped and loaded again equals
    the one that was kept. Changed objects stay until :meth:`changes` hands them out; only then is room made,
    the least recently touched first.

    Parameters
    ----------
    store
        Where absent objects are looked up.
    capacity
        How many objects stay in memory between slices.
    """

    def __init__(self, store: StateStore, capacity: int = 200_000) -> None:
        self._store = store
        self._capacity = capacity
        self._cached: OrderedDict[str, Packed] = OrderedDict()  # in the order of last touch
        self._changed: dict[str, Packed | bytes | None] = {}

    def find(self, key: str, kind: type[P]) -> P | None:
        """The object under ``key``, or None."""
        cached = self._cached.get(key)
        if cached is not None:
            self._cached.move_to_end(key)
            return cast(P, cached)
        if key in self._changed:  # deleted since the last slice
            return None
        raw = self._store.load(key)
        if raw is None:
            return None
        loaded = kind.unpack(raw)
        self._cached[key] = loaded
        return loaded

    def put(self, key: str, value: Packed) -> None:
        """Set or change the object under ``key``."""
        self._cached[key] = value
        self._changed[key] = value

    def put_raw(self, key: str, value: bytes) -> None:
        """Set bytes under ``key`` that are read with :meth:`load_raw` at the next start only."""
        self._changed[key] = value

    def load_raw(self, key: str) -> bytes | None:
        """The stored bytes under ``key``."""
        return self._store.load(key)

    def scan_raw(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """The stored bytes under all keys that begin with ``prefix``, in the order of the keys.

        For the start: what is not stored yet is not among them.
        """
        return self._store.scan(prefix)

    def delete(self, key: str) -> None:
        """Forget the object under ``key``."""
        self._cached.pop(key, None)
        self._changed[key] = None

    def changes(self) -> dict[str, bytes | None]:
        """All that changed since the last call, packed; None for what was deleted."""
        packed = {
            key: value if value is None or isinstance(value, bytes) else value.pack()
            for key, value in self._changed.items()
        }
        self._changed.clear()
        self._make_room()
        return packed

    def _make_room(self) -> None:
        while len(self._cached) > self._capacity:
            self._cached.popitem(last=False)
