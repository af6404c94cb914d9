"""Compiling any message either gives a value or InvalidResource, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import FilterConfig
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.message import Message
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import CompiledResource, compile_resource
from tests.support.arbitrary_messages import messages
from tests.support.fuzzing import fuzzed

ANYS = (HttpConnectionManager, Router, FileAccessLog, StdoutAccessLog, RoundRobin, RawBuffer, HttpProtocolOptions, FilterConfig)
RESOURCES: tuple[type[Message], ...] = (Cluster, ClusterLoadAssignment, RouteConfiguration, Listener)


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.__name__)
@fuzzed(150, accepts=[HealthCheck.data_too_large])
@given(data=st.data())
def test_any_message(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind, ANYS))
    compiled, errors = outcome(kind, message)
    if compiled is None:
        assert errors
        assert all(each.reason and each.at.root.startswith(kind.__name__) for each in errors)
    else:
        again, _ = outcome(kind, message.SerializeToString())
        assert again is not None
        assert again.name == compiled.name


@fuzzed(200)
@given(st.sampled_from(RESOURCES), st.binary(max_size=40))
def test_any_bytes(kind: type[Message], data: bytes) -> None:
    compiled, errors = outcome(kind, data)
    assert (compiled is None) is bool(errors)


def outcome(kind: type[Message], resource: Message | bytes) -> tuple[CompiledResource | None, Sequence[ConfigError]]:
    """What it compiled to, or why it did not."""
    try:
        return compile_resource(type_url_of(kind), resource), ()
    except InvalidResource as error:
        return None, error.errors


def test_an_unknown_type() -> None:
    with pytest.raises(InvalidResource, match="resources of this type are not supported"):
        compile_resource("type.googleapis.com/google.protobuf.Duration", b"")
