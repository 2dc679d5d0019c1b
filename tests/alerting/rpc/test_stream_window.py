"""The queue between reading and answering a stream: order, room, both ends."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from alerting.rpc.window import Window


def test_items_come_out_in_order_until_the_sender_finishes() -> None:
    window: Window[int] = Window(3)
    for item in range(3):
        assert window.put(item)
    window.finish()
    assert list(window) == [0, 1, 2]


def test_a_sender_waits_for_room() -> None:
    window: Window[int] = Window(1)
    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(lambda: [window.put(item) for item in range(100)])
        assert list(islice(window, 100)) == list(range(100))
        assert all(sender.result(20.0))


def test_closing_wakes_a_sender_that_waits() -> None:
    window: Window[int] = Window(1)
    assert window.put(0)
    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(window.put, 1)
        window.close()
        assert sender.result(20.0) is False


def test_closing_wakes_a_receiver_that_waits() -> None:
    window: Window[int] = Window(1)
    with ThreadPoolExecutor(1) as pool:
        receiver = pool.submit(list, window)
        window.close()
        assert receiver.result(20.0) == []


def test_a_closed_window_gives_out_nothing_more() -> None:
    window: Window[int] = Window(3)
    window.put(0)
    window.put(1)
    items = iter(window)
    assert next(items) == 0
    window.close()
    assert list(items) == []
