"""Python's garbage collector, kept from walking the whole heap while a caller waits."""

import gc


def calm_garbage_collector() -> None:
    """Leave out full collections from now on.

    The cached state is hundreds of thousands of objects without cycles; a full collection visits them all,
    which takes longer than a deadline. Young garbage is still collected.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000_000)
