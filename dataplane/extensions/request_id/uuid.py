"""Request ids are random UUIDs, one digit of which says why a request is traced.  Envoy: envoy.request_id.uuid."""

from __future__ import annotations

from envoy.extensions.request_id.uuid.v3.uuid_pb2 import UuidRequestIdConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.compile.tracing import REQUEST_ID_KIND
from dataplane.compile.units import wrapped
from dataplane.routing.trace_sampling import RequestIdOptions

supports(UuidRequestIdConfig, "pack_trace_reason", "use_request_id_for_trace_sampling")


@extension(REQUEST_ID_KIND, UuidRequestIdConfig.DESCRIPTOR.full_name)
def compile_config(config: UuidRequestIdConfig, at: FieldPath, context: CompileContext) -> RequestIdOptions:
    return RequestIdOptions(
        wrapped(config, "pack_trace_reason", True), wrapped(config, "use_request_id_for_trace_sampling", True)
    )
