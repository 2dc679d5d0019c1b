"""What falls due when: names with one time each, given back in order once their time has come."""

from heapq import heappop, heappush


class DueTimes:
    """Names and the event times, in seconds, at which they fall due.

    Examples
    --------
    >>> times = DueTimes()
    >>> times.put("b", 20), times.put("a", 20), times.put("c", 10), times.put("c", 30)
    (None, None, None, None)
    >>> times.take(25, 10)
    ['a', 'b']
    """

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def put(self, name: str, due_s: int) -> None:
        """Say when a name falls due; 0 for never."""
        if not due_s:
            self._due.pop(name, None)
        elif self._due.get(name) != due_s:
            self._due[name] = due_s
            heappush(self._order, (due_s, name))

    def take(self, now_s: int, limit: int, but: str = "") -> list[str]:
        """Up to ``limit`` names that are due, the earliest first; they are due no more. ``but`` stays due."""
        found: list[str] = []
        kept = 0
        while self._order and self._order[0][0] <= now_s and len(found) < limit:
            due_s, name = heappop(self._order)
            if self._due.get(name) != due_s:
                continue
            if name == but:
                kept = due_s
                continue
            del self._due[name]
            found.append(name)
        if kept:
            heappush(self._order, (kept, but))
        return found
