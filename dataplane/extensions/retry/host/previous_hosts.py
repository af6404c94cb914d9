"""Retries go to hosts that were not tried before, as long as there are some.  Envoy: envoy.retry_host_predicates.previous_hosts."""

from __future__ import annotations

from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.retry_policy import HOST_PREDICATE_KIND, PreviousHosts
from dataplane.compile.support import supports

supports(PreviousHostsPredicate)


@extension(HOST_PREDICATE_KIND, PreviousHostsPredicate.DESCRIPTOR.full_name)
def compile_config(config: PreviousHostsPredicate, at: FieldPath, context: CompileContext) -> PreviousHosts:
    return PreviousHosts()
