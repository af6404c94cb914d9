"""What is set and not declared is refused with its place; extensions declare for themselves when they are imported."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.trace.v3.http_tracer_pb2 import Tracing
from envoy.data.dns.v3.dns_table_pb2 import DnsTable
from envoy.service.tap.v3.tap_pb2 import StreamTapsRequest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from dataplane.base.errors import FieldPath, Problems
from dataplane.compile import support
from dataplane.compile.support import ignores, supports
from dataplane.compile.support_walk import check_support, is_supported
from tests.support.tree_messages import convert

pytestmark = pytest.mark.usefixtures("own_support_table")


def found(message: Message) -> list[str]:
    problems = Problems()
    check_support(message, FieldPath(), problems)
    return [str(error) for error in problems.errors]


def test_a_message_that_nobody_declared() -> None:
    assert found(convert(StreamTapsRequest(), {"trace_id": 5})) == ["trace_id: is not supported by this version"]
    assert found(StreamTapsRequest()) == []


def test_declared_fields_pass_and_a_later_declaration_counts() -> None:
    supports(DnsTable, "external_retry_count")
    table = convert(
        DnsTable(),
        {"external_retry_count": 1, "virtual_domains": [{"name": "a", "endpoint": {}}], "known_suffixes": {"exact": "a"}},
    )
    assert found(table) == [
        "virtual_domains: is not supported by this version",
        "known_suffixes: is not supported by this version",
    ]
    supports(DnsTable, "virtual_domains")
    ignores(DnsTable, "known_suffixes", because="a test")
    assert found(table) == [
        "virtual_domains[0].name: is not supported by this version",
        "virtual_domains[0].endpoint: is not supported by this version",
    ]


def test_values_of_an_enum_that_are_not_declared() -> None:
    supports(DnsTable.DnsServiceProtocol, "number", "name")
    supports(DnsTable.DnsService, "protocol", "ttl", "targets", "service_name")
    service = convert(
        DnsTable.DnsService(), {"service_name": "a", "ttl": "5s", "protocol": {"number": 6}, "targets": [{"weight": 1}]}
    )
    assert found(service) == ["targets[0].weight: is not supported by this version"]


def test_an_extension_that_we_do_not_have() -> None:
    supports(TypedExtensionConfig, "name", "typed_config")
    config = {"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.data.dns.v3.DnsTable.DnsServiceTarget"}}
    assert found(convert(TypedExtensionConfig(), config)) == [
        "typed_config: type envoy.data.dns.v3.DnsTable.DnsServiceTarget is not supported by this version"
    ]


def test_a_typed_struct_is_judged_by_what_it_stands_for() -> None:
    supports(TypedExtensionConfig, "name", "typed_config")
    inner = {
        "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
        "type_url": "x.com/istio.workload.BootstrapExtension",
        "value": {"a": 1},
    }
    assert found(convert(TypedExtensionConfig(), {"name": "x", "typed_config": inner})) == [
        "typed_config: type istio.workload.BootstrapExtension is not supported by this version"
    ]


def test_an_empty_any_is_left_to_who_needs_it() -> None:
    supports(TypedExtensionConfig, "name", "typed_config")
    assert found(convert(TypedExtensionConfig(), {"name": "x", "typed_config": {}})) == []


def test_bytes_that_are_no_message() -> None:
    supports(TypedExtensionConfig, "name", "typed_config")
    supports(DnsTable)
    broken = TypedExtensionConfig(name="x")
    broken.typed_config.CopyFrom(AnyMessage(type_url="a/envoy.data.dns.v3.DnsTable", value=b"\xff"))
    assert found(broken) == ["typed_config: not a serialized envoy.data.dns.v3.DnsTable"]
    broken.typed_config.CopyFrom(AnyMessage(type_url="a/xds.type.v3.TypedStruct", value=b"\xff"))
    assert found(broken) == ["typed_config: not a serialized xds.type.v3.TypedStruct"]


def test_extensions_are_imported_when_they_are_asked_for() -> None:
    assert is_supported("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")
    assert is_supported("google.protobuf.StringValue")
    assert not is_supported("envoy.extensions.filters.http.no_such.v3.Thing")
    assert not is_supported("os.path")


def test_a_refused_field_names_the_extensions_in_it() -> None:
    tracing = {"http": {"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"}}}
    assert found(convert(Tracing(), tracing)) == [
        "http: is not supported by this version, with envoy.config.trace.v3.ZipkinConfig in it"
    ]
    named = convert(DnsTable.DnsEndpoint(), {"service_list": {"services": [{"service_name": "a"}]}})
    assert found(named) == ["service_list: is not supported by this version"]
    config = tracing["http"]["typed_config"]
    options = {"typed_extension_protocol_options": {"a": config}, "filters": [{"typed_config": config}]}
    support._TABLE.pop("envoy.config.cluster.v3.Cluster")
    assert found(convert(Cluster(), options)) == [
        f"{field}: is not supported by this version, with envoy.config.trace.v3.ZipkinConfig in it"
        for field in ("typed_extension_protocol_options", "filters")
    ]
