"""When a group counts as ready."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from controlplane.api.v1 import management_pb2 as api
from controlplane.client.waiting import Nack, progress_of


def proxy(name: str, ready: int, *types: api.ProxyType, gone: bool = False) -> api.Proxy:
    return api.Proxy(node_id=name, ready_revision=ready, types=types, disconnected_at=Timestamp(seconds=1) if gone else None)


def test_proxies_at_or_beyond_the_revision_are_ready() -> None:
    progress = progress_of(5, [proxy("a", 4), proxy("b", 5), proxy("c", 6)])
    assert (progress.ready, progress.waiting, progress.nacks) == (("b", "c"), ("a",), ())


def test_who_is_gone_does_not_count() -> None:
    progress = progress_of(5, [proxy("a", 4, api.ProxyType(rejecting=True, nacked_revision=5), gone=True)])
    assert (progress.ready, progress.waiting, progress.nacks) == ((), (), ())


def test_only_a_refusal_of_this_or_a_later_revision_counts() -> None:
    old = api.ProxyType(type_url="t", rejecting=True, nacked_revision=4, nack_text="old")
    over = api.ProxyType(type_url="t", rejecting=False, nacked_revision=5, nack_text="over")
    now = api.ProxyType(type_url="t", rejecting=True, nacked_revision=5, nack_text="now")
    assert progress_of(5, [proxy("a", 3, old), proxy("b", 5, over), proxy("c", 4, now)]).nacks == (Nack("c", "t", "now"),)
