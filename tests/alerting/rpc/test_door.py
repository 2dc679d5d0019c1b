"""Who counts as one caller, and the places for streams."""

from contextlib import ExitStack

import pytest

from alerting.rpc import EdgeParams
from alerting.rpc.door import Places, address_of
from alerting.rpc.errors import TooManyStreamsError


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.1.2.3:40112", "ipv4:10.1.2.3"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:40112", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::9%5D:1", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:10.1.2.3%5D:40112", "ipv4:10.1.2.3"),
        ("ipv6:%5Bfe80::1%25eth0%5D:40112", "ipv6:fe80::/64"),
        ("unix:/run/tapwatch.sock", "unix"),
    ],
)
def test_the_port_and_what_a_caller_can_choose_of_its_address_do_not_count(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_a_place_is_free_again_after_its_stream() -> None:
    places = Places(EdgeParams(max_streams=2, max_streams_per_caller=1))
    for _ in range(3):
        with places.taken_by("a"), places.taken_by("b"):
            assert places.open == 2
    assert places.open == 0


@pytest.mark.parametrize(
    ("held", "limit"), [(("a", "a"), "max_streams_per_caller"), (("b", "b", "c"), "max_streams")]
)
def test_the_limit_that_refuses_a_stream_is_named(held: tuple[str, ...], limit: str) -> None:
    places = Places(EdgeParams(max_streams=3, max_streams_per_caller=2))
    with ExitStack() as stack:
        for caller in held:
            stack.enter_context(places.taken_by(caller))
        with pytest.raises(TooManyStreamsError) as caught, places.taken_by("a"):
            raise AssertionError("there was a place")
    assert caught.value.limit == limit
    assert places.open == 0
