"""Least request as an extension.  Envoy: envoy.load_balancing_policies.least_request."""

from __future__ import annotations

from envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2 import LeastRequest

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, least_request, locality_settings
from dataplane.compile.support import supports

supports(LeastRequest, "choice_count", "active_request_bias", "locality_lb_config", selection_method=("N_CHOICES",))


@extension(KIND, LeastRequest.DESCRIPTOR.full_name)
def compile_config(config: LeastRequest, at: FieldPath, context: CompileContext) -> LbPolicy:
    return LbPolicy("LEAST_REQUEST", least_request(config, context), **locality_settings(config.locality_lb_config))
