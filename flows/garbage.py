"""Python's garbage collector, kept from walking the heap while a caller waits."""

import gc
from typing import Final

_YOUNG: Final = 2_000
"""Objects that a collection visits: about a millisecond. gRPC leaves some ten in cycles at each call."""
_NEVER: Final = 1_000_000


def calm_garbage_collector() -> None:
    """Collect young garbage often and in small portions, and the rest never.

    The cached state is hundreds of thousands of objects without cycles; a full collection visits them all,
    which takes longer than a deadline.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _NEVER, _NEVER)
