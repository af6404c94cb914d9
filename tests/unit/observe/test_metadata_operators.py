"""Metadata in format strings: of the request, of its cluster, of its listener."""

from __future__ import annotations

import pytest

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe.format import TextFormat
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.snapshot.cluster import Cluster, DiscoveryType
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.snapshot import Snapshot

CLUSTERS = {"a": Cluster("a", DiscoveryType.STATIC, metadata={"ns": {"text": "é", "deep": {"x": [1, True]}, "whole": 3}})}
LISTENERS = {"l": Listener("l", SocketAddress("127.0.0.1", 0), (), metadata={"ns": {"text": "of the listener"}})}


class Stream(StreamInfo):
    """One that has looked at the configuration."""

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self.snapshot = Snapshot(1, LISTENERS, {}, CLUSTERS, {})
        self.upstream_cluster = cluster
        self.listener_name = "l"
        self.dynamic_metadata = {"ns": {"text": "left by a filter"}}


def printed(text: str, info: StreamInfo) -> str:
    return TextFormat(text, FieldPath()).render(FormatterContext(info)).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%CLUSTER_METADATA(ns:text)%", "é"),
        ("%CLUSTER_METADATA(ns:deep)%", '{"x":[1,true]}'),
        ("%CLUSTER_METADATA(ns:deep:x)%", "[1,true]"),
        ("%CLUSTER_METADATA(ns:whole)%", "3"),
        ("%CLUSTER_METADATA(ns:none)% %CLUSTER_METADATA(none:text)% %CLUSTER_METADATA(ns:text:x)%", "- - -"),
        ("%METADATA(CLUSTER:ns:text)%", "é"),
        ("%METADATA(LISTENER:ns:text)%", "of the listener"),
        ("%METADATA(LISTENER:ns:text):6%", "of the"),
        ("%METADATA(DYNAMIC:ns:text)% %DYNAMIC_METADATA(ns:text)%", "left by a filter left by a filter"),
    ],
)
def test_metadata_is_printed(text: str, expected: str) -> None:
    assert printed(text, Stream("a")) == expected


def test_without_a_cluster_or_a_configuration_there_is_none() -> None:
    assert printed("%CLUSTER_METADATA(ns:text)%", Stream("gone")) == "-"
    assert printed("%CLUSTER_METADATA(ns:text)% %METADATA(LISTENER:ns)% %METADATA(DYNAMIC:ns)%", StreamInfo()) == "- - -"


@pytest.mark.parametrize(
    "text", ["%CLUSTER_METADATA%", "%DYNAMIC_METADATA%", "%METADATA%", "%METADATA(X:a)%", "%METADATA(ROUTE:a)%"]
)
def test_what_cannot_be_looked_up_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        TextFormat(text, FieldPath())
