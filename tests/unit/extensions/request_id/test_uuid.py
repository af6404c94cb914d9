"""Request ids and what tracing writes into them, from the configuration to the wire."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.extensions.filters.network.http_connection_manager import compile_manager
from dataplane.http.config import HttpConnectionManagerConfig, InternalAddresses
from dataplane.routing.trace_sampling import RequestIdOptions, TraceSampling
from tests.support.compiling import message
from tests.support.engine import Engine, get, route

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
UUID = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
ID = b"a121e9e1-feae-%b136-9e0e-6fac343d56c9"


def compiled(runtime: dict[str, object] | None = None, **fields: Any) -> HttpConnectionManagerConfig:
    context = CompileContext(runtime=runtime or {})
    made = compile_manager(message(MANAGER, {"stat_prefix": "p", "route_config": {}, **fields}), FieldPath(), context)
    context.problems.raise_if_any()
    return made


def test_options_of_the_extension() -> None:
    assert compiled().request_id == compiled(request_id_extension={}).request_id == RequestIdOptions()
    extension = {"typed_config": {"@type": UUID, "pack_trace_reason": False, "use_request_id_for_trace_sampling": False}}
    assert compiled(request_id_extension=extension).request_id == RequestIdOptions(False, False)


def test_another_extension_is_refused() -> None:
    context = CompileContext()
    extension = {"typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct"}}
    content = {"stat_prefix": "p", "route_config": {}, "request_id_extension": extension}
    compile_manager(message(MANAGER, content), FieldPath(), context)
    [problem] = context.problems.errors
    assert str(problem).startswith("request_id_extension.typed_config: didn't find a registered implementation")


def test_sampling_by_configuration_and_runtime() -> None:
    assert compiled().trace_sampling is None
    assert compiled(tracing={}).trace_sampling == TraceSampling()
    parts = {"client_sampling": {"value": 9.9}, "random_sampling": {"value": 0.016}, "overall_sampling": {"value": 50}}
    assert compiled(tracing=parts).trace_sampling == TraceSampling((9, 100), (1, 10_000), (5000, 10_000))
    runtime: dict[str, object] = {
        "tracing.random_sampling": 7.0,
        "tracing.client_enabled": {"numerator": 3},
        "tracing.global_enabled": 8,
    }
    assert compiled(runtime, tracing=parts).trace_sampling == TraceSampling((3, 100), (7, 100), (8, 100))


@pytest.mark.parametrize(
    ("settings", "digit"),
    [
        ({}, b"9"),
        ({"use_remote_address": True, "preserve_external_request_id": True}, b"4"),
        (
            {
                "use_remote_address": True,
                "preserve_external_request_id": True,
                "request_id": RequestIdOptions(pack_trace_reason=False),
            },
            b"9",
        ),
    ],
)
def test_whoever_comes_from_outside_has_no_say(settings: dict[str, Any], digit: bytes) -> None:
    engine = Engine(settings=settings)
    engine.connect().send(get(b"/", b"x-request-id: " + ID % b"9"))
    assert engine.up.last.field(b"x-request-id") == ID % digit


def test_requests_are_marked_and_counted_by_their_route() -> None:
    never = route(b"/never", trace_sampling=TraceSampling(random=(0, 100)))
    engine = Engine([never, route()], settings={"trace_sampling": TraceSampling()})
    client = engine.connect()
    for path, digit in ((b"/", b"9"), (b"/never", b"4")):
        client.send(get(path, b"x-request-id: " + ID % b"4"))
        assert engine.up.last.field(b"x-request-id") == ID % digit
        engine.up.last.respond()
    names = ("random_sampling", "not_traceable", "service_forced", "client_enabled", "health_check")
    found = {name: engine.stats.counter(f"http.test.tracing.{name}").value for name in names}
    assert found == {"random_sampling": 1, "not_traceable": 1, "service_forced": 0, "client_enabled": 0, "health_check": 0}


def test_whoever_inside_forces_a_trace_hears_its_id() -> None:
    inside = InternalAddresses(cidr_ranges=(ip_network("10.0.0.0/8"),))
    engine = Engine(settings={"use_remote_address": True, "internal_addresses": inside})
    client = engine.connect()
    for fields, told in (((b"x-envoy-force-trace: true",), ID % b"4"), ((), None)):
        client.send(get(b"/", b"x-request-id: " + ID % b"4", *fields))
        engine.up.last.respond()
        assert client.take_response()[1].get(b"x-request-id") == told
