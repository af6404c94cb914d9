"""Which names a request gives to the server of its TLS connection."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dataplane.snapshot.cluster import AutoNames
from dataplane.upstream.auto_names import Names, forget_unused, names_of


class Asked:
    """A receiver of which only the host is asked."""

    def __init__(self, host: bytes) -> None:
        self._host = host

    def named_host(self, header: bytes) -> bytes:
        return self._host


@pytest.mark.parametrize(
    ("host", "names"),
    [
        (b"a.test", Names("a.test", "a.test")),
        (b"a.test:443", Names("a.test", "a.test")),
        (b"10.0.0.1:443", Names("", "10.0.0.1")),
        (b"[::1]:443", Names("", "::1")),
        (b"", Names()),
    ],
    ids=repr,
)
def test_a_port_is_no_part_of_a_name_and_an_address_is_not_asked_for(host: bytes, names: Names) -> None:
    assert names_of(AutoNames(True, True), cast(Any, Asked(host))) == names


def test_each_may_be_wanted_alone() -> None:
    receiver = cast(Any, Asked(b"a.test"))
    assert names_of(AutoNames(True, False), receiver) == Names("a.test", "")
    assert names_of(AutoNames(False, True), receiver) == Names("", "a.test")


class FakePool:
    def __init__(self, unused: bool) -> None:
        self.unused = unused
        self.drained = False

    def drain(self) -> None:
        self.drained = True


class FakeHost:
    def __init__(self, pools: list[FakePool]) -> None:
        self.named_pools = {(0, Names(str(index))): pool for index, pool in enumerate(pools)}


def test_names_that_clients_make_up_do_not_pile_up() -> None:
    pools = [FakePool(unused=index % 2 == 0) for index in range(64)]
    few, many = FakeHost(pools[:63]), FakeHost(pools)
    forget_unused(cast(Any, few))
    assert len(few.named_pools) == 63
    forget_unused(cast(Any, many))
    assert len(many.named_pools) == 32
    assert all(pool.drained == pool.unused for pool in pools)
