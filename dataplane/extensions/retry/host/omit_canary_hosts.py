"""Retries do not go to canaries.  Envoy: envoy.retry_host_predicates.omit_canary_hosts."""

from __future__ import annotations

from envoy.extensions.retry.host.omit_canary_hosts.v3.omit_canary_hosts_pb2 import OmitCanaryHostsPredicate

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.retry_policy import HOST_PREDICATE_KIND, AvoidedHosts
from dataplane.compile.support import supports

supports(OmitCanaryHostsPredicate)


@extension(HOST_PREDICATE_KIND, OmitCanaryHostsPredicate.DESCRIPTOR.full_name)
def compile_config(config: OmitCanaryHostsPredicate, at: FieldPath, context: CompileContext) -> AvoidedHosts:
    return AvoidedHosts(lambda host: host.canary)
