"""Which host a connection asks for."""

from __future__ import annotations

from typing import Any

import pytest
from xxhash import xxh64_intdigest

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.extensions.filters.network.tcp_proxy.choice import ANY_HOST, compile_choice
from dataplane.matching.criteria import Criteria
from dataplane.observe.stream_info import StreamInfo
from tests.support.compiling import message

TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def proxy(**fields: Any) -> Any:
    return message(TCP_PROXY, {"stat_prefix": "t", **fields})


def wants(**values: object) -> dict[str, Any]:
    return {"filter_metadata": {"envoy.lb": values}}


def info() -> StreamInfo:
    made = StreamInfo()
    made.downstream_remote_address = SocketAddress("192.0.2.1", 5)
    return made


def test_any_host_will_do() -> None:
    for choice in (ANY_HOST, compile_choice(proxy(cluster="c"), FieldPath())):
        context = choice.context(info(), "c")
        assert (context.hash_key(), context.metadata_match()) == (None, None)


def test_a_host_by_the_clients_address() -> None:
    context = compile_choice(proxy(cluster="c", hash_policy=[{"source_ip": {}}]), FieldPath()).context(info(), "c")
    assert (context.hash_key(), context.metadata_match()) == (xxh64_intdigest(b"192.0.2.1"), None)
    assert context.selection_attempts() == 0


def test_a_host_by_metadata_with_that_of_the_weighted_cluster_on_top() -> None:
    clusters = {"clusters": [{"name": "a", "weight": 1, "metadata_match": wants(v=2)}, {"name": "b", "weight": 1}]}
    choice = compile_choice(proxy(weighted_clusters=clusters, metadata_match=wants(v=1, stage="prod")), FieldPath())
    found = {name: choice.context(info(), name).metadata_match() for name in "ab"}
    assert found == {"a": Criteria({"v": 2, "stage": "prod"}), "b": Criteria({"v": 1, "stage": "prod"})}


def test_filter_state_is_refused() -> None:
    with pytest.raises(ConfigError, match="source_ip is the only policy"):
        compile_choice(proxy(cluster="c", hash_policy=[{"filter_state": {"key": "k"}}]), FieldPath())
