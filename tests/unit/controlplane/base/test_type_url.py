"""Words for resource types."""

from __future__ import annotations

import pytest

from controlplane.base.type_url import CLUSTER, ROUTE_CONFIGURATION, full, message_name, short


@pytest.mark.parametrize("word", ["cluster", "clusters", "Cluster", "CDS", "envoy.config.cluster.v3.Cluster", CLUSTER])
def test_many_words_for_one_type(word: str) -> None:
    assert full(word) == CLUSTER


def test_unknown_words_are_taken_for_message_names() -> None:
    assert full("my.own.Type") == "type.googleapis.com/my.own.Type"
    assert full("example.com/my.own.Type") == "example.com/my.own.Type"


def test_short_and_message_name() -> None:
    assert (short(ROUTE_CONFIGURATION), message_name(CLUSTER)) == ("RouteConfiguration", "envoy.config.cluster.v3.Cluster")
    assert short("type.googleapis.com/Plain") == "Plain"
