"""Which requests are mirrored, and what copies say."""

from __future__ import annotations

import pytest

from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.header_mutations import HeaderRemoval
from dataplane.routing.mirror import MirrorPolicy, mirror_cluster, mirrored_headers
from dataplane.routing.route import HeaderAddition
from dataplane.semantics.header_map import RequestHeaders


def request(*fields: tuple[bytes, bytes], host: bytes = b"a.test") -> RequestHeaders:
    return RequestHeaders(b"GET", b"/", host, fields=list(fields))


@pytest.mark.parametrize(
    ("policy", "random_value", "expected"),
    [
        (MirrorPolicy("c"), 99, "c"),
        (MirrorPolicy("c", fraction=(30, 100)), 129, "c"),
        (MirrorPolicy("c", fraction=(30, 100)), 130, ""),
        (MirrorPolicy("c", fraction=(0, 100)), 0, ""),
        (MirrorPolicy(cluster_header=b"x-to"), 0, "d"),
        (MirrorPolicy(cluster_header=b"x-none"), 0, ""),
    ],
)
def test_clusters(policy: MirrorPolicy, random_value: int, expected: str) -> None:
    assert mirror_cluster(policy, request((b"x-to", b"d")), random_value) == expected


@pytest.mark.parametrize(
    ("policy", "host", "expected"),
    [
        (MirrorPolicy("c"), b"a.test", b"a.test-shadow"),
        (MirrorPolicy("c"), b"a.test:80", b"a.test-shadow:80"),
        (MirrorPolicy("c"), b"[::1]:80", b"[::1]-shadow:80"),
        (MirrorPolicy("c"), b"[::1]", b"[::1]-shadow"),
        (MirrorPolicy("c", appends_suffix=False), b"a.test", b"a.test"),
        (MirrorPolicy("c", host=b"m.test"), b"a.test", b"m.test"),
    ],
)
def test_hosts(policy: MirrorPolicy, host: bytes, expected: bytes) -> None:
    assert mirrored_headers(policy, request(host=host), StreamInfo(), b"192.0.2.1").authority == expected


def test_edits_change_the_copy_alone_and_one_after_the_other() -> None:
    edits = (
        HeaderRemoval(lambda name: name.startswith(b"x-")),
        HeaderAddition(b"x-new", b"1"),
        HeaderAddition(b"x-new", b"2", 1),
        HeaderAddition(b"x-new", b"3", 2),
    )
    original = request((b"x-a", b"1"), (b"y", b"2"))
    copy = mirrored_headers(MirrorPolicy("c", edits=edits), original, StreamInfo(), b"192.0.2.1")
    assert copy.fields[:2] == [(b"y", b"2"), (b"x-new", b"3")]
    assert original.fields == [(b"x-a", b"1"), (b"y", b"2")]


def test_we_stand_in_the_list_of_those_who_ask() -> None:
    copy = mirrored_headers(MirrorPolicy("c"), request((b"x-forwarded-for", b"10.0.0.1")), StreamInfo(), b"192.0.2.1")
    assert copy.fields == [(b"x-forwarded-for", b"10.0.0.1,192.0.2.1"), (b"x-envoy-internal", b"true")]
