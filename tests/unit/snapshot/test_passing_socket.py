"""Metadata that goes along with a connection to an internal listener."""

from __future__ import annotations

from dataplane.snapshot.passing_socket import PassingSocket

HOST = {"place": {"zone": "a"}}
CLUSTER = {"place": {"zone": "b"}, "owner": {"name": "team"}}


def test_each_source_gives_its_namespace() -> None:
    socket = PassingSocket(None, (("host", "place"), ("cluster", "owner")))
    assert socket.metadata(HOST, CLUSTER) == ({"place": {"zone": "a"}, "owner": {"name": "team"}}, 0)


def test_the_last_of_two_sources_counts() -> None:
    assert PassingSocket(None, (("host", "place"), ("cluster", "place"))).metadata(HOST, CLUSTER) == ({"place": {"zone": "b"}}, 0)


def test_what_is_not_there_is_counted() -> None:
    assert PassingSocket(None, (("host", "owner"), ("host", "place"))).metadata(HOST, CLUSTER) == ({"place": {"zone": "a"}}, 1)
