"""A bounded queue between the thread that reads a stream and the one that answers it."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Window(Generic[T]):
    """At most ``size`` items under way, in order, until the sender finishes or either side gives up.

    Examples
    --------
    >>> window = Window[str](2)
    >>> window.put("a"), window.put("b"), window.finish()
    (True, True, None)
    >>> list(window)
    ['a', 'b']
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._finished = False
        self._closed = False

    def put(self, item: T) -> bool:
        """Add an item, waiting for room; False when the window was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """No more items will come; those inside are still given out."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits for the items any more; wakes both sides."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The items in order; an item keeps its room until the next one is asked for."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._finished or self._closed)
                if not self._items:
                    return
                item = self._items[0]
            yield item
            with self._changed:
                if self._items:
                    self._items.popleft()
                self._changed.notify_all()
